import { DTypeError, ShapeError } from '../errors.js';
import { opcode } from '../native/register.js';
import { shownShape } from '../support/check.js';
import { type DType, isFloat, promote } from '../tensor/dtype.js';
import { broadcastShapes, frozenShape, sizeOf } from '../tensor/shape.js';
import type { Dt2, MM, MMCheck, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { mul } from './binary.js';
import { inDType } from './cast.js';
import { invoke } from './invoke.js';
import { type AsMethods, installFunctions } from './methods.js';
import { apply, defineOp, noAttrs, type Operand, type Signature } from './op.js';
import { sumTo } from './operand.js';
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
  multiplyAdds: ([a], { shape }) => sizeOf(shape) * ((a as Tensor).shape.at(-1) as number),
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

/**
 * NumPy's dot: the last dimension of a against the last but one of b (or its only one), all pairs of the others:
 * [..., k] · [..., k, n] → [..., ..., n]. Of scalars the product.
 */
export function dot(a: Tensor, b: Tensor): Tensor {
  const [left, right] = [checkTensor('dot', a), checkTensor('dot', b)];
  if (left.ndim === 0 || right.ndim === 0) return mul(left, right) as Tensor;
  if (left.ndim <= 2 && right.ndim <= 2) return matmul(left, right) as Tensor;
  const inner = left.shape[left.ndim - 1] as number;
  if (inner !== (right.shape[Math.max(0, right.ndim - 2)] as number)) {
    throw new ShapeError(
      `dot: ${shownShape(left.shape)} . ${shownShape(right.shape)}: the last size of the first and the last but one of the second differ`,
    );
  }
  const rows = reshape(left, [sizeOf(left.shape.slice(0, -1)), inner]) as Tensor;
  if (right.ndim === 1) return reshape(matmul(rows, right) as Tensor, left.shape.slice(0, -1)) as Tensor;
  const kept = [...right.shape.slice(0, -2), right.shape[right.ndim - 1] as number];
  const order = right.shape.map((_, d) => d);
  order.unshift(...order.splice(right.ndim - 2, 1));
  const columns = reshape(transpose(right, order) as Tensor, [inner, sizeOf(kept)]) as Tensor;
  return reshape(matmul(rows, columns) as Tensor, [...left.shape.slice(0, -1), ...kept]) as Tensor;
}

/** All products of an element of a with one of b: [a.size, b.size]. */
export function outer(a: Tensor, b: Tensor): Tensor {
  const [left, right] = [checkTensor('outer', a), checkTensor('outer', b)];
  return mul(reshape(left, [left.size, 1]) as Tensor, reshape(right, [1, right.size]) as Tensor) as Tensor;
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> extends AsMethods<typeof import('./matmul.js'), 'dot' | 'outer'> {
    /** The matrix product over the last two dimensions. */
    matmul<T extends Tensor, U extends Tensor>(
      this: T,
      other: U & MMCheck<Sh<T>, Sh<U>>,
    ): Tensor<MM<Sh<T>, Sh<U>>, Dt2<T, U>>;
  }
}

installFunctions({ matmul, dot, outer });
