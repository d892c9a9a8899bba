import { ShapeError, ValueError } from '../errors.js';
import { shownShape } from '../support/check.js';
import { broadcastShapes, checkAxis, sizeOf } from '../tensor/shape.js';

/** No shape and no list of axes comes near so many; tables that are joined again and again must not grow without bound. */
export const MOST_SIZES = 4096;

/**
 * Whole numbers of eight bytes, or booleans, that shapes and places are computed from: known whenever a forward runs, on
 * shapes alone as well. The arithmetic is exact, and what does not fit int64 is refused.
 */
export interface Table {
  readonly shape: readonly number[];
  /** The elements in order; of booleans 0 and 1. */
  readonly values: readonly bigint[];
  readonly dtype: 'int64' | 'bool';
}

export function makeTable(shape: readonly number[], values: readonly bigint[], dtype: Table['dtype'] = 'int64'): Table {
  const outside = values.find(value => BigInt.asIntN(64, value) !== value);
  if (outside !== undefined) throw new ValueError(`${outside} does not fit int64`);
  return { shape, values, dtype };
}

/** The elements as numbers. Ends and sizes that are far out stand for what is beyond any tensor. */
export function numbersOf({ values }: Table): number[] {
  const most = BigInt(Number.MAX_SAFE_INTEGER);
  return values.map(value => Number(value > most ? most : value < -most ? -most : value));
}

function checkCount(shape: readonly number[]): void {
  if (sizeOf(shape) > MOST_SIZES) throw new ShapeError(`shape ${shownShape(shape)} has more than ${MOST_SIZES} sizes`);
}

function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let d = shape.length - 2; d >= 0; d--) strides[d] = (strides[d + 1] as number) * (shape[d + 1] as number);
  return strides;
}

/** The elements that lie at offset + Σ index[d]·strides[d]. */
function strided(t: Table, shape: readonly number[], strides: readonly number[], offset = 0): Table {
  checkCount(shape);
  let places = [offset];
  shape.forEach((size, d) => {
    places = places.flatMap(place => Array.from({ length: size }, (_, i) => place + i * (strides[d] as number)));
  });
  return { ...t, shape, values: places.map(place => t.values[place] as bigint) };
}

/** The same elements under another shape, of which one size may be -1. */
export function reshapeTable(t: Table, wanted: readonly number[]): Table {
  const known = wanted.reduce((n, size) => (size === -1 ? n : n * size), 1);
  const shape = wanted.map(size => (size === -1 ? t.values.length / known : size));
  const isSize = (size: number): boolean => Number.isSafeInteger(size) && size >= 0;
  if (!shape.every(isSize) || wanted.filter(size => size === -1).length > 1 || sizeOf(shape) !== t.values.length)
    throw new ShapeError(`shape ${shownShape(t.shape)} cannot become ${shownShape(wanted)}`);
  return { ...t, shape };
}

export function transposeTable(t: Table, axes: readonly number[] | null): Table {
  const order = (axes ?? t.shape.map((_, d) => t.shape.length - 1 - d)).map(axis =>
    checkAxis('transpose', axis, t.shape.length),
  );
  if (new Set(order).size !== t.shape.length)
    throw new ShapeError(`axes ${shownShape(order)} are no order of them all`);
  const strides = stridesOf(t.shape);
  return strided(
    t,
    order.map(d => t.shape[d] as number),
    order.map(d => strides[d] as number),
  );
}

export function expandTable(t: Table, shape: readonly number[]): Table {
  const strides = stridesOf(t.shape);
  const before = shape.length - t.shape.length;
  return strided(
    t,
    shape,
    shape.map((_, d) => (d < before || t.shape[d - before] === 1 ? 0 : (strides[d - before] as number))),
  );
}

/** Takes the elements at start, start + step and so on, `count` along each axis. */
export function sliceTable(
  t: Table,
  ranges: readonly { readonly start: number; readonly step: number; readonly count: number }[],
): Table {
  const strides = stridesOf(t.shape);
  return strided(
    t,
    ranges.map(({ count }) => count),
    ranges.map(({ step }, d) => step * (strides[d] as number)),
    ranges.reduce((n, { start, count }, d) => n + (count === 0 ? 0 : start * (strides[d] as number)), 0),
  );
}

