import { DTypeError, ShapeError } from '../errors.js';
import { opcode } from '../native/register.js';
import { shownShape } from '../support/check.js';
import { isFloat } from '../tensor/dtype.js';
import { frozenShape, sizeOf } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import {
  type ActivationName,
  activationCode,
  activationOp,
  applyProduct,
  fusedActivations,
  withActivation,
} from './activations.js';
import { mul } from './binary.js';
import { convert } from './cast.js';
import { context } from './context.js';
import { invoke, invokeSeveral, isContiguous, setInt } from './invoke.js';
import { matmul } from './matmul.js';
import { defineOp, type GradientContext } from './op.js';
import { sum } from './reduce.js';
import { transpose } from './view.js';

const DENSE = opcode('dense');
const DENSE_GRADIENT = opcode('denseGradient');

interface DenseAttrs {
  readonly activation: ActivationName | null;
}

// The flags of native/runtime/ops/dense.cc, in the order in which inputs and outputs follow each other.
const WANTED = [1, 2, 4] as const;
const HAS_OUTPUT = 8;
const BEFORE = [16, 32, 64] as const;

/** The gradients of x, weight and bias, each with what has arrived before it, in one native call. */
function denseGradient(g: Tensor, ctx: GradientContext<DenseAttrs>): (Tensor | null)[] {
  if (context.tape !== null) return recordedGradient(g, ctx);
  const { inputs, signatures, attrs, output, needs, before } = ctx;
  const [x, weight] = inputs as readonly (Tensor | null)[] as [Tensor, Tensor, Tensor | undefined];
  const operands = [g, x, weight];
  const shapes: (readonly number[])[] = [];
  let flags = 0;
  if (attrs.activation !== null) {
    flags |= HAS_OUTPUT;
    operands.push(output as Tensor);
  }
  for (let i = 0; i < needs.length; i++) {
    if (needs[i] !== true) continue;
    flags |= WANTED[i] as number;
    shapes.push((signatures[i] as { shape: readonly number[] }).shape);
    const earlier = before[i] ?? null;
    if (earlier === null) continue;
    flags |= BEFORE[i] as number;
    operands.push(earlier);
  }
  setInt(0, activationCode(attrs.activation));
  setInt(1, flags);
  const made = invokeSeveral('dense', DENSE_GRADIENT, operands, shapes, g.dtype);
  let next = 0;
  return needs.map(need => (need ? (made[next++] as Tensor) : null));
}

/** The same by operations that have gradients, where it is recorded itself. */
function recordedGradient(g: Tensor, { inputs, attrs, output, needs }: GradientContext<DenseAttrs>): (Tensor | null)[] {
  const [x, weight] = inputs as readonly (Tensor | null)[] as [Tensor, Tensor, Tensor | undefined];
  const slope = attrs.activation === null ? undefined : activationOp(attrs.activation).slope;
  const inner: Tensor = slope === undefined ? g : mul(g, slope(output as Tensor));
  const gradients = [
    () => matmul(inner, weight) as Tensor,
    () => matmul(transpose(inner), x) as Tensor,
    () => sum(inner, { axis: 0 }) as Tensor,
  ];
  return needs.map((need, i) => (need ? (gradients[i] as () => Tensor)() : null));
}

const denseOp = defineOp<DenseAttrs>({
  name: 'dense',
  infer: inputs => {
    const [x, weight, bias] = inputs as readonly (Tensor | null)[] as [Tensor, Tensor, Tensor | undefined];
    if (x.ndim !== 2 || weight.ndim !== 2 || x.shape[1] !== weight.shape[1]) {
      throw new ShapeError(
        `dense: x ${shownShape(x.shape)} and weight ${shownShape(weight.shape)} must be [n, inputs] and [units, inputs]`,
      );
    }
    if (bias !== undefined && (bias.ndim !== 1 || bias.shape[0] !== weight.shape[0])) {
      throw new ShapeError(
        `dense: bias ${shownShape(bias.shape)} must be [units], for weight ${shownShape(weight.shape)}`,
      );
    }
    if (x.dtype !== weight.dtype || (bias !== undefined && bias.dtype !== weight.dtype) || !isFloat(x.dtype)) {
      throw new DTypeError(
        `dense takes x, weight and bias of one float type, but got ${inputs.map(t => (t as Tensor).dtype).join(', ')}`,
      );
    }
    return { shape: frozenShape([x.shape[0] as number, weight.shape[0] as number]), dtype: x.dtype };
  },
  run: (inputs, { activation }, { shape, dtype }) => {
    const [x, weight, bias] = inputs as readonly (Tensor | null)[] as [Tensor, Tensor, Tensor | undefined];
    const operands = bias === undefined ? [x, weight] : [x, weight, isContiguous(bias) ? bias : convert(bias, dtype)];
    setInt(0, activationCode(activation));
    return invoke('dense', DENSE, operands, shape, dtype);
  },
  gradient: denseGradient,
  saves: { inputs: [0, 1], output: ({ activation }) => activation !== null },
  absorbs: [0, 1, 2],
  fuses: fusedActivations,
  followedBy: withActivation,
  multiplyAdds: ([x], { shape }) => sizeOf(shape) * ((x as Tensor).shape[1] as number),
});

/** f(x·Wᵀ + b): x[n, inputs], W[units, inputs], b[units] or null. */
export function dense(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  activation: ActivationName | null = null,
): Tensor {
  const inputs = [checkTensor('dense', x), checkTensor('dense', weight)];
  if (bias !== null) inputs.push(checkTensor('dense', bias));
  return applyProduct(denseOp, inputs, {}, activation);
}
