import fc from 'fast-check';
import {
  ArgumentError,
  argsort,
  cumsum,
  type DType,
  ShapeError,
  sort,
  type Tensor,
  tensor,
  topk,
  ValueError,
  zeros,
} from '../../lib/index.js';
import { expectClose } from '../support/close.js';
import { expectError } from '../support/errors.js';
import { at, build, expectExactly, indices, lay, layouts, type Plain, randomPlain } from '../support/plain.js';
import { makeRandom, seed } from '../support/random.js';

const dtypes = ['bool', 'uint8', 'int32', 'float32', 'float64'] as const;

/** A shape, an axis of it, and how the elements lie. */
const forms = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 4 }).chain(shape =>
  fc.record({
    shape: fc.constant(shape),
    axis: fc.integer({ min: -shape.length, max: shape.length - 1 }),
    layout: fc.constantFrom(...layouts),
    dtype: fc.constantFrom(...dtypes),
    salt: fc.nat(),
    flag: fc.boolean(),
  }),
);

/** The lines of a plain tensor along an axis, each put through f. */
function alongAxis(x: Plain, axis: number, dtype: DType, f: (line: number[]) => number[]): Plain {
  const d = axis < 0 ? axis + x.shape.length : axis;
  const size = x.shape[d]!;
  const one = x.shape.map((extent, i) => (i === d ? 1 : extent));
  const lines = new Map<string, number[]>();
  let length = size;
  for (const index of indices(one)) {
    const line = f(
      Array.from({ length: size }, (_, i) =>
        at(
          x,
          index.map((j, k) => (k === d ? i : j)),
        ),
      ),
    );
    length = line.length;
    lines.set(index.join(), line);
  }
  if (lines.size === 0) length = f(new Array<number>(size).fill(0)).length;
  const shape = x.shape.map((extent, i) => (i === d ? length : extent));
  return build(shape, dtype, index => lines.get(index.map((j, k) => (k === d ? 0 : j)).join())![index[d]!]!);
}

/** The places of a line in their order; stable, NaN above all. */
function orderOf(line: number[], descending: boolean): number[] {
  const rank = (x: number) => (Number.isNaN(x) ? Infinity : x);
  const compare = (a: number, b: number) => {
    if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1;
    return rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0;
  };
  return line.map((_, i) => i).sort((i, j) => (descending ? -1 : 1) * compare(line[i]!, line[j]!) || i - j);
}

const runs = { numRuns: 200, seed };

describe('cumsum', () => {
  test('along every axis of every type and layout', () => {
    fc.assert(
      fc.property(forms, ({ shape, axis, layout, dtype, salt }) => {
        const [x, plain] = lay(randomPlain(makeRandom(salt), shape, dtype, -3, 3), layout);
        const out = dtype.startsWith('float') ? dtype : 'int32';
        let sum = 0;
        const want = alongAxis(plain, axis, 'float64', line => {
          sum = 0;
          return line.map(value => (sum += value));
        });
        const got = cumsum(x, { axis });
        expect([...got.shape]).toEqual(shape);
        expect(got.dtype).toBe(out);
        expectClose(got, want.data);
        expect(x.cumsum({ axis }).toArray()).toEqual(got.toArray());
      }),
      runs,
    );
  });

  test('of the flattened tensor by default, and long', () => {
    expect(
      tensor([
        [1, 2],
        [3, 4],
      ])
        .cumsum()
        .toArray(),
    ).toEqual([1, 3, 6, 10]);
    const n = 300_000;
    const got = (zeros([n]).add(0.1) as Tensor).cumsum().toTypedArray();
    // Each element is the sum rounded once: no error grows with the length.
    for (const i of [0, 1, 999, n - 1]) expect(got[i]).toBe(Math.fround(Math.fround(0.1) * (i + 1)));
    const columns = (zeros([300, 700]).add(1) as Tensor).cumsum({ axis: 0 });
    expect(columns.slice(-1).sum().item()).toBe(300 * 700);
  });

  test('integers that do not fit raise', () => {
    expectError(
      () => tensor([2 ** 31 - 1, 1, -1], { dtype: 'int32' }).cumsum(),
      ValueError,
      'cumsum: the result does not fit int32',
    );
  });
});

describe('sort, argsort, topk', () => {
  test('along every axis of every type and layout', () => {
    fc.assert(
      fc.property(forms, ({ shape, axis, layout, dtype, salt, flag: descending }) => {
        const random = makeRandom(salt);
        const drawn = randomPlain(random, shape, dtype, 0, 4, random.next() < 0.5);
        const spoilt = dtype.startsWith('float')
          ? { ...drawn, data: drawn.data.map(value => (random.next() < 0.1 ? Number.NaN : value)) }
          : drawn;
        const [x, plain] = lay(spoilt, layout);
        const places = alongAxis(plain, axis, 'int32', line => orderOf(line, descending));
        expectExactly(argsort(x, { axis, descending }), places);
        const values = alongAxis(plain, axis, dtype, line => orderOf(line, descending).map(i => line[i]!));
        expectExactly(sort(x, { axis, descending }), values);
        expectExactly(x.sort({ axis, descending }), values);
        const k = random.int(0, shape.at(axis)!);
        const top = topk(x, k, { axis, largest: descending });
        expectExactly(
          top.indices,
          alongAxis(plain, axis, 'int32', line => orderOf(line, descending).slice(0, k)),
        );
        expectExactly(
          top.values,
          alongAxis(plain, axis, dtype, line =>
            orderOf(line, descending)
              .slice(0, k)
              .map(i => line[i]!),
          ),
        );
      }),
      runs,
    );
  });

  test('many lines and long ones', () => {
    const random = makeRandom(93);
    for (const shape of [[20_000], [300, 40], [8, 2000]]) {
      const x = randomPlain(random, shape, 'float32', -1, 1);
      expectExactly(
        argsort(lay(x, 'whole')[0]),
        alongAxis(x, -1, 'int32', line => orderOf(line, false)),
      );
      const { indices } = lay(x, 'whole')[0].topk(5);
      expectExactly(
        indices,
        alongAxis(x, -1, 'int32', line => orderOf(line, true).slice(0, 5)),
      );
    }
  });

  test('misuse', () => {
    const x = zeros([2, 3]) as Tensor;
    expectError(() => topk(x, 4), ShapeError, 'topk: axis 1 of shape [2, 3] has fewer than k = 4 elements');
    expectError(() => topk(x, -1), ArgumentError, 'topk: k takes an integer from 0');
    expectError(() => topk(x, 1, { axis: 2 }), ShapeError, 'topk: axis 2 is out of range');
    expectError(() => sort(x, { descending: 1 as never }), ArgumentError, 'sort: descending takes true or false');
    expectError(() => sort(x, { reverse: true } as never), ArgumentError, "sort has no option 'reverse'");
    expectError(() => argsort(zeros([]) as Tensor), ShapeError, 'argsort: axis -1 is out of range for 0 dimensions');
    expectError(() => cumsum(x, { axis: 2 }), ShapeError, 'cumsum: axis 2 is out of range');
    expectError(() => cumsum([1] as never), ArgumentError, 'cumsum takes a tensor');
  });
});
