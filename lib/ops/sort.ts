import { ShapeError } from '../errors.js';
import { opcode } from '../native/register.js';
import { checkBoolean, checkInteger, checkOptions, shownShape } from '../support/check.js';
import type { DType } from '../tensor/dtype.js';
import { checkAxis, frozenShape } from '../tensor/shape.js';
import type { Dt, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { invoke, setInt } from './invoke.js';
import { type AsMethods, installFunctions } from './methods.js';
import { apply, defineOp, notDifferentiable } from './op.js';
import { gather } from './pick.js';

const ARGSORT = opcode('argsort');

interface OrderAttrs {
  readonly axis: number;
  readonly descending: boolean;
  /** How many places are wanted; null for all. */
  readonly count: number | null;
}

const argsortOp = defineOp<OrderAttrs>({
  name: 'argsort',
  infer: ([x], { axis, count }) => {
    const { shape } = x as Tensor;
    if ((shape[axis] as number) >= 2 ** 31)
      throw new ShapeError(`argsort: places are int32, too small for axis ${axis} of shape ${shownShape(shape)}`);
    const sizes = count === null ? shape : frozenShape(shape.map((size, d) => (d === axis ? count : size)));
    return { shape: sizes, dtype: 'int32' };
  },
  run: ([x], { axis, descending }, { shape }) => {
    setInt(0, axis);
    setInt(1, descending ? 1 : 0);
    return invoke('argsort', ARGSORT, [x as Tensor], shape, 'int32');
  },
  gradient: notDifferentiable('a place has no slope'),
  sized: ['count'],
  saves: {},
});

export interface SortOptions {
  /** The last by default. */
  axis?: number;
  /** From the largest down; false by default. */
  descending?: boolean;
}

function order(who: string, x: Tensor, options: SortOptions | undefined): OrderAttrs {
  checkTensor(who, x);
  const { axis = -1, descending = false } = checkOptions(who, options, ['axis', 'descending']);
  return {
    axis: checkAxis(who, axis, x.ndim),
    descending: checkBoolean(`${who}: descending`, descending),
    count: null,
  };
}

/** The places (int32) of the elements along an axis in their order; equal ones stay in theirs, NaN is the largest. */
export function argsort<T extends Tensor>(x: T, options?: SortOptions): Tensor<Sh<T>, 'int32'> {
  return apply(argsortOp, [x], order('argsort', x, options)) as never;
}

/** The elements along an axis in their order; NaN is the largest. */
export function sort<T extends Tensor>(x: T, options?: SortOptions): Tensor<Sh<T>, Dt<T>> {
  const attrs = order('sort', x, options);
  return gather(x, apply(argsortOp, [x], attrs), { axis: attrs.axis }) as never;
}

export interface TopkOptions {
  /** The last by default. */
  axis?: number;
  /** Whether the largest are taken, from the largest down, or the smallest from the smallest up; true by default. */
  largest?: boolean;
}

export interface Topk {
  /** The values, sorted along the axis. */
  readonly values: Tensor;
  /** Where along the axis they are, int32. */
  readonly indices: Tensor;
}

/** The k largest (or smallest) elements along an axis, in their order, and their places; of equal ones the first. */
export function topk(x: Tensor, k: number, options?: TopkOptions): Topk {
  checkTensor('topk', x);
  const { axis = -1, largest = true } = checkOptions('topk', options, ['axis', 'largest']);
  const at = checkAxis('topk', axis, x.ndim);
  const count = checkInteger('topk: k', k, 0);
  checkBoolean('topk: largest', largest);
  if (count > (x.shape[at] as number))
    throw new ShapeError(`topk: axis ${at} of shape ${shownShape(x.shape)} has fewer than k = ${count} elements`);
  const indices = apply(argsortOp, [x], { axis: at, descending: largest, count });
  return { values: gather(x, indices, { axis: at }), indices };
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> extends AsMethods<typeof import('./sort.js'), 'topk'> {
    /** The places (int32) of the elements along an axis in their order. */
    argsort<T extends Tensor>(this: T, options?: SortOptions): Tensor<Sh<T>, 'int32'>;
    /** The elements along an axis in their order. */
    sort<T extends Tensor>(this: T, options?: SortOptions): Tensor<Sh<T>, Dt<T>>;
  }
}

installFunctions({ argsort, sort, topk });
