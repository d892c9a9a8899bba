import fc from 'fast-check';
import {
  ArgumentError,
  autograd,
  DTypeError,
  dot,
  flip,
  outer,
  pad,
  repeat,
  ShapeError,
  swapAxes,
  type Tensor,
  tensor,
  tile,
  zeros,
} from '../../lib/index.js';
import { expectClose } from '../support/close.js';
import { expectError } from '../support/errors.js';
import { at, build, expectExactly, indices, lay, layouts, randomPlain, transpose } from '../support/plain.js';
import { makeRandom, seed } from '../support/random.js';

const dtypes = ['bool', 'uint8', 'int32', 'float32', 'float64'] as const;
const runs = { numRuns: 200, seed };
const forms = fc.record({
  shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
  layout: fc.constantFrom(...layouts),
  dtype: fc.constantFrom(...dtypes),
  salt: fc.nat(),
});

test('tile and repeat copy, also where there is nothing to repeat', () => {
  const made: ((x: Tensor) => Tensor)[] = [
    x => tile(x, 1),
    x => tile(x, [1, 1, 1]),
    x => tile(x, []),
    x => repeat(x, 1),
    x => repeat(x, 1, { axis: 1 }),
    x => repeat(x, [1, 1], { axis: 0 }),
  ];
  for (const make of made) {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]).attachGrad() as Tensor;
    const y = autograd.record(() => make(x));
    y.detach().copyFrom(y.mul(0));
    expect(x.toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    autograd.record(() => make(x).mul(2).sum()).backward();
    expect(x.grad?.toArray()).toEqual([
      [2, 2],
      [2, 2],
    ]);
  }
});

test('tile and repeat', () => {
  fc.assert(
    fc.property(forms, ({ shape, layout, dtype, salt }) => {
      const random = makeRandom(salt);
      const [x, plain] = lay(randomPlain(random, shape, dtype, -3, 3), layout);
      const reps = Array.from({ length: random.int(0, 5) }, () => random.int(0, 3));
      const rank = Math.max(reps.length, shape.length);
      const sizes = [...Array<number>(rank - shape.length).fill(1), ...shape];
      const counts = [...Array<number>(rank - reps.length).fill(1), ...reps];
      const whole = { ...plain, shape: sizes };
      const tiled = build(
        sizes.map((size, d) => size * counts[d]!),
        dtype,
        index =>
          at(
            whole,
            index.map((i, d) => i % sizes[d]!),
          ),
      );
      expectExactly(tile(x, reps), tiled);
      expectExactly(x.tile(reps), tiled);

      const n = random.int(0, 3);
      expectExactly(repeat(x, n), {
        shape: [plain.data.length * n],
        dtype,
        data: plain.data.flatMap(value => Array<number>(n).fill(value)),
      });
      if (shape.length === 0) return;
      const axis = random.int(0, shape.length - 1);
      const repeated = build(
        shape.map((size, d) => (d === axis ? size * n : size)),
        dtype,
        index =>
          at(
            plain,
            index.map((i, d) => (d === axis ? Math.floor(i / n) : i)),
          ),
      );
      expectExactly(repeat(x, n, { axis: axis - shape.length }), repeated);
      const list = Array.from({ length: shape[axis]! }, () => random.int(0, 3));
      const places = list.flatMap((count, i) => Array<number>(count).fill(i));
      expectExactly(
        x.repeat(list, { axis }),
        build(
          shape.map((size, d) => (d === axis ? places.length : size)),
          dtype,
          index =>
            at(
              plain,
              index.map((i, d) => (d === axis ? places[i]! : i)),
            ),
        ),
      );
    }),
    runs,
  );
});

test('flip and swapAxes are views', () => {
  fc.assert(
    fc.property(forms, ({ shape, layout, dtype, salt }) => {
      const random = makeRandom(salt);
      const [x, plain] = lay(randomPlain(random, shape, dtype, -3, 3), layout);
      const axes = shape.map((_, d) => d).filter(() => random.next() < 0.5);
      const flipped = (over: number[]) =>
        build(shape, dtype, index =>
          at(
            plain,
            index.map((i, d) => (over.includes(d) ? shape[d]! - 1 - i : i)),
          ),
        );
      expectExactly(flip(x, { axis: axes }), flipped(axes));
      expectExactly(x.flip(), flipped(shape.map((_, d) => d)));
      if (shape.length === 0) return;
      const [a, b] = [random.int(0, shape.length - 1), random.int(0, shape.length - 1)];
      const order = shape.map((_, d) => (d === a ? b : d === b ? a : d));
      expectExactly(swapAxes(x, a - shape.length, b), transpose(plain, order));
    }),
    runs,
  );
  const x = tensor([1, 2, 3]);
  x.flip().set([0], 9);
  expect(x.toArray()).toEqual([1, 2, 9]);
  const y = zeros([2, 3]) as Tensor;
  y.swapAxes(0, 1).set([2, 1], 5);
  expect(y.toArray()).toEqual([
    [0, 0, 0],
    [0, 0, 5],
  ]);
});

