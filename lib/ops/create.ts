import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { MAX_RANK, opcode, Status, session } from '../native/register.js';
import {
  checkInteger,
  checkNumber,
  checkOptions,
  checkRange,
  isDetached,
  shown,
  shownShape,
} from '../support/check.js';
import {
  type AnyTypedArray,
  bytesOf,
  checkDType,
  type DType,
  dtypeOfTypedArray,
  isFloat,
  newTypedArray,
} from '../tensor/dtype.js';
import { checkShape, sizeOf } from '../tensor/shape.js';
import type { DataDType, DataShape, Mut, NestedArray, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, internals, type Tensor } from '../tensor/tensor.js';
import { failed, invoke, setInt, setReal } from './invoke.js';
import { create, createConstant } from './op.js';

const FILL = opcode('fill');
const EYE = opcode('eye');

/** A tensor of zeros, not recorded and not abstract: for results that are about to be written. */
export function empty(shape: readonly number[], dtype: DType): Tensor {
  return filled(shape, dtype, 0);
}

function filled(shape: readonly number[], dtype: DType, value: number): Tensor {
  setReal(0, value);
  return invoke('full', FILL, [], shape, dtype);
}

/** A new tensor with a typed array's elements. The array's type is the dtype's; bools are bytes. */
export function fromTypedArray(shape: readonly number[], dtype: DType, data: AnyTypedArray): Tensor {
  return filledFrom(empty(shape, dtype), data);
}

function filledFrom(t: Tensor, data: AnyTypedArray): Tensor {
  const status = session.write(internals.idOf(t), data);
  if (status !== Status.ok) failed(status, 'tensor', t.shape, t.dtype);
  return t;
}

/** Bytes of elements that are made at a time. */
const PIECE = 2 ** 20;

/**
 * A new tensor whose elements `fill` makes piece by piece, into an array that is the same for all: there is no second copy
 * of them. `at` is the place of a piece's first element.
 */
export function fromPieces(
  shape: readonly number[],
  dtype: DType,
  fill: (piece: AnyTypedArray, at: number) => void,
): Tensor {
  const t = empty(shape, dtype);
  const count = sizeOf(shape);
  const whole = newTypedArray(dtype, Math.min(count, PIECE / bytesOf(dtype)));
  try {
    for (let at = 0; at < count; at += whole.length) {
      const piece = whole.subarray(0, count - at);
      fill(piece, at);
      const status = session.writePart(internals.idOf(t), piece, at);
      if (status !== Status.ok) failed(status, 'tensor', t.shape, t.dtype);
    }
  } catch (error) {
    t.dispose();
    throw error;
  }
  return t;
}

export interface DTypeOption<D extends DType> {
  /** 'float32' by default. */
  dtype?: D | undefined;
}

function constant(who: string, shape: unknown, value: number, options: DTypeOption<DType> | undefined): never {
  const { dtype = 'float32' } = checkOptions(who, options, ['dtype'], `the sizes as one array, as in ${who}([2, 3])`);
  const signature = { shape: checkShape(who, shape), dtype: checkDType(`${who}: dtype`, dtype) };
  return create(signature, () => filled(signature.shape, dtype, value)) as never;
}

/** Zeros of a shape. */
export function zeros<const S extends Shape, D extends DType = 'float32'>(
  shape: S,
  options?: DTypeOption<D>,
): Tensor<Mut<S>, NoInfer<D>> {
  return constant('zeros', shape, 0, options);
}

/** Ones of a shape. */
export function ones<const S extends Shape, D extends DType = 'float32'>(
  shape: S,
  options?: DTypeOption<D>,
): Tensor<Mut<S>, NoInfer<D>> {
  return constant('ones', shape, 1, options);
}

/** One value throughout. */
export function full<const S extends Shape, D extends DType = 'float32'>(
  shape: S,
  value: number | boolean,
  options?: DTypeOption<D>,
): Tensor<Mut<S>, NoInfer<D>> {
  if (typeof value !== 'number' && typeof value !== 'boolean') {
    throw new ArgumentError(`full takes a number to fill with, but got ${shown(value)}`);
  }
  return constant('full', shape, element('full', value, options?.dtype ?? 'float32'), options);
}

/** Zeros of a tensor's shape and dtype. */
export function zerosLike<T extends Tensor>(x: T): Tensor<Sh<T>, T['dtype']> {
  checkTensor('zerosLike', x);
  return constant('zerosLike', [...x.shape], 0, { dtype: x.dtype });
}

