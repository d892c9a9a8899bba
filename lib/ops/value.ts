import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { opcode, Status, session } from '../native/register.js';
import { checkInteger, shown, shownShape } from '../support/check.js';
import { checkHeap } from '../support/heap.js';
import {
  type AnyTypedArray,
  type DType,
  dtypeOfTypedArray,
  newTypedArray,
  type TypedArrayOf,
} from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import type { Shape } from '../tensor/shape-types.js';
import { checkTensor, installMethods, internals, isTensor, type Tensor } from '../tensor/tensor.js';
import { context } from './context.js';
import { element } from './create.js';
import { failed, invokeInto, setReal } from './invoke.js';
import { beforeWrite, checkWrite, logWrite } from './op.js';
import { slice } from './view.js';

const COPY = opcode('copy');
const FILL = opcode('fill');

/** Nested arrays of numbers, or booleans for bool; a plain value for a scalar. */
export type Nested = number | boolean | Nested[];

function readInto(t: Tensor, target: ArrayBufferView): void {
  const status = session.read(internals.idOf(t), target);
  if (status !== Status.ok) failed(status, 'read', t.shape, t.dtype);
}

function values(t: Tensor): AnyTypedArray {
  const id = internals.idOf(t);
  const array = newTypedArray(t.dtype, t.size);
  const status = session.read(id, array);
  if (status !== Status.ok) failed(status, 'read', t.shape, t.dtype);
  return array;
}

/** About what V8 takes for an array, and for each of its elements. */
const ARRAY_BYTES = 48;
const ELEMENT_BYTES = 8;

function checkNested(shape: readonly number[]): void {
  let [arrays, bytes] = [1, 0];
  for (const size of shape) {
    bytes += arrays * (ARRAY_BYTES + ELEMENT_BYTES * size);
    arrays *= size;
  }
  checkHeap(`toArray of shape ${shownShape(shape)}`, bytes, 'toTypedArray() is the compact form');
}

function nested(array: AnyTypedArray, shape: readonly number[], dtype: DType): Nested {
  let at = 0;
  const level = (d: number): Nested => {
    if (d === shape.length) {
      const value = array[at++] as number;
      return dtype === 'bool' ? value !== 0 : value;
    }
    return Array.from({ length: shape[d] as number }, () => level(d + 1));
  };
  return level(0);
}

function toArray(who: string, t: Tensor): Nested {
  internals.idOf(checkTensor(who, t));
  checkNested(t.shape);
  return nested(values(t), t.shape, t.dtype);
}

function copyFrom(target: Tensor, source: Tensor | ArrayBufferView): void {
  if (isTensor(source)) {
    if (source.dtype !== target.dtype)
      throw new DTypeError(`copyFrom takes a ${target.dtype} tensor, but got ${source.dtype}; it never casts`);
    if (source.size !== target.size) {
      throw new ShapeError(
        `copyFrom: shape ${shownShape(source.shape)} has ${source.size} elements, but shape ${shownShape(target.shape)} takes ${target.size}`,
      );
    }
    const same = source.ndim === target.ndim && source.shape.every((size, d) => size === target.shape[d]);
    if (context.abstract !== null) {
      context.abstract.write(target, same ? source : source.detach().reshape(target.shape));
      return;
    }
    internals.idOf(source);
    beforeWrite(target);
    // Overlapping windows of one storage would be read while they are written.
    const from = internals.baseOf(source) === internals.baseOf(target) ? source.clone() : source;
    invokeInto('copyFrom', COPY, [same ? from : from.detach().reshape(target.shape)], target);
    return;
  }
  if (!ArrayBuffer.isView(source))
    throw new ArgumentError(`copyFrom takes a tensor or a typed array, but got ${shown(source)}`);
  checkArray('copyFrom', target, source);
  beforeWrite(target);
  internals.bump(target);
  const status = session.write(internals.idOf(target), source);
  if (status !== Status.ok) failed(status, 'copyFrom', target.shape, target.dtype);
}

