import { ValueError } from '../errors.js';
import { opcode } from '../native/register.js';
import { shownShape } from '../support/check.js';
import type { Tensor } from '../tensor/tensor.js';
import { add, mul, sub } from './binary.js';
import { invoke, setInt, setReal } from './invoke.js';
import { apply, defineOp, type Signature } from './op.js';
import { sigmoid } from './unary.js';
import { detach } from './view.js';

/** Which numbers a loss takes for labels, and how it says so. NaN is let through, and makes the loss NaN. */
export interface LabelRange {
  readonly who: string;
  readonly low: number;
  readonly high: number;
  /** Whether low and high alone are labels, and nothing between them. */
  readonly endsOnly?: boolean;
  /** The name of the range: `labels from 0 to 1`. */
  readonly takes: string;
  /** The advice, where there is one. */
  readonly hint?: string;
}

const PRODUCT = opcode('labelProduct');
const SIGMOID_CROSS_ENTROPY = opcode('sigmoidCrossEntropy');

/** The message about the first label that is none: looked for only once the native call has refused. */
function noLabel(labels: Tensor, { who, low, high, endsOnly, takes, hint }: LabelRange): ValueError {
  const values = (detach(labels) as Tensor).toTypedArray();
  const isOdd = (z: number) => (endsOnly === true ? z !== low && z !== high && !Number.isNaN(z) : z < low || z > high);
  const at = (values as Float32Array).findIndex(isOdd);
  const place: number[] = [];
  for (let d = labels.ndim - 1, rest = at; d >= 0; d--) {
    const size = labels.shape[d] as number;
    place.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return new ValueError(
    `${who} takes ${takes}, but got ${values[at]} at ${shownShape(place)}${hint === undefined ? '' : `; ${hint}`}`,
  );
}

function native(
  name: string,
  code: number,
  inputs: readonly Tensor[],
  range: LabelRange,
  signature: Signature,
): Tensor {
  setReal(0, range.low);
  setReal(1, range.high);
  setInt(0, range.endsOnly === true ? 1 : 0);
  try {
    return invoke(name, code, inputs, signature.shape, signature.dtype);
  } catch (error) {
    throw error instanceof ValueError ? noLabel(inputs[1] as Tensor, range) : error;
  }
}

function likeFirst([x]: readonly unknown[]): Signature {
  const { shape, dtype } = x as Tensor;
  return { shape, dtype };
}

const productOp = defineOp<LabelRange>({
  name: 'labelProduct',
  infer: likeFirst,
  run: (inputs, range, signature) => native('labelProduct', PRODUCT, inputs as Tensor[], range, signature),
  gradient: (g, { inputs, needs }) => [
    needs[0] ? mul(g, inputs[1] as Tensor) : null,
    needs[1] ? mul(g, inputs[0] as Tensor) : null,
  ],
  saves: { inputs: [0, 1] },
});

/** x·labels, element by element, of one shape and dtype; raises where a label is outside its range. */
export function labelProduct(x: Tensor, labels: Tensor, range: LabelRange): Tensor {
  return apply(productOp, [x, labels], range);
}

interface SigmoidAttrs extends LabelRange {
  /** Whether labels are -1 and 1, which stand for 0 and 1. */
  readonly isSigned: boolean;
}

const sigmoidCrossEntropyOp = defineOp<SigmoidAttrs>({
  name: 'sigmoidCrossEntropy',
  infer: likeFirst,
  run: (inputs, attrs, signature) => {
    setInt(1, attrs.isSigned ? 1 : 0);
    return native('sigmoidCrossEntropy', SIGMOID_CROSS_ENTROPY, inputs as Tensor[], attrs, signature);
  },
  // σ(x) - z for x and -x for z. Operation by operation it would be another number at 0, where max(x, 0) and |x| bend.
  gradient: (g, { inputs, attrs: { isSigned }, needs }) => {
    const [x, labels] = inputs as readonly Tensor[] as readonly [Tensor, Tensor];
    const z: Tensor = isSigned ? add(mul(labels, 0.5), 0.5) : labels;
    return [
      needs[0] ? mul(g, sub(sigmoid(x) as Tensor, z)) : null,
      needs[1] ? mul(mul(g, x), isSigned ? -0.5 : -1) : null,
    ];
  },
  saves: { inputs: [0, 1] },
});

/**
 * -(z·ln σ(x) + (1 - z)·ln(1 - σ(x))), as max(x, 0) - x·z + ln(1 + e^-|x|), which never overflows; x and labels of one
 * shape and dtype. z is the label, or (label + 1)/2 where they are signed.
 */
export function sigmoidCrossEntropy(x: Tensor, labels: Tensor, range: LabelRange, isSigned = false): Tensor {
  return apply(sigmoidCrossEntropyOp, [x, labels], { ...range, isSigned });
}
