import { ShapeError, ValueError } from '../errors.js';
import { opcode } from '../native/register.js';
import { shownShape } from '../support/check.js';
import { frozenShape, sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { mul, sub } from './binary.js';
import { invoke, setInt } from './invoke.js';
import { apply, defineOp, type Signature } from './op.js';
import { gather } from './pick.js';
import { sum } from './reduce.js';
import { softmax } from './softmax.js';
import { expandDims, reshape } from './view.js';

interface CrossEntropyAttrs {
  /** Whether x holds logarithms of probabilities already. */
  readonly isLog: boolean;
}

const FORWARD = opcode('crossEntropy');
const BACKWARD = opcode('crossEntropyGradient');

/** The label that is no class, for the message: looked for only once the native call has refused. */
function noClass(x: Tensor, labels: Tensor): ValueError {
  const classes = x.shape[x.ndim - 1] as number;
  const values = labels.toTypedArray();
  const at = values.findIndex(label => !(label >= 0 && label < classes && Number.isInteger(label)));
  const place: number[] = [];
  for (let d = labels.ndim - 1, rest = at; d >= 0; d--) {
    const size = labels.shape[d] as number;
    place.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  const where = place.length === 1 ? `sample ${place[0]}` : shownShape(place);
  return new ValueError(
    `label ${values[at]} of ${where} is none of the ${classes} classes of predictions of shape ${shownShape(x.shape)}: labels are whole numbers from 0 to ${classes - 1}`,
  );
}

function native(code: number, inputs: readonly Tensor[], { isLog }: CrossEntropyAttrs, signature: Signature): Tensor {
  setInt(0, isLog ? 1 : 0);
  try {
    return invoke('crossEntropy', code, inputs, signature.shape, signature.dtype);
  } catch (error) {
    const [x, labels] = inputs.slice(-2) as [Tensor, Tensor];
    throw error instanceof ValueError ? noClass(x, labels) : error;
  }
}

const crossEntropyOp = defineOp<CrossEntropyAttrs>({
  name: 'crossEntropy',
  infer: ([x, labels]) => {
    const { shape, dtype } = x as Tensor;
    const expected = shape.slice(0, -1);
    if (!sameShape((labels as Tensor).shape, expected)) {
      throw new ShapeError(
        `crossEntropy takes labels of shape ${shownShape(expected)} for predictions of shape ${shownShape(shape)}, but got ${shownShape((labels as Tensor).shape)}`,
      );
    }
    return { shape: frozenShape(expected), dtype };
  },
  run: (inputs, attrs, signature) => native(FORWARD, inputs as Tensor[], attrs, signature),
  gradient: (g, { inputs, attrs }) => [
    apply(crossEntropyGradientOp, [g, inputs[0] as Tensor, inputs[1] as Tensor], attrs),
    null,
  ],
  saves: { inputs: [0, 1] },
});

const crossEntropyGradientOp = defineOp<CrossEntropyAttrs>({
  name: 'crossEntropyGradient',
  infer: ([, x]) => ({ shape: (x as Tensor).shape, dtype: (x as Tensor).dtype }),
  run: (inputs, attrs, signature) => native(BACKWARD, inputs as Tensor[], attrs, signature),
  // It is g·(p - e), p = softmax(x), or -g·e: linear in g, and in x by the slope of p alone.
  gradient: (h, { inputs, attrs: { isLog } }) => {
    const [g, x, labels] = inputs as readonly Tensor[] as readonly [Tensor, Tensor, Tensor];
    const atLabel = reshape(gather(h, expandDims(labels.cast('int32') as Tensor, -1)), g.shape) as Tensor;
    if (isLog) return [mul(atLabel, -1), null, null];
    const p = softmax(x);
    const weighted = mul(h, p);
    const mean = sum(weighted, { axis: -1, keepdims: true });
    return [sub(reshape(mean, g.shape) as Tensor, atLabel), mul(expandDims(g, -1), sub(weighted, mul(p, mean))), null];
  },
  saves: { inputs: [0, 1, 2] },
});

/**
 * ln Σ_j e^x[i][j] - x[i][labels[i]] over the last axis: what softmax makes of x is never in memory. With `isLog`, x holds
 * logarithms of probabilities, and the result is -x[i][labels[i]]. Labels are whole numbers of any type.
 */
export function crossEntropy(x: Tensor, labels: Tensor, isLog: boolean): Tensor {
  return apply(crossEntropyOp, [x, labels], { isLog });
}