/** Ones of a tensor's shape and dtype. */
export function onesLike<T extends Tensor>(x: T): Tensor<Sh<T>, T['dtype']> {
  checkTensor('onesLike', x);
  return constant('onesLike', [...x.shape], 1, { dtype: x.dtype });
}

/** `count` numbers made in order, as a tensor of one dimension. */
function sequence(who: string, count: number, dtype: DType, at: (i: number) => number): Tensor {
  const signature = { shape: checkShape(who, [count]), dtype };
  return createConstant(signature, () => {
    // The tensor first: what is too large for it is refused before its elements are made.
    const t = empty(signature.shape, dtype);
    const data = newTypedArray(dtype, count);
    for (let i = 0; i < count; i++) data[i] = element(who, at(i), dtype);
    return filledFrom(t, data);
  });
}

/** start, start + step, … below stop; `arange(n)` counts from 0. int32 where all three are whole, else float32. */
export function arange(start: number, stop?: number, step = 1, options?: DTypeOption<DType>): Tensor {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  for (const value of [from, to, step]) checkRange('arange', value, -Number.MAX_VALUE, Number.MAX_VALUE);
  if (step === 0) throw new ArgumentError('arange: the step cannot be 0');
  const whole = [from, to, step].every(Number.isInteger);
  const { dtype = whole ? 'int32' : 'float32' } = checkOptions('arange', options, ['dtype']);
  // In halves, where the way from one to the other is longer than the largest float.
  const isFar = !Number.isFinite(to - from);
  const count = Math.max(0, Math.ceil(isFar ? (to / 2 - from / 2) / (step / 2) : (to - from) / step));
  return sequence('arange', count, checkDType('arange: dtype', dtype), i =>
    isFar ? 2 * (from / 2 + i * (step / 2)) : from + i * step,
  );
}

/** `count` numbers from start to stop, both included, equally far apart. */
export function linspace(start: number, stop: number, count: number, options?: DTypeOption<DType>): Tensor {
  checkRange('linspace: start', start, -Number.MAX_VALUE, Number.MAX_VALUE);
  checkRange('linspace: stop', stop, -Number.MAX_VALUE, Number.MAX_VALUE);
  checkInteger('linspace: count', count, 0);
  const { dtype = 'float32' } = checkOptions('linspace', options, ['dtype']);
  const last = count - 1;
  const gap = count > 1 ? (stop - start) / last : 0;
  // Where the way from one to the other is longer than the largest float, of each its share.
  const between = Number.isFinite(stop - start)
    ? (i: number) => start + i * gap
    : (i: number) => start * (1 - i / last) + stop * (i / last);
  return sequence('linspace', count, checkDType('linspace: dtype', dtype), i =>
    i === last && count > 1 ? stop : between(i),
  );
}

export interface EyeOptions<D extends DType> extends DTypeOption<D> {
  /** Columns; as many as rows by default. */
  columns?: number | undefined;
  /** Which diagonal: above the main one when positive. */
  k?: number | undefined;
}

/** Ones on a diagonal, zeros elsewhere. */
export function eye<D extends DType = 'float32'>(
  rows: number,
  options?: EyeOptions<D>,
): Tensor<[number, number], NoInfer<D>> {
  const { columns = rows, k = 0, dtype = 'float32' as D } = checkOptions('eye', options, ['columns', 'k', 'dtype']);
  const shape = checkShape('eye', [rows, columns]);
  const diagonal = Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, checkInteger('eye: k', k)));
  checkDType('eye: dtype', dtype);
  return create({ shape, dtype }, () => {
    setInt(0, diagonal);
    return invoke('eye', EYE, [], shape, dtype);
  }) as never;
}

export interface TensorOptions<S extends Shape, D extends DType> {
  /** 'float32' by default, 'bool' for booleans, and a typed array's own. */
  dtype?: D | undefined;
  /** The shape to put the elements into; by default that of the data. */
  shape?: S | undefined;
}

function shapeOfNested(data: NestedArray): number[] {
  const shape: number[] = [];
  for (let level = data; Array.isArray(level); level = level[0] as NestedArray) {
    shape.push(level.length);
    // An array that contains itself has no end; checkShape words the error.
    if (level.length === 0 || shape.length > MAX_RANK) break;
  }
  return shape;
}

