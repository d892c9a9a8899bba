import { ArgumentError } from '../errors.js';
import type { DType } from '../tensor/dtype.js';
import type { Bin, Broadcast, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { equal, notEqual } from './compare.js';
import { full } from './create.js';
import { installFunctions } from './methods.js';
import type { Operand } from './op.js';
import { checkOperand } from './operand.js';
import { where } from './select.js';

type BoolOut<T, U> = Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;

/** An operand as true and false: every number but 0 is true, NaN among them. */
function truth(operand: Operand): Tensor {
  if (typeof operand === 'number') return full([], operand !== 0, { dtype: 'bool' }) as Tensor;
  return operand.dtype === 'bool' ? operand : notEqual(operand, 0);
}

function both(who: string, a: unknown, b: unknown): readonly [Tensor, Tensor] {
  const [left, right] = [checkOperand(who, a), checkOperand(who, b)];
  if (typeof left === 'number' && typeof right === 'number')
    throw new ArgumentError(`${who} takes at least one tensor, but got two numbers`);
  return [truth(left), truth(right)];
}

/** Whether both are true (not 0), broadcast, as bool. */
export function logicalAnd<T extends Tensor, U extends Tensor | number>(
  a: T,
  b: Bin<'logicalAnd', T, U>,
): BoolOut<T, U> {
  const [p, q] = both('logicalAnd', a, b);
  return where(p, q, p) as never;
}

/** Whether one of both is true (not 0), broadcast, as bool. */
export function logicalOr<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'logicalOr', T, U>): BoolOut<T, U> {
  const [p, q] = both('logicalOr', a, b);
  return where(p, p, q) as never;
}

/** Whether x is false (0), as bool. */
export function logicalNot<T extends Tensor>(x: T): Tensor<Sh<T>, 'bool'> {
  return equal(checkTensor('logicalNot', x), 0) as never;
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> {
    /** Whether both are true (not 0), broadcast, as bool. */
    logicalAnd<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'logicalAnd', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
    /** Whether one of both is true (not 0), broadcast, as bool. */
    logicalOr<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'logicalOr', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
    /** Whether it is false (0), as bool. */
    logicalNot<T extends Tensor>(this: T): Tensor<Sh<T>, 'bool'>;
  }
}

installFunctions({ logicalAnd, logicalOr, logicalNot });