/** The slices along an axis that indices name, counted from the end where they are negative. */
export function gatherTable(t: Table, indices: Table, axis: number): Table {
  const at = checkAxis('gather', axis, t.shape.length);
  const size = t.shape[at] as number;
  const [before, trailing] = [t.shape.slice(0, at), t.shape.slice(at + 1)];
  const shape = [...before, ...indices.shape, ...trailing];
  checkCount(shape);
  const inner = sizeOf(trailing);
  const places = indices.values.map(value => {
    const place = Number(value < 0n ? value + BigInt(size) : value);
    if (place < 0 || place >= size) throw new ValueError(`index ${value} lies outside axis ${axis} of size ${size}`);
    return place;
  });
  const values = Array.from({ length: sizeOf(before) }, (_, i) => i).flatMap(i =>
    places.flatMap(place => t.values.slice((i * size + place) * inner, (i * size + place + 1) * inner)),
  );
  return { ...t, shape, values };
}

export function concatTables(tables: readonly Table[], axis: number): Table {
  const [first] = tables as readonly [Table];
  const at = checkAxis('concat', axis, first.shape.length);
  const fits = ({ shape }: Table): boolean =>
    shape.length === first.shape.length && shape.every((size, d) => d === at || size === first.shape[d]);
  if (!tables.every(fits))
    throw new ShapeError(
      `shapes ${tables.map(({ shape }) => shownShape(shape)).join(', ')} cannot be joined along axis ${axis}`,
    );
  const shape = first.shape.map((size, d) =>
    d === at ? tables.reduce((n, t) => n + (t.shape[at] as number), 0) : size,
  );
  checkCount(shape);
  const outer = sizeOf(first.shape.slice(0, at));
  const values = Array.from({ length: outer }, (_, i) => i).flatMap(i =>
    tables.flatMap(t => {
      const row = t.values.length / outer;
      return t.values.slice(i * row, (i + 1) * row);
    }),
  );
  return { ...first, shape, values };
}

/** Applies f to the elements of tables that are broadcast together. */
export function combineTables(
  tables: readonly Table[],
  dtype: Table['dtype'],
  f: (...values: bigint[]) => bigint,
): Table {
  const [first, ...others] = tables as readonly [Table, ...Table[]];
  const shape = others.reduce<readonly number[]>((together, t) => {
    const joined = broadcastShapes(together, t.shape);
    if (joined === undefined)
      throw new ShapeError(
        `shapes ${tables.map(one => shownShape(one.shape)).join(' and ')} do not broadcast; sizes must be equal, or 1`,
      );
    return joined;
  }, first.shape);
  const spread = tables.map(t => expandTable(t, shape).values);
  const values = Array.from({ length: sizeOf(shape) }, (_, i) => f(...spread.map(list => list[i] as bigint)));
  return makeTable(shape, values, dtype);
}

/** Folds the elements along axes; `start` is the result where there are none, null where that is none. */
export function reduceTable(
  t: Table,
  axes: readonly number[],
  keepdims: boolean,
  start: bigint | null,
  f: (a: bigint, b: bigint) => bigint,
): Table {
  const reduced = axes.map(axis => checkAxis('reduce', axis, t.shape.length));
  const kept = t.shape.map((_, d) => d).filter(d => !reduced.includes(d));
  const inOrder = transposeTable(t, [...kept, ...new Set(reduced)]).values;
  const outer = sizeOf(kept.map(d => t.shape[d] as number));
  const inner = outer === 0 ? 0 : inOrder.length / outer;
  const values = Array.from({ length: outer }, (_, i) => {
    const row = inOrder.slice(i * inner, (i + 1) * inner);
    if (row.length > 0) return row.reduce(f);
    if (start === null) throw new ShapeError('there is no largest and no least of no elements');
    return start;
  });
  const shape = t.shape.flatMap((size, d) => (reduced.includes(d) ? (keepdims ? [1] : []) : [size]));
  return makeTable(shape, values, t.dtype);
}

export function larger(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

export function smaller(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}
