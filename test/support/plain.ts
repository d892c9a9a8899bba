import { type DType, type SliceRange, type Tensor, tensor } from '../../lib/index.js';
import type { makeRandom } from './random.js';

/** A tensor the slow way: its elements in order in a plain array. What the library computes is held to this. */
export interface Plain {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly data: readonly number[];
}

type Random = ReturnType<typeof makeRandom>;

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Every index of a shape, in order. */
export function indices(shape: readonly number[]): number[][] {
  let out: number[][] = [[]];
  for (const size of shape) out = out.flatMap(index => Array.from({ length: size }, (_, i) => [...index, i]));
  return out;
}

export function build(shape: readonly number[], dtype: DType, at: (index: readonly number[]) => number): Plain {
  return { shape, dtype, data: indices(shape).map(index => wrap(at(index), dtype)) };
}

/** The element at an index; dimensions of size 1, and those that are missing in front, repeat. */
export function at(x: Plain, index: readonly number[]): number {
  const skipped = index.length - x.shape.length;
  let place = 0;
  x.shape.forEach((size, d) => {
    place = place * size + (size === 1 ? 0 : index[d + skipped]!);
  });
  return x.data[place]!;
}

/** A value as an element of a dtype: floats rounded, integers modulo 2^n. */
export function wrap(value: number, dtype: DType): number {
  if (dtype === 'float32') return Math.fround(value);
  if (dtype === 'int32') return Number(BigInt.asIntN(32, BigInt(value)));
  if (dtype === 'uint8') return Number(BigInt.asUintN(8, BigInt(value)));
  if (dtype === 'bool') return value === 0 ? 0 : 1;
  return value;
}

const order: readonly DType[] = ['bool', 'uint8', 'int32', 'float32', 'float64'];

export function promoted(a: DType, b: DType): DType {
  return order[Math.max(order.indexOf(a), order.indexOf(b))]!;
}

export function broadcast(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map(shape => shape.length));
  return Array.from({ length: rank }, (_, d) => {
    const sizes = shapes.map(shape => shape[shape.length - rank + d] ?? 1);
    return sizes.find(size => size !== 1) ?? 1;
  });
}

/** f of the operands' elements, broadcast. */
export function elementwise(f: (...values: number[]) => number, dtype: DType, ...operands: Plain[]): Plain {
  const shape = broadcast(...operands.map(x => x.shape));
  return build(shape, dtype, index => f(...operands.map(x => at(x, index))));
}

/** f of the list of elements along the axes. */
export function reduce(
  x: Plain,
  axes: readonly number[],
  keepdims: boolean,
  dtype: DType,
  f: (list: number[]) => number,
): Plain {
  const shape = x.shape.map((size, d) => (axes.includes(d) ? 1 : size));
  const over = indices(axes.map(axis => x.shape[axis]!));
  const out = build(shape, dtype, index =>
    f(
      over.map(inner =>
        at(
          x,
          index.map((i, d) => (axes.includes(d) ? inner[axes.indexOf(d)]! : i)),
        ),
      ),
    ),
  );
  return keepdims ? out : { ...out, shape: x.shape.filter((_, d) => !axes.includes(d)) };
}

/** a[..., m, k] · b[..., k, n] in doubles. */
export function matmul(a: Plain, b: Plain, dtype: DType): Plain {
  const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const [m, k, n] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!];
  return build([...batch, m, n], dtype, index => {
    const [front, i, j] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!];
    let total = 0;
    for (let t = 0; t < k; t++) total += at(a, [...front, i, t]) * at(b, [...front, t, j]);
    return total;
  });
}

export function transpose(x: Plain, axes: readonly number[] = x.shape.map((_, d) => x.shape.length - 1 - d)): Plain {
  const shape = axes.map(axis => x.shape[axis]!);
  return build(shape, x.dtype, index => {
    const from: number[] = [];
    axes.forEach((axis, d) => {
      from[axis] = index[d]!;
    });
    return at(x, from);
  });
}

