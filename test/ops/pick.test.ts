import {
  ArgumentError,
  arange,
  autograd,
  DisposedError,
  type DType,
  DTypeError,
  gather,
  oneHot,
  ShapeError,
  type Tensor,
  take,
  tensor,
  ValueError,
  zeros,
} from '../../lib/index.js';
import { expectError } from '../support/errors.js';
import { at, build, expectExactly, layRandom, type Plain, randomPlain } from '../support/plain.js';
import { makeRandom } from '../support/random.js';

const dtypes: readonly DType[] = ['float32', 'float64', 'int32', 'uint8', 'bool'];
const call = { take, gather, oneHot } as unknown as Record<string, (...args: unknown[]) => Tensor>;
const ints = (data: number[]) => tensor(Int32Array.from(data));

describe('take', () => {
  test('slices at the indices, counted from the end when negative', () => {
    const random = makeRandom(61);
    for (let round = 0; round < 60; round++) {
      const shape = random.pick([[5], [3, 4], [2, 3, 4], [3, 0]]);
      const axes = shape.flatMap((size, d) => (size > 0 ? [d] : []));
      const axis = random.pick(axes);
      const size = shape[axis]!;
      const [x, plain] = layRandom(random, randomPlain(random, shape, random.pick(dtypes), 0, 99));
      const picked = random.pick([[], [1], [4], [2, 3], [0], [17]]);
      const [indices, where] = layRandom(random, randomPlain(random, picked, 'int32', -size, size - 1));
      const out = [...shape.slice(0, axis), ...picked, ...shape.slice(axis + 1)];
      const want: Plain = build(out, plain.dtype, index => {
        const i = at(where, index.slice(axis, axis + picked.length));
        const from = [...index.slice(0, axis), i < 0 ? i + size : i, ...index.slice(axis + picked.length)];
        return at(plain, from);
      });
      expectExactly(call.take!(x, indices, { axis }), want);
      expectExactly(x.take(indices, { axis: axis - shape.length }), want);
      if (axis === 0) expectExactly(call.take!(x, indices), want);
    }
  });

  test('misuse', () => {
    const x = zeros([2, 3]);
    expectError(
      () => call.take!(x, ints([2])),
      ValueError,
      'take: index 2 (number 0 of 1) lies outside axis 0 of size 2',
    );
    expectError(() => call.take!(x, ints([0, -3])), ValueError, 'index -3 (number 1 of 2)');
    expectError(() => call.take!(zeros([0, 3]), ints([0])), ValueError, 'axis 0 of size 0');
    expectError(() => call.take!(x, tensor([0, 1])), DTypeError, 'take takes int32 indices, but got float32');
    expectError(() => call.take!(x, 1), ArgumentError, 'take takes a tensor, but got 1');
    expectError(() => call.take!(x, ints([0]), { axis: 2 }), ShapeError, 'take: axis 2 is out of range');
    expectError(() => call.take!(tensor(1), ints([0])), ShapeError, 'out of range for 0 dimensions');
    expectError(() => call.take!(x, ints([0]), { axs: 0 }), ArgumentError, "did you mean 'axis'?");
    const gone = ints([0]);
    gone.dispose();
    expectError(() => call.take!(x, gone), DisposedError, 'after it was disposed of');
    const deep = zeros([1, 1, 1, 1, 1]);
    expectError(() => call.take!(deep, deep.cast('int32')), ShapeError, 'at most 8 dimensions');
  });

  test('the gradient counts each look-up once, however often a row is looked up', () => {
    // Beside the length of a chain of additions, and at rows that are far apart.
    const counts = new Map([383, 384, 385, 386, 2, 390].map((count, i) => [15_000 * i, count]));
    const indices = [...counts].flatMap(([row, count]) => Array.from({ length: count }, () => row));
    const gradientOf = (pick: (x: Tensor, at: Tensor) => Tensor, shape: number[]): number[] => {
      const x = zeros(shape).attachGrad();
      autograd.record(() => pick(x as Tensor, ints(indices))).backward();
      return Array.from((x.grad as Tensor).toTypedArray(), Number);
    };
    const picks: [(x: Tensor, at: Tensor) => Tensor, number[]][] = [
      [take, [80_000, 1]],
      [gather, [80_000]],
    ];
    for (const [pick, shape] of picks) {
      const g = gradientOf(pick, shape);
      for (const [row, count] of counts) expect([row, g[row]]).toEqual([row, count]);
      expect(g.reduce((sum, value) => sum + value)).toBe(indices.length);
    }
  });

  test('the gradient of many rows that are looked up often', () => {
    const [rows, width, often] = [300, 40, 400];
    const x = zeros([rows, width]).attachGrad();
    const indices = Array.from({ length: rows * often }, (_, i) => i % rows);
    autograd.record(() => take(x, ints(indices)).mul(arange(width).cast('float32'))).backward();
    const want = Array.from({ length: rows * width }, (_, i) => often * (i % width));
    expect(Array.from((x.grad as Tensor).toTypedArray(), Number)).toEqual(want);
  });
});