test('pad', () => {
  fc.assert(
    fc.property(forms, fc.constantFrom('constant', 'edge', 'reflect'), ({ shape, layout, dtype, salt }, mode) => {
      const random = makeRandom(salt);
      const [x, plain] = lay(randomPlain(random, shape, dtype, -3, 3), layout);
      const least = mode === 'reflect' ? 2 : mode === 'edge' ? 1 : 0;
      const widths = shape.map(
        size => (size < least ? [0, 0] : [random.int(0, 7), random.int(0, 7)]) as [number, number],
      );
      const value = dtype === 'bool' ? 1 : 7;
      const sizes = shape.map((size, d) => size + widths[d]![0] + widths[d]![1]);
      const want = build(sizes, dtype, index => {
        const from = index.map((i, d) => {
          let place = i - widths[d]![0];
          const last = shape[d]! - 1;
          if (mode === 'edge') return Math.min(Math.max(place, 0), last);
          while (mode === 'reflect' && (place < 0 || place > last)) place = place < 0 ? -place : 2 * last - place;
          return place;
        });
        return from.every((i, d) => i >= 0 && i < shape[d]!) ? at(plain, from) : value;
      });
      expectExactly(pad(x, widths, mode === 'constant' ? { value } : { mode }), want);
    }),
    runs,
  );
  expect(tensor([1, 2]).pad(1).toArray()).toEqual([0, 1, 2, 0]);
  expect(
    tensor([[1], [2]])
      .pad([0, 1], { value: 3 })
      .toArray(),
  ).toEqual([
    [1, 3],
    [2, 3],
    [3, 3],
  ]);
});

test('dot and outer', () => {
  const random = makeRandom(94);
  const pairs: readonly (readonly [readonly number[], readonly number[]])[] = [
    [[], [3]],
    [[2, 2], []],
    [[4], [4]],
    [[2, 4], [4]],
    [[4], [4, 3]],
    [
      [2, 4],
      [4, 3],
    ],
    [[2, 3, 4], [4]],
    [
      [2, 3, 4],
      [4, 5],
    ],
    [
      [2, 3, 4],
      [5, 4, 2],
    ],
    [[4], [2, 4, 3]],
    [
      [0, 4],
      [3, 4, 2],
    ],
    [
      [2, 0],
      [0, 3],
    ],
  ];
  for (const [left, right] of pairs) {
    for (const layout of layouts) {
      const [a, p] = lay(randomPlain(random, left, 'float64', -2, 2), layout);
      const [b, q] = lay(randomPlain(random, right, 'float64', -2, 2), layout);
      const scalar = left.length === 0 || right.length === 0;
      const inner = scalar ? 1 : left.at(-1)!;
      const front = scalar ? left : left.slice(0, -1);
      const back = scalar || right.length === 1 ? (scalar ? right : []) : [...right.slice(0, -2), right.at(-1)!];
      const want = indices([...front, ...back]).map(index => {
        const [i, j] = [index.slice(0, front.length), index.slice(front.length)];
        let sum = 0;
        for (let k = 0; k < inner; k++) {
          const from = scalar ? i : [...i, k];
          const to = scalar ? j : right.length === 1 ? [k] : [...j.slice(0, -1), k, j.at(-1)!];
          sum += at(p, from) * at(q, to);
        }
        return sum;
      });
      const got = dot(a, b);
      expect([...got.shape]).toEqual([...front, ...back]);
      expectClose(got, want);
      expect(a.dot(b).toArray()).toEqual(got.toArray());
      const all = outer(a, b);
      expect([...all.shape]).toEqual([a.size, b.size]);
      expectClose(
        all,
        p.data.flatMap(x => q.data.map(y => x * y)),
      );
    }
  }
  const whole = tensor([2, 3], { dtype: 'int32' });
  expect(whole.outer(whole).dtype).toBe('int32');
  expectError(() => dot(zeros([2, 3]) as Tensor, zeros([2, 2, 3]) as Tensor), ShapeError, 'dot: [2, 3] . [2, 2, 3]');
  expectError(() => dot(zeros([2, 3]) as Tensor, zeros([2]) as Tensor), ShapeError, /2, 3.*2/);
});

test('misuse', () => {
  const x = zeros([2, 3]) as Tensor;
  expectError(() => tile(x, -1), ShapeError, 'tile: reps');
  expectError(() => repeat(x, [1, 2], { axis: 1 }), ShapeError, 'repeat: 2 counts for axis 1 of shape [2, 3]');
  expectError(() => repeat(x, 1.5), ArgumentError, 'repeat: times takes an integer from 0');
  expectError(() => flip(x, { axis: 2 }), ShapeError, 'flip: axis 2 is out of range');
  expectError(() => swapAxes(x, 0, 2), ShapeError, 'swapAxes: axis 2 is out of range');
  expectError(() => pad(x, [[1, 1]]), ShapeError, 'pad: 1 pairs for the 2 dimensions of shape [2, 3]');
  expectError(() => pad(x, [1, 2, 3] as never), ArgumentError, 'pad takes a number, [before, after]');
  expectError(() => pad(x, -1), ArgumentError, 'pad: a width takes an integer from 0');
  expectError(
    () => pad(x, 1, { mode: 'wrap' as never }),
    ArgumentError,
    "pad: mode takes one of 'constant', 'edge', 'reflect'",
  );
  expectError(
    () => pad(zeros([1]) as Tensor, 1, { mode: 'reflect' }),
    ShapeError,
    "too few elements for mode 'reflect'",
  );
  expectError(
    () => pad(zeros([2], { dtype: 'int32' }) as Tensor, 1, { value: 0.5 }),
    DTypeError,
    'whole value for int32',
  );
  for (const call of [tile, repeat, flip, pad] as ((x: never, n: never) => Tensor)[])
    expectError(() => call([1] as never, 1 as never), ArgumentError, 'takes a tensor');
});