/** Random elements from [low, high]; whole numbers for integers, and for floats when `whole` is set. */
export function randomPlain(
  random: Random,
  shape: readonly number[],
  dtype: DType,
  low: number,
  high: number,
  whole = false,
): Plain {
  const draw = () => {
    if (dtype === 'bool') return random.int(0, 1);
    if (whole || !dtype.startsWith('float')) return random.int(Math.ceil(low), Math.floor(high));
    return low + random.next() * (high - low);
  };
  return build(shape, dtype, draw);
}

export function load(x: Plain): Tensor {
  return tensor(Float64Array.from(x.data), { dtype: x.dtype, shape: x.shape }) as Tensor;
}

export const layouts = ['whole', 'transposed', 'backwards', 'broadcast'] as const;
export type Layout = (typeof layouts)[number];

/**
 * The elements of `x` as a tensor that lies otherwise in memory: reversed dimensions, or every second element from the
 * end between others that must not be read. 'broadcast' repeats the first slice of a dimension, so what it holds comes
 * back with it.
 */
export function lay(x: Plain, layout: Layout): readonly [Tensor, Plain] {
  if (x.shape.length === 0 || layout === 'whole') return [load(x), x];
  if (layout === 'transposed') return [load(transpose(x)).transpose() as Tensor, x];
  if (layout === 'broadcast') {
    const d = x.shape.findIndex(size => size > 1);
    if (d < 0) return [load(x), x];
    const shape = x.shape.map((size, i) => (i === d ? 1 : size));
    const one = build(shape, x.dtype, index => at(x, index));
    return [load(one).broadcastTo(x.shape), build(x.shape, x.dtype, index => at(one, index))];
  }
  const wide = build(
    x.shape.map(size => 2 * size + 1),
    x.dtype,
    index => {
      const from = index.map((i, d) => x.shape[d]! - 1 - (i - 1) / 2);
      const inside = from.every((i, d) => Number.isInteger(i) && i >= 0 && i < x.shape[d]!);
      return inside ? at(x, from) : 77;
    },
  );
  return [load(wide).slice(...x.shape.map((size): SliceRange => (size === 0 ? [0, 0] : [2 * size - 1, null, -2]))), x];
}

/** The operand in a layout drawn at random. */
export function layRandom(random: Random, x: Plain): readonly [Tensor, Plain] {
  return lay(x, random.pick(layouts));
}

/** Shapes with odd sizes, sizes past a vector's and an unrolled loop's, none and one. */
export const shapes: readonly (readonly number[])[] = [
  [],
  [1],
  [0],
  [7],
  [2, 0, 3],
  [3, 5],
  [1, 33],
  [2, 3, 4],
  [129],
  [2, 1, 3, 1, 5],
];

/** Holds a tensor to the plain one: shape, dtype, and each element exactly (NaN equals NaN, 0 equals -0). */
export function expectExactly(got: Tensor, want: Plain): void {
  expect({ shape: [...got.shape], dtype: got.dtype }).toEqual({ shape: [...want.shape], dtype: want.dtype });
  const plus = (value: number) => (value === 0 ? 0 : value);
  expect(Array.from(got.toTypedArray() as ArrayLike<number>, plus)).toEqual(want.data.map(plus));
}

/** erf in doubles: a series of positive terms, and a continued fraction where it would be long. */
export function erf(x: number): number {
  if (Number.isNaN(x)) return Number.NaN;
  const z = Math.abs(x);
  if (z > 3) return Math.sign(x) * (1 - erfc(z));
  let term = z;
  let total = z;
  for (let n = 1; n < 200; n++) {
    term *= (2 * z * z) / (2 * n + 1);
    total += term;
  }
  return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * total;
}

function erfc(z: number): number {
  if (z === Infinity) return 0;
  let fraction = z;
  for (let n = 200; n >= 1; n--) fraction = z + n / 2 / fraction;
  return Math.exp(-z * z) / (Math.sqrt(Math.PI) * fraction);
}