function flattenNested(data: NestedArray, shape: readonly number[], depth: number, out: (number | boolean)[]): void {
  if (depth === shape.length) {
    if (typeof data !== 'number' && typeof data !== 'boolean') {
      throw new ArgumentError(`tensor takes nested arrays of numbers or booleans, but got ${shown(data)}`);
    }
    out.push(data);
    return;
  }
  if (!Array.isArray(data) || data.length !== shape[depth]) {
    throw new ShapeError(
      `tensor: nested arrays must be equally long at each level; expected ${shape[depth]} entries at level ${depth}, but got ${shown(data)}`,
    );
  }
  for (const inner of data) flattenNested(inner, shape, depth + 1, out);
}

function checkFill(shape: readonly number[], given: readonly number[] | undefined, length: number): readonly number[] {
  if (given === undefined) return checkShape('tensor', shape);
  const wanted = checkShape('tensor: shape', given);
  if (sizeOf(wanted) !== length) {
    throw new ShapeError(`tensor: ${length} elements do not fill shape ${shownShape(wanted)}`);
  }
  return wanted;
}

/**
 * A tensor from a number, nested arrays or a typed array, copied once.
 *
 * The dtype is float32 for numbers and bool for booleans unless given; a Float32Array, Float64Array, Int32Array or
 * Uint8Array keeps its own.
 */
export function tensor<
  N extends NestedArray | ArrayBufferView,
  const S extends Shape = DataShape<N>,
  D extends DType = DataDType<N>,
>(data: N, options?: TensorOptions<S, D>): Tensor<NoInfer<Mut<S>>, NoInfer<D>> {
  const { dtype, shape: given } = checkOptions('tensor', options, ['dtype', 'shape']);
  if (dtype !== undefined) checkDType('tensor: dtype', dtype);
  if (ArrayBuffer.isView(data)) {
    const own = dtypeOfTypedArray(data);
    if (own === undefined) {
      throw new DTypeError(
        `tensor takes a Float32Array, Float64Array, Int32Array or Uint8Array, but got ${shown(data)}`,
      );
    }
    if (isDetached(data))
      throw new ArgumentError('tensor takes a typed array, but its buffer is detached: it was transferred');
    const array = data as AnyTypedArray;
    const shape = checkFill([array.length], given, array.length);
    const wanted = dtype ?? own;
    return createConstant({ shape, dtype: wanted }, () =>
      fromTypedArray(shape, wanted, own === wanted ? array : converted(array, wanted)),
    ) as never;
  }
  const natural = shapeOfNested(data);
  checkShape('tensor', natural);
  const elements: (number | boolean)[] = [];
  flattenNested(data, natural, 0, elements);
  const shape = checkFill(natural, given, elements.length);
  const wanted = dtype ?? (elements.length > 0 && elements.every(e => typeof e === 'boolean') ? 'bool' : 'float32');
  return createConstant({ shape, dtype: wanted }, () => {
    const array = newTypedArray(wanted, elements.length);
    for (let i = 0; i < elements.length; i++) array[i] = element('tensor', elements[i] as number | boolean, wanted);
    return fromTypedArray(shape, wanted, array);
  }) as never;
}

/** A value as the dtype holds it; raises where it doesn't. */
export function element(who: string, value: number | boolean, dtype: DType): number {
  if (dtype === 'bool') return value ? 1 : 0;
  const number = Number(value);
  if (!isFloat(dtype) && !Number.isInteger(number)) {
    throw new DTypeError(`${who}: ${number} is no ${dtype}; use dtype 'float32', or round it first`);
  }
  const [low, high] = dtype === 'int32' ? [-(2 ** 31), 2 ** 31 - 1] : [0, 255];
  if (!isFloat(dtype) && (number < low || number > high))
    throw new DTypeError(`${who}: ${number} does not fit ${dtype}`);
  return number;
}

function converted(array: AnyTypedArray, dtype: DType): AnyTypedArray {
  const out = newTypedArray(dtype, array.length);
  for (let i = 0; i < array.length; i++) out[i] = element('tensor', checkElement(array[i] as number, dtype), dtype);
  return out;
}

function checkElement(value: number, dtype: DType): number {
  return isFloat(dtype) || dtype === 'bool' ? value : checkNumber('tensor', value);
}