function checkArray(who: string, t: Tensor, array: ArrayBufferView): void {
  const own = dtypeOfTypedArray(array);
  if (own !== t.dtype && !(own === 'uint8' && t.dtype === 'bool')) {
    const wanted = t.dtype === 'bool' ? 'a Uint8Array' : `a ${newTypedArray(t.dtype, 0).constructor.name}`;
    throw new DTypeError(`${who}: a ${t.dtype} tensor takes ${wanted}, but got ${shown(array)}; it never casts`);
  }
  const { length } = array as AnyTypedArray;
  if (length !== t.size)
    throw new ShapeError(`${who}: ${length} elements for shape ${shownShape(t.shape)}, which has ${t.size}`);
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> {
    /** The values as nested arrays, `number[]` for one dimension and so on; a plain number or boolean for a scalar. */
    toArray<A = any>(): A;
    /** For JSON.stringify: as `toArray()`; what is not finite becomes null there. */
    toJSON(): unknown;
    /** The values in order, in a typed array of their own. */
    toTypedArray(): TypedArrayOf<D>;
    /** Writes the values, in order, into a typed array of the dtype's kind and the tensor's size. */
    copyTo<A extends ArrayBufferView>(target: A): A;
    /** Overwrites the values by as many others of the same dtype, in order. */
    copyFrom(source: Tensor | ArrayBufferView): this;
    /** Overwrites what an index names: one number, or one for each leading dimension. */
    set(index: number | readonly number[], value: number | boolean | Tensor): this;
    /** The value of a tensor of one element; a boolean for bool. */
    item(): [D] extends ['bool'] ? boolean : number;
  }
}

installMethods({
  toArray(this: Tensor) {
    return toArray('toArray', this);
  },
  toJSON(this: Tensor) {
    return toArray('JSON.stringify', this);
  },
  /** Not among the types, so that a tensor is no list to the compiler: by it jest and vitest compare values in toMatchObject. */
  *[Symbol.iterator](this: Tensor): Generator<unknown> {
    const nested = toArray('iteration', this) as unknown;
    if (Array.isArray(nested)) yield* nested;
    else yield nested;
  },
  toTypedArray(this: Tensor) {
    return values(checkTensor('toTypedArray', this));
  },
  copyTo<A extends ArrayBufferView>(this: Tensor, target: A): A {
    internals.idOf(checkTensor('copyTo', this));
    if (!ArrayBuffer.isView(target)) throw new ArgumentError(`copyTo takes a typed array, but got ${shown(target)}`);
    checkArray('copyTo', this, target);
    readInto(this, target);
    return target;
  },
  copyFrom(this: Tensor, source: Tensor | ArrayBufferView) {
    copyFrom(checkTensor('copyFrom', this), source);
    return this;
  },
  set(this: Tensor, index: number | readonly number[], value: number | boolean | Tensor) {
    checkTensor('set', this);
    const places = (Array.isArray(index) ? index : [index]) as readonly number[];
    for (const place of places) checkInteger('set: an index', place);
    checkWrite(this);
    const part = slice(this.detach(), ...places);
    logWrite(part);
    if (typeof value === 'number' || typeof value === 'boolean') {
      setReal(0, element('set', value, this.dtype));
      invokeInto('set', FILL, [], part);
    } else {
      const source = checkTensor('set', value);
      if (sizeOf(source.shape) !== part.size) {
        throw new ShapeError(
          `set: a value of shape ${shownShape(source.shape)} for a place of shape ${shownShape(part.shape)}`,
        );
      }
      copyFrom(part, source);
    }
    return this;
  },
  item(this: Tensor) {
    checkTensor('item', this);
    if (this.size !== 1)
      throw new ShapeError(
        `item() takes a tensor of one element, but got shape ${shownShape(this.shape)}; use toArray()`,
      );
    const value = values(this)[0] as number;
    return this.dtype === 'bool' ? value !== 0 : value;
  },
});
