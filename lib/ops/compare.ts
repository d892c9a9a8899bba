import { opcode } from '../native/register.js';
import { type DType, isFloat } from '../tensor/dtype.js';
import type { Bin, Broadcast, Sh, Shape } from '../tensor/shape-types.js';
import type { Tensor } from '../tensor/tensor.js';
import { inDType } from './cast.js';
import { invoke } from './invoke.js';
import type { MethodsOf } from './methods.js';
import { defineOp, type NotDifferentiable, notDifferentiable, type Operand } from './op.js';
import { binaryFunction, broadcastPair, dtypeOfPair, fitsInteger, type IntegerType } from './operand.js';

const comparison: NotDifferentiable = notDifferentiable('a comparison has no slope');

/** The type that two operands are compared in: float64 where a number lies outside the integers of a tensor. */
function comparedIn(a: Operand, b: Operand): DType {
  const dtype = dtypeOfPair(a, b);
  const number = typeof a === 'number' ? a : b;
  if (typeof number !== 'number' || isFloat(dtype)) return dtype;
  return fitsInteger(number, dtype as IntegerType) ? dtype : 'float64';
}

type BoolOut<T, U> = Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;

/** A comparison of two operands, and its form as a method. */
interface Compares<N extends string> {
  <T extends Tensor, U extends Tensor | number>(a: T, b: Bin<N, T, U>): BoolOut<T, U>;
  readonly method?: <T extends Tensor, U extends Tensor | number>(this: T, other: Bin<N, T, U>) => BoolOut<T, U>;
}

/** Defines a comparison, which the addon has under its name, and its method. */
function compare<N extends string>(name: N): Compares<N> {
  const code = opcode(name);
  const op = defineOp<object>({
    name,
    infer: ([a, b]) => ({ shape: broadcastPair(name, a as Operand, b as Operand), dtype: 'bool' }),
    run: ([a, b], _, { shape }) => {
      const dtype = comparedIn(a as Operand, b as Operand);
      return invoke(name, code, [inDType(a as Operand, dtype), inDType(b as Operand, dtype)], shape, 'bool', dtype);
    },
    gradient: comparison,
    saves: {},
  });
  return binaryFunction(op);
}

/** a = b, broadcast, as bool. */
export const equal: Compares<'equal'> = compare('equal');
/** a ≠ b, broadcast, as bool. */
export const notEqual: Compares<'notEqual'> = compare('notEqual');
/** a < b, broadcast, as bool. */
export const less: Compares<'less'> = compare('less');
/** a ≤ b, broadcast, as bool. */
export const lessEqual: Compares<'lessEqual'> = compare('lessEqual');
/** a > b, broadcast, as bool. */
export const greater: Compares<'greater'> = compare('greater');
/** a ≥ b, broadcast, as bool. */
export const greaterEqual: Compares<'greaterEqual'> = compare('greaterEqual');

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> extends MethodsOf<typeof import('./compare.js')> {}
}
