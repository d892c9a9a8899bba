import { ArgumentError, ShapeError } from '../errors.js';
import { shownShape } from '../support/check.js';
import { type DType, isFloat, promote, promoteNumber } from '../tensor/dtype.js';
import { broadcastShapes, sameShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { inDType } from './cast.js';
import { installFunctions } from './methods.js';
import { apply, type GradientContext, noAttrs, type Op, type Operand, type Signature } from './op.js';

export function checkOperand(who: string, value: unknown): Operand {
  return typeof value === 'number' ? value : checkTensor(who, value);
}

export function dtypeOfPair(a: Operand, b: Operand): DType {
  if (typeof a === 'number') return promoteNumber((b as Tensor).dtype, a);
  if (typeof b === 'number') return promoteNumber(a.dtype, b);
  return promote(a.dtype, b.dtype);
}

const scalarShape: readonly number[] = Object.freeze([]);

function shapeOf(x: Operand): readonly number[] {
  return typeof x === 'number' ? scalarShape : x.shape;
}

export function broadcastPair(name: string, a: Operand, b: Operand): readonly number[] {
  const shape = broadcastShapes(shapeOf(a), shapeOf(b));
  if (shape === undefined) {
    throw new ShapeError(
      `${name}: shapes ${shownShape(shapeOf(a))} and ${shownShape(shapeOf(b))} do not broadcast; sizes must be equal, or 1`,
    );
  }
  return shape;
}

/**
 * A gradient of a broadcast result, summed to the shape of the operand that was broadcast. Gradients of operations that lie
 * below those they call call them as methods.
 */
export function sumTo(g: Tensor, shape: readonly number[]): Tensor {
  if (sameShape(g.shape, shape)) return g;
  const added = g.ndim - shape.length;
  const axes = g.shape.flatMap((size, d) => (d < added || (shape[d - added] === 1 && size !== 1) ? [d] : []));
  const summed: Tensor = axes.length === 0 ? g : g.sum({ axis: axes });
  return summed.reshape(shape);
}

/** A gradient in the shape and type of the operand that it belongs to. */
export function towards(g: Tensor, signature: Signature): Tensor {
  return inDType(sumTo(g, signature.shape), signature.dtype) as Tensor;
}

export function bothTowards(
  context: GradientContext<unknown>,
  ga: () => Tensor,
  gb: () => Tensor,
): readonly (Tensor | null)[] {
  const [a, b] = context.signatures as readonly [Signature, Signature];
  return [context.needs[0] ? towards(ga(), a) : null, context.needs[1] ? towards(gb(), b) : null];
}

const ranges = { int32: [-(2 ** 31), 2 ** 31 - 1], uint8: [0, 255], bool: [0, 1] } as const;

export type IntegerType = keyof typeof ranges;

/** Whether a number lies in an integer type. */
export function fitsInteger(value: number, dtype: IntegerType): boolean {
  return value >= ranges[dtype][0] && value <= ranges[dtype][1];
}

/** A number as integer arithmetic sees it: modulo the type's range, as its results are. */
export function wrapped(operand: Operand, dtype: DType): Operand {
  if (typeof operand !== 'number' || isFloat(dtype)) return operand;
  return dtype === 'uint8' ? operand & 255 : operand | 0;
}

/** A function that runs an operation of two operands, one of them a tensor; installed as a method too. */
export function binaryFunction(op: Op<object>): never {
  const { name } = op;
  const f = {
    [name](a: unknown, b: unknown): Tensor {
      const left = checkOperand(name, a);
      const right = checkOperand(name, b);
      if (typeof left === 'number' && typeof right === 'number')
        throw new ArgumentError(`${name} takes at least one tensor, but got two numbers`);
      return apply(op, [left, right], noAttrs);
    },
  }[name] as (a: unknown, b: unknown) => Tensor;
  installFunctions({ [name]: f });
  return f as never;
}
