import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { addon } from '../native/addon.js';
import { opcode } from '../native/register.js';
import { shownShape } from '../support/check.js';
import { type DType, isFloat, promote } from '../tensor/dtype.js';
import { broadcastShapes } from '../tensor/shape.js';
import type { Dt2, MM, MMCheck, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, installMethods, type Tensor } from '../tensor/tensor.js';
import { convert, inDType } from './cast.js';
import { invoke, isContiguous, setInt } from './invoke.js';
import { apply, defineOp, noAttrs, type Operand, type Signature } from './op.js';
import { sum, sumTo } from './reduce.js';
import { expandDims, reshape, transpose } from './view.js';

const MATMUL = opcode('matmul');
const DENSE = opcode('dense');
const ACTIVATION_GRADIENT = opcode('activationGradient');

function swapLast(x: Tensor): Tensor {
  const axes = x.shape.map((_, d) => d);
  axes.push(axes.splice(x.ndim - 2, 1)[0] as number);
  return transpose(x, axes);
}

function checkFloats(name: string, a: Tensor, b: Tensor): DType {
  const dtype = promote(a.dtype, b.dtype);
  if (!isFloat(dtype))
    throw new DTypeError(`${name} takes float tensors, but got ${a.dtype} and ${b.dtype}; cast one to float32 first`);
  return dtype;
}

/** a[..., m, k] · b[..., k, n], for two dimensions or more on both sides. */
const matmulOp = defineOp<object>({
  name: 'matmul',
  infer: ([x, y]) => {
    const a = x as Tensor;
    const b = y as Tensor;
    const inner = a.shape[a.ndim - 1] === b.shape[b.ndim - 2];
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
    if (!inner || batch === undefined) {
      const why = inner
        ? 'the batch sizes do not broadcast'
        : `inner sizes ${a.shape[a.ndim - 1]} and ${b.shape[b.ndim - 2]} differ`;
      throw new ShapeError(`matmul: ${shownShape(a.shape)} x ${shownShape(b.shape)}: ${why}`);
    }
    const shape = [...batch, a.shape[a.ndim - 2] as number, b.shape[b.ndim - 1] as number];
    return { shape: Object.freeze(shape), dtype: checkFloats('matmul', a, b) };
  },
  run: ([a, b], _, { shape, dtype }) =>
    invoke('matmul', MATMUL, [inDType(a as Operand, dtype), inDType(b as Operand, dtype)], shape, dtype),
  gradient: (g, { inputs, signatures, needs }) => {
    const [a, b] = inputs as readonly [Tensor, Tensor];
    const [sa, sb] = signatures as readonly [Signature, Signature];
    return [
      needs[0] ? (inDType(sumTo(matmul(g, swapLast(b)), sa.shape), sa.dtype) as Tensor) : null,
      needs[1] ? (inDType(sumTo(matmul(swapLast(a), g), sb.shape), sb.dtype) as Tensor) : null,
    ];
  },
  saves: { inputs: [0, 1] },
});

/**
 * The matrix product over the last two dimensions, the ones before broadcast: [..., m, k] · [..., k, n] → [..., m, n].
 * A tensor of one dimension counts as a row on the left and a column on the right, and that dimension goes from the
 * result.
 */
export function matmul<T extends Tensor, U extends Tensor>(
  a: T,
  b: U & MMCheck<Sh<T>, Sh<U>>,
): Tensor<MM<Sh<T>, Sh<U>>, Dt2<T, U>> {
  const left = checkTensor('matmul', a);
  const right = checkTensor('matmul', b);
  if (left.ndim === 0 || right.ndim === 0) {
    throw new ShapeError(
      `matmul takes tensors of one dimension or more, but got ${shownShape(left.shape)} and ${shownShape(right.shape)}`,
    );
  }
  if (left.ndim > 1 && right.ndim > 1) return apply(matmulOp, [left, right], noAttrs) as never;
  const product = apply(
    matmulOp,
    [left.ndim === 1 ? expandDims(left, 0) : left, right.ndim === 1 ? expandDims(right, 1) : right],
    noAttrs,
  );
  const kept = product.shape.filter(
    (_, d) => !(left.ndim === 1 && d === product.ndim - 2) && !(right.ndim === 1 && d === product.ndim - 1),
  );
  return reshape(product, kept) as never;
}

// ---------- dense

/** Activations that the product applies itself, because their slope follows from their value. */
export type FusedActivation = 'relu' | 'tanh' | 'sigmoid';

// The unary operations are the addon's first; their places are their numbers (see native/runtime/ops/matmul.cc).
const functionCodes: { readonly [A in FusedActivation]: number } = {
  relu: addon.operations.indexOf('relu'),
  tanh: addon.operations.indexOf('tanh'),
  sigmoid: addon.operations.indexOf('sigmoid'),
};

interface DenseAttrs {
  readonly activation: FusedActivation | null;
}

/** dL/d(x·Wᵀ + b) from dL/dy and y. */
function beforeActivation(g: Tensor, y: Tensor, activation: FusedActivation): Tensor {
  setInt(0, functionCodes[activation]);
  return invoke('activationGradient', ACTIVATION_GRADIENT, [g, y], y.shape, y.dtype);
}

const denseOp = defineOp<DenseAttrs>({
  name: 'dense',
  infer: inputs => {
    const [x, weight, bias] = inputs as readonly Tensor[] as readonly [Tensor, Tensor, Tensor | undefined];
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
    return { shape: Object.freeze([x.shape[0] as number, weight.shape[0] as number]), dtype: x.dtype };
  },
  run: (inputs, { activation }, { shape, dtype }) => {
    const [x, weight, bias] = inputs as readonly Tensor[] as readonly [Tensor, Tensor, Tensor | undefined];
    const operands = bias === undefined ? [x, weight] : [x, weight, isContiguous(bias) ? bias : convert(bias, dtype)];
    setInt(0, activation === null ? -1 : functionCodes[activation]);
    return invoke('dense', DENSE, operands, shape, dtype);
  },
  gradient: (g, { inputs, attrs, output, needs }) => {
    const [x, weight] = inputs as readonly [Tensor, Tensor];
    const inner = attrs.activation === null ? g : beforeActivation(g, output as Tensor, attrs.activation);
    return [
      needs[0] ? matmul(inner, weight) : null,
      needs[1] ? matmul(transpose(inner), x) : null,
      ...(needs.length > 2 ? [needs[2] ? sum(inner, { axis: 0 }) : null] : []),
    ];
  },
  saves: { inputs: [0, 1], output: true },
});

/** f(x·Wᵀ + b) in one pass: x[n, inputs], W[units, inputs], b[units] or null. */
export function dense(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  activation: FusedActivation | null = null,
): Tensor {
  const inputs = [checkTensor('dense', x), checkTensor('dense', weight)];
  if (bias !== null) inputs.push(checkTensor('dense', bias));
  if (activation !== null && !(activation in functionCodes))
    throw new ArgumentError(`dense cannot apply '${activation}' itself`);
  return apply(denseOp, inputs, { activation });
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> {
    /** The matrix product over the last two dimensions. */
    matmul<T extends Tensor, U extends Tensor>(
      this: T,
      other: U & MMCheck<Sh<T>, Sh<U>>,
    ): Tensor<MM<Sh<T>, Sh<U>>, Dt2<T, U>>;
  }
}

installMethods({
  matmul(this: Tensor, other: Tensor) {
    return matmul(this, other);
  },
});
