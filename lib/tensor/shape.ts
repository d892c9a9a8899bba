import { ShapeError } from '../errors.js';
import { MAX_RANK } from '../native/register.js';
import { shown, shownShape } from '../support/check.js';

export function sizeOf(shape: readonly number[]): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i] as number;
  return n;
}

/** The strides of a contiguous tensor: from one element to the next along each dimension. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = step;
    step *= shape[d] as number;
  }
  return strides;
}

/** Whether strides are those of a contiguous tensor; along a size of 1 any are. */
export function areContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  const expected = contiguousStrides(shape);
  return shape.every((size, d) => size === 1 || strides[d] === expected[d]);
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Shapes that came lately, by their sizes: a program has few, and freezing an array costs more than a small product. */
const recent: (readonly number[] | undefined)[] = new Array(64).fill(undefined);

/** The sizes as a frozen array, the one that was made of the same sizes before if it is still known. Takes the array over. */
export function frozenShape(sizes: number[]): readonly number[] {
  let place = sizes.length;
  for (let d = 0; d < sizes.length; d++) place = (Math.imul(place, 31) + (sizes[d] as number)) & 63;
  const known = recent[place];
  if (known !== undefined && sameShape(known, sizes)) return known;
  recent[place] = Object.freeze(sizes);
  return sizes;
}

/** A frozen copy of a shape whose sizes are whole, from `least` up, and whose product a tensor can have. */
export function checkShape(who: string, shape: unknown, least = 0): readonly number[] {
  if (!Array.isArray(shape))
    throw new ShapeError(
      `${who} takes a shape (an array of sizes), but got ${shown(shape)}${typeof shape === 'number' ? `; write [${shape}]` : ''}`,
    );
  if (shape.length > MAX_RANK)
    throw new ShapeError(`${who}: a shape has at most ${MAX_RANK} dimensions, but got ${shape.length}`);
  const copy: number[] = [];
  let product = 1;
  for (let i = 0; i < shape.length; i++) {
    const size: unknown = shape[i];
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < least) {
      const range = least < 0 ? 'whole numbers, or -1 where unknown' : 'whole numbers from 0';
      throw new ShapeError(`${who}: sizes are ${range}, but dimension ${i} of ${shown(shape)} is ${shown(size)}`);
    }
    copy.push(size + 0); // a plain 0 for -0
    if (size > 0) product *= size;
  }
  if (product > Number.MAX_SAFE_INTEGER) {
    throw new ShapeError(`${who}: ${shownShape(copy)} has more elements than a tensor can hold (2^53)`);
  }
  return frozenShape(copy);
}

/** An axis as a number from 0; counts from the end when negative. */
export function checkAxis(who: string, axis: unknown, rank: number): number {
  if (typeof axis !== 'number' || !Number.isSafeInteger(axis) || axis < -rank || axis >= rank) {
    throw new ShapeError(`${who}: axis ${shown(axis)} is out of range for ${rank} dimension${rank === 1 ? '' : 's'}`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** One axis or a list of them, as sorted numbers from 0; all axes when undefined. */
export function checkAxes(who: string, axes: unknown, rank: number): readonly number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (Array.isArray(axes) ? [...axes] : [axes]).map(a => checkAxis(who, a, rank)).sort((a, b) => a - b);
  for (let i = 1; i < list.length; i++) {
    if (list[i] === list[i - 1]) throw new ShapeError(`${who}: axis ${list[i]} is given twice in ${shown(axes)}`);
  }
  return list;
}

/** The shape that both broadcast to by NumPy's rules, or undefined. */
export function broadcastShapes(a: readonly number[], b: readonly number[]): readonly number[] | undefined {
  if (sameShape(a, b)) return a;
  if (b.length === 0) return a;
  if (a.length === 0) return b;
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return undefined;
    out.push(x === 1 ? y : x);
  }
  return frozenShape(out);
}