describe('gather', () => {
  test('the gradient of long lines along each axis', () => {
    const random = makeRandom(66);
    for (const shape of [[900], [2, 900], [900, 3], [2, 900, 3]]) {
      const axis = shape.indexOf(900);
      const x = zeros([...shape.with(axis, 7)].map((size, d) => (d === axis ? size : size + 1))).attachGrad() as Tensor;
      // Some often, some counted from the end.
      const [indices, where] = layRandom(
        random,
        build(shape, 'int32', index => ((index[axis]! % 3 === 0 ? 0 : index[axis]!) % 7) - (index[axis]! % 2) * 7),
      );
      const y = autograd.record(() => gather(x, indices, { axis }));
      y.backward();
      const want = build(x.shape, 'float32', index => {
        let count = 0;
        for (let i = 0; i < 900; i++) {
          const from = index.with(axis, i);
          if (from.some((place, d) => place >= shape[d]!)) continue;
          const named = Number(at(where, from));
          if ((named < 0 ? named + 7 : named) === index[axis]) count++;
        }
        return count;
      });
      expectExactly(x.grad as Tensor, want);
    }
  });

  test('elements at the indices along an axis', () => {
    const random = makeRandom(62);
    for (let round = 0; round < 60; round++) {
      const shape = random.pick([[5], [3, 4], [2, 3, 4]]);
      const axis = random.int(0, shape.length - 1);
      const size = shape[axis]!;
      const [x, plain] = layRandom(random, randomPlain(random, shape, random.pick(dtypes), 0, 99));
      // The other dimensions may be shorter than x's, but not longer.
      const picked = shape.map((s, d) => (d === axis ? random.int(0, 6) : random.int(1, s)));
      const [indices, where] = layRandom(random, randomPlain(random, picked, 'int32', -size, size - 1));
      const want = build(picked, plain.dtype, index => {
        const i = at(where, index);
        return at(plain, index.with(axis, i < 0 ? i + size : i));
      });
      expectExactly(call.gather!(x, indices, { axis }), want);
      if (axis === shape.length - 1) expectExactly(x.gather(indices), want);
    }
  });

  test('misuse', () => {
    const x = zeros([2, 3]);
    const pair = tensor(Int32Array.of(0, 3), { shape: [2, 1] });
    expectError(() => call.gather!(x, pair), ValueError, 'lies outside axis');
    expectError(
      () => call.gather!(x, ints([0])),
      ShapeError,
      'gather on axis 1: indices of shape [1] reach outside shape [2, 3]',
    );
    expectError(() => call.gather!(x, zeros([3, 1], { dtype: 'int32' })), ShapeError, 'reach outside');
    expectError(() => call.gather!(x, zeros([2, 1])), DTypeError, 'gather takes int32 indices, but got float32');
    expectError(() => call.gather!(x, pair, { axis: -3 }), ShapeError, 'axis -3 is out of range');
    expectError(() => call.gather!(x, pair, { axes: 1 }), ArgumentError, "did you mean 'axis'?");
  });
});

describe('oneHot', () => {
  test('1 at the index, zeros where the index lies outside', () => {
    const random = makeRandom(63);
    for (const dtype of dtypes) {
      for (const shape of [[], [5], [2, 3], [0]]) {
        const [indices, where] = layRandom(random, randomPlain(random, shape, 'int32', -2, 6));
        const want = build([...shape, 4], dtype, index => Number(at(where, index.slice(0, -1)) === index.at(-1)));
        expectExactly(call.oneHot!(indices, 4, { dtype }), want);
      }
    }
    expectExactly(oneHot(ints([1, 0]), 2), { shape: [2, 2], dtype: 'float32', data: [0, 1, 1, 0] });
    expect(oneHot(ints([1, 0]), 0).shape).toEqual([2, 0]);
  });

  test('misuse', () => {
    expectError(() => call.oneHot!(tensor([1]), 3), DTypeError, 'oneHot takes int32 indices, but got float32');
    expectError(() => call.oneHot!(ints([1]), -1), ArgumentError, 'oneHot: depth takes an integer from 0, but got -1');
    expectError(() => call.oneHot!(ints([1]), 2.5), ArgumentError, 'but got 2.5');
    expectError(() => call.oneHot!(ints([1]), 2, { dtype: 'float16' }), DTypeError, "but got 'float16'");
    expectError(() => call.oneHot!(ints([1]), 2, { type: 'int32' }), ArgumentError, "did you mean 'dtype'?");
    expectError(() => call.oneHot!(ints([1, 2, 3]), Number.MAX_SAFE_INTEGER), ShapeError, '2^53');
    const deep = zeros([1, 1, 1, 1, 1, 1, 1, 1], { dtype: 'int32' });
    expectError(() => call.oneHot!(deep, 2), ShapeError, 'at most 8 dimensions');
  });
});

test.each(['float32', 'float64', 'int32', 'uint8'] as const)(
  'many slices of %s, short and long, are the ones named',
  dtype => {
    for (const [outer, extent, inner, count] of [
      [1, 300, 700, 2000],
      [3, 50, 300, 1500],
      [2, 40, 1, 5000],
      [1, 7, 16, 1001],
    ] as const) {
      const x = arange(outer * extent * inner)
        .cast(dtype)
        .reshape([outer, extent, inner]) as Tensor;
      const places = Array.from({ length: count }, (_, i) => ((i * 7919) % (2 * extent)) - extent);
      const got = x.take(tensor(places, { dtype: 'int32' }), { axis: 1 });
      const [data, values] = [x.toTypedArray(), got.toTypedArray()];
      expect(got.shape).toEqual([outer, count, inner]);
      let wrong = 0;
      for (let o = 0; o < outer; o++)
        for (let i = 0; i < count; i++) {
          const at = ((places[i] as number) + extent) % extent;
          for (let j = 0; j < inner; j++)
            if (values[(o * count + i) * inner + j] !== data[(o * extent + at) * inner + j]) wrong++;
        }
      expect(wrong).toBe(0);
    }
  },
);
