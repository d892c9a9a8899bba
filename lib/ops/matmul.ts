import { DTypeError, ShapeError } from '../errors.js';
import { opcode } from '../native/register.js';
import { shownShape } from '../support/check.js';
import { type DType, isFloat, promote } from '../tensor/dtype.js';
import { broadcastShapes, frozenShape } from '../tensor/shape.js';
import type { Dt2, MM, MMCheck, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, installMethods, type Tensor } from '../tensor/tensor.js';
import { inDType } from './cast.js';
import { invoke } from './invoke.js';
import { apply, defineOp, noAttrs, type Operand, type Signature } from './op.js';
import { sumTo } from './reduce.js';
import { expandDims, reshape, transpose } from './view.js';

const MATMUL = opcode('matmul');

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
    return { shape: frozenShape(shape), dtype: checkFloats('matmul', a, b) };
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
