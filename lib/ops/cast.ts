import { opcode } from '../native/register.js';
import { checkDType, type DType, isFloat } from '../tensor/dtype.js';
import type { Dt, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { invoke } from './invoke.js';
import { installFunctions } from './methods.js';
import { apply, defineOp, type Operand } from './op.js';

const COPY = opcode('copy');

/** The elements in another type, or contiguous; recorded by nobody. */
export function convert(t: Tensor, dtype: DType): Tensor {
  return invoke('cast', COPY, [t], t.shape, dtype);
}

/** The operand in that type, itself where it has it. A number stays one. */
export function inDType(operand: Operand, dtype: DType): Operand {
  return typeof operand === 'number' || operand.dtype === dtype ? operand : convert(operand, dtype);
}

const castOp = defineOp<{ readonly dtype: DType }>({
  name: 'cast',
  infer: ([x], { dtype }) => ({ shape: (x as Tensor).shape, dtype }),
  run: ([x], { dtype }) => convert(x as Tensor, dtype),
  gradient: (g, { signatures }) => {
    const dtype = signatures[0]?.dtype as DType;
    return [isFloat(dtype) ? cast(g, dtype) : null];
  },
  saves: {},
});

const cloneOp = defineOp<object>({
  name: 'clone',
  infer: ([x]) => ({ shape: (x as Tensor).shape, dtype: (x as Tensor).dtype }),
  run: ([x]) => convert(x as Tensor, (x as Tensor).dtype),
  gradient: g => [g],
  saves: {},
});

/**
 * The elements in another type. Floats become integers by truncation, held to the type's range, NaN becomes 0; integers
 * wrap; anything but 0 is true. A tensor that has the type already is returned as it is.
 */
export function cast<T extends Tensor, D extends DType>(x: T, dtype: D): Tensor<Sh<T>, D> {
  checkTensor('cast', x);
  checkDType('cast', dtype);
  return (x.dtype === dtype ? x : apply(castOp, [x], { dtype })) as never;
}

/** A copy with elements of its own. */
export function clone<T extends Tensor>(x: T): Tensor<Sh<T>, T['dtype']> {
  checkTensor('clone', x);
  return apply(cloneOp, [x], {}) as never;
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> {
    /** The elements in another type; see the function `cast`. */
    cast<T extends Tensor, E extends DType>(this: T, dtype: E): Tensor<Sh<T>, E>;
    /** A copy with elements of its own. */
    clone<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
  }
}

installFunctions({ cast, clone });
