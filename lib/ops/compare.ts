import { opcode } from '../native/register.js';
import { type DType, isFloat } from '../tensor/dtype.js';
import type { Bin, Broadcast, Sh, Shape } from '../tensor/shape-types.js';
import { installMethods, type Tensor } from '../tensor/tensor.js';
import { inDType } from './cast.js';
import { invoke } from './invoke.js';
import { defineOp, type NotDifferentiable, notDifferentiable, type Op, type Operand } from './op.js';
import { applyBinary, broadcastPair, dtypeOfPair, fitsInteger, type IntegerType } from './operand.js';

const comparison: NotDifferentiable = notDifferentiable('a comparison has no slope');

/** The type that two operands are compared in: float64 where a number lies outside the integers of a tensor. */
function comparedIn(a: Operand, b: Operand): DType {
  const dtype = dtypeOfPair(a, b);
  const number = typeof a === 'number' ? a : b;
  if (typeof number !== 'number' || isFloat(dtype)) return dtype;
  return fitsInteger(number, dtype as IntegerType) ? dtype : 'float64';
}

function defineCompare(name: string): Op<object> {
  const code = opcode(name);
  return defineOp<object>({
    name,
    infer: ([a, b]) => ({ shape: broadcastPair(name, a as Operand, b as Operand), dtype: 'bool' }),
    run: ([a, b], _, { shape }) => {
      const dtype = comparedIn(a as Operand, b as Operand);
      return invoke(name, code, [inDType(a as Operand, dtype), inDType(b as Operand, dtype)], shape, 'bool', dtype);
    },
    gradient: comparison,
    saves: {},
  });
}

const compare = {
  equal: defineCompare('equal'),
  notEqual: defineCompare('notEqual'),
  less: defineCompare('less'),
  lessEqual: defineCompare('lessEqual'),
  greater: defineCompare('greater'),
  greaterEqual: defineCompare('greaterEqual'),
};

type BoolOut<T, U> = Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;

/** a = b, broadcast, as bool. */
export function equal<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'equal', T, U>): BoolOut<T, U> {
  return applyBinary(compare.equal, a, b);
}
/** a ≠ b, broadcast, as bool. */
export function notEqual<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'notEqual', T, U>): BoolOut<T, U> {
  return applyBinary(compare.notEqual, a, b);
}
/** a < b, broadcast, as bool. */
export function less<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'less', T, U>): BoolOut<T, U> {
  return applyBinary(compare.less, a, b);
}
/** a ≤ b, broadcast, as bool. */
export function lessEqual<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'lessEqual', T, U>): BoolOut<T, U> {
  return applyBinary(compare.lessEqual, a, b);
}
/** a > b, broadcast, as bool. */
export function greater<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'greater', T, U>): BoolOut<T, U> {
  return applyBinary(compare.greater, a, b);
}
/** a ≥ b, broadcast, as bool. */
export function greaterEqual<T extends Tensor, U extends Tensor | number>(
  a: T,
  b: Bin<'greaterEqual', T, U>,
): BoolOut<T, U> {
  return applyBinary(compare.greaterEqual, a, b);
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> {
    /** a = b, broadcast, as bool. */
    equal<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'equal', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
    /** a ≠ b, broadcast, as bool. */
    notEqual<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'notEqual', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
    /** a < b, broadcast, as bool. */
    less<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'less', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
    /** a ≤ b, broadcast, as bool. */
    lessEqual<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'lessEqual', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
    /** a > b, broadcast, as bool. */
    greater<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'greater', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
    /** a ≥ b, broadcast, as bool. */
    greaterEqual<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'greaterEqual', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
  }
}

for (const op of Object.values(compare)) {
  installMethods({
    [op.name](this: Tensor, other: Operand) {
      return applyBinary(op, this, other);
    },
  });
}
