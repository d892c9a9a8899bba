import * as latent from '../../lib/index.js';
import {
  ArgumentError,
  DisposedError,
  type DType,
  ShapeError,
  type Tensor,
  tensor,
  ValueError,
  zeros,
} from '../../lib/index.js';
import { expectClose } from '../support/close.js';
import { expectError } from '../support/errors.js';
import { expectExactly, layRandom, type Plain, randomPlain, reduce } from '../support/plain.js';
import { makeRandom } from '../support/random.js';

interface Options {
  axis?: number | number[];
  keepdims?: boolean;
}
type Reduction = (x: unknown, options?: unknown) => Tensor;
const library = latent as unknown as Record<string, Reduction>;

const total = (list: number[]) => list.reduce((a, b) => a + b, 0);
const reductions: Record<string, (list: number[]) => number> = {
  sum: total,
  prod: list => list.reduce((a, b) => a * b, 1),
  mean: list => total(list) / list.length,
  max: list => list.reduce((a, b) => Math.max(a, b), -Infinity),
  min: list => list.reduce((a, b) => Math.min(a, b), Infinity),
  logsumexp: list => {
    const top = Math.max(...list);
    return top + Math.log(total(list.map(value => Math.exp(value - top))));
  },
};

/** Shapes with the axes to reduce over; undefined is all of them. */
const forms: readonly (readonly [readonly number[], number | number[] | undefined])[] = [
  [[7], undefined],
  [[1], 0],
  [[3, 5], undefined],
  [[3, 5], 0],
  [[3, 5], 1],
  [[3, 5], -1],
  [
    [3, 5],
    [0, 1],
  ],
  [[33, 129], 0],
  [[33, 129], 1],
  [[2, 3, 4], 1],
  [
    [2, 3, 4],
    [0, 2],
  ],
  [
    [2, 3, 4],
    [-1, 0],
  ],
  [[2, 3, 4], [1]],
  [[2, 3, 4], []],
  [
    [2, 1, 3, 2, 5],
    [1, 3],
  ],
  [[0, 3], 1],
  [[1025], 0],
];

const axesOf = (axis: number | number[] | undefined, rank: number) =>
  axis === undefined
    ? Array.from({ length: rank }, (_, d) => d)
    : [axis]
        .flat()
        .map(a => (a < 0 ? a + rank : a))
        .sort((a, b) => a - b);

describe.each(Object.entries(reductions))('%s', (name, f) => {
  const call = library[name]!;

  test.each(['float32', 'float64'] as const)('of %s over every choice of axes and layout', dtype => {
    const random = makeRandom(11);
    for (const [shape, axis] of forms) {
      for (const keepdims of [false, true]) {
        const [x, plain] = layRandom(random, randomPlain(random, shape, dtype, -2, 3));
        const axes = axesOf(axis, shape.length);
        const want = reduce(plain, axes, keepdims, 'float64', f);
        const options: Options = axis === undefined ? { keepdims } : { axis, keepdims };
        const got = call(x, options);
        expect([...got.shape]).toEqual([...want.shape]);
        expect(got.dtype).toBe(dtype);
        // Sums of terms of both signs are held to the size of the terms, not to what is left of them.
        const terms = axes.reduce((n, d) => n * shape[d]!, 1);
        const spread = (name === 'sum' ? terms : 1) * 3;
        const factor = dtype === 'float64' ? 1e-12 : 8 * Math.sqrt(Math.max(4, terms)) * 2 ** -23;
        const values = got.toTypedArray() as ArrayLike<number>;
        want.data.forEach((exact, i) => {
          const value = dtype === 'float32' ? Math.fround(exact) : exact;
          const size = name === 'prod' ? Math.max(spread, Math.abs(value)) : spread;
          if (Number.isFinite(value)) expect(Math.abs(values[i]! - value)).toBeLessThanOrEqual(factor * size);
          else expect(values[i]).toBe(value);
        });
        const asMethod = (x as unknown as Record<string, (o: Options) => Tensor>)[name]!(options);
        expect(asMethod.toArray()).toEqual(got.toArray());
      }
    }
  });

  test('misuse', () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expectError(() => call(x, { axis: 2 }), ShapeError, `${name}: axis 2 is out of range for 2 dimensions`);
    expectError(() => call(x, { axis: -3 }), ShapeError, 'axis -3 is out of range');
    expectError(() => call(x, { axis: 0.5 }), ShapeError, 'axis 0.5');
    expectError(() => call(x, { axis: Number.NaN }), ShapeError, 'axis NaN');
    expectError(() => call(x, { axis: '0' }), ShapeError, "axis '0'");
    expectError(() => call(x, { axis: [0, -2] }), ShapeError, 'axis 0 is given twice');
    expectError(() => call(x, { axes: 0 }), ArgumentError, "did you mean 'axis'?");
    expectError(() => call(x, { keepdim: true }), ArgumentError, "did you mean 'keepdims'?");
    expectError(() => call(x, { keepdims: 1 }), ArgumentError, 'keepdims takes true or false, but got 1');
    expectError(() => call(x, 1), ArgumentError, `${name} takes an options object, but got 1`);
    expectError(() => call(3), ArgumentError, `${name} takes a tensor, but got 3`);
    x.dispose();
    expectError(() => call(x), DisposedError, 'after it was disposed of');
  });
});

describe('integers', () => {
  test('sum to int32, mean to float32, extremes keep their dtype', () => {
    const random = makeRandom(12);
    for (const dtype of ['int32', 'uint8', 'bool'] as const) {
      for (const [shape, axis] of forms) {
        const axes = axesOf(axis, shape.length);
        const [x, plain] = layRandom(random, randomPlain(random, shape, dtype, dtype === 'int32' ? -99 : 0, 99));
        const options = axis === undefined ? {} : { axis };
        expectExactly(library.sum!(x, options), reduce(plain, axes, false, 'int32', total));
        expectExactly(library.max!(x, options), reduce(plain, axes, false, dtype, reductions.max!));
        expectExactly(library.min!(x, options), reduce(plain, axes, false, dtype, reductions.min!));
        const mean = library.mean!(x, options);
        expect(mean.dtype).toBe('float32');
        expectClose(mean, reduce(plain, axes, false, 'float64', reductions.mean!).data, { terms: 4000 });
      }
    }
  });

  test('a sum that does not fit int32 raises', () => {
    const most = 2 ** 31 - 1;
    const x = tensor([most, 1], { dtype: 'int32' });
    expectError(() => x.sum(), ValueError, 'sum: the result does not fit int32');
    expect(tensor([most, 1, -1], { dtype: 'int32' }).sum().item()).toBe(most);
    expectError(() => tensor([-most, -2], { dtype: 'int32' }).sum({ axis: 0 }), ValueError, 'does not fit int32');
    // The mean of the same numbers fits float32.
    expect(x.mean().item()).toBe(2 ** 30);
  });
});

describe('edges', () => {
  test('scalars', () => {
    for (const name of ['sum', 'mean', 'max', 'min']) expect(library[name]!(tensor(2.5)).toArray()).toBe(2.5);
  });

  test('of no elements', () => {
    expect(zeros([0]).sum().item()).toBe(0);
    expect(zeros([2, 0]).sum({ axis: 1 }).toArray()).toEqual([0, 0]);
    expect(zeros([2, 0]).mean({ axis: 1 }).toArray()).toEqual([Number.NaN, Number.NaN]);
    expect(zeros([0, 3]).max({ axis: 1 }).shape).toEqual([0]);
    expectError(() => zeros([0, 3]).max({ axis: 0 }), ShapeError, 'max: no elements along axes [0] of shape [0, 3]');
    expectError(() => zeros([0]).min(), ShapeError, 'min: no elements');
    expect(latent.logsumexp(zeros([2, 0]), { axis: 1 }).toArray()).toEqual([-Infinity, -Infinity]);
  });

  test('NaN comes through, infinities add up', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const x = tensor(
        [
          [1, Number.NaN, 3],
          [Infinity, 2, 1],
          [-Infinity, -Infinity, -Infinity],
        ],
        { dtype },
      );
      expect(x.max({ axis: 1 }).toArray()).toEqual([Number.NaN, Infinity, -Infinity]);
      expect(x.min({ axis: 1 }).toArray()).toEqual([Number.NaN, 1, -Infinity]);
      expect(x.sum({ axis: 1 }).toArray()).toEqual([Number.NaN, Infinity, -Infinity]);
      expect(x.logsumexp({ axis: 1 }).toArray()).toEqual([Number.NaN, Infinity, -Infinity]);
    }
  });

  test('NaN anywhere in a long row wins', () => {
    for (const place of [0, 1, 17, 128, 255, 256]) {
      const data = Float32Array.from({ length: 257 }, (_, i) => (i === place ? Number.NaN : Math.sin(i)));
      expect(tensor(data).max().item()).toBeNaN();
      expect(tensor(data).min().item()).toBeNaN();
    }
  });

  test('logsumexp of large numbers does not overflow', () => {
    expectClose(latent.logsumexp(tensor([1000, 1000.5, 999])), [
      1000.5 + Math.log(1 + Math.exp(-0.5) + Math.exp(-1.5)),
    ]);
    expectClose(latent.logsumexp(tensor([-1000, -1001])), [-1000 + Math.log1p(Math.exp(-1))]);
  });

  test('a long sum in float32 keeps its digits, where one running total would lose thousands of units', () => {
    const n = 1 << 20;
    const data = Float32Array.from({ length: n }, (_, i) => 0.1 + (i % 7) * 0.01);
    const want = data.reduce((a: number, b: number) => a + b, 0);
    expect(Math.abs((tensor(data).sum().item() as number) - want)).toBeLessThan(want * 64 * 2 ** -23);
  });
});

describe.each(['argmax', 'argmin'] as const)('%s', name => {
  test('positions past int32 are refused', () => {
    const long = zeros([1]).broadcastTo([2, 2 ** 30]);
    const f = (x: Tensor, options?: object) => (x[name] as (options?: object) => Tensor).call(x, options);
    expectError(() => f(long), ShapeError, 'positions are int32, too small');
    expectError(() => f(zeros([1]).broadcastTo([2 ** 31]), { axis: 0 }), ShapeError, 'positions are int32');
  });

  const call = library[name]!;
  const first = (list: readonly number[]) => {
    const nan = list.findIndex(Number.isNaN);
    return nan >= 0 ? nan : list.indexOf(name === 'argmax' ? Math.max(...list) : Math.min(...list));
  };

  test('the first position, in every dtype and layout', () => {
    const random = makeRandom(13);
    const wholes: [readonly number[], number | undefined][] = [
      [[7], undefined],
      [[3, 5], 0],
      [[3, 5], -1],
      [[3, 5], undefined],
      [[2, 3, 4], 1],
      [[0, 3], 1],
      [[33, 65], 1],
    ];
    for (const dtype of ['float32', 'float64', 'int32', 'uint8', 'bool'] as DType[]) {
      for (const [shape, axis] of wholes) {
        for (const keepdims of [false, true]) {
          // Few different values, so that ties are common.
          const [x, plain] = layRandom(random, randomPlain(random, shape, dtype, 0, 3, true));
          const want: Plain = reduce(plain, axesOf(axis, shape.length), keepdims, 'int32', first);
          expectExactly(call(x, axis === undefined ? { keepdims } : { axis, keepdims }), want);
        }
      }
    }
  });

  test('the first NaN is the extreme', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      expect(call(tensor([1, Number.NaN, 3, Number.NaN], { dtype })).item()).toBe(1);
      expect(call(tensor([Infinity, -Infinity], { dtype })).item()).toBe(name === 'argmax' ? 0 : 1);
    }
  });

  test('misuse', () => {
    expectError(() => call(zeros([0])), ShapeError, `${name}: no elements`);
    expectError(() => call(zeros([2, 3]), { axis: 2 }), ShapeError, 'axis 2 is out of range');
    expectError(() => call(zeros([2, 3]), { axis: [0, 1] }), ShapeError, `${name}: axis [ 0, 1 ]`);
    expectError(() => call(zeros([2, 3]), { axs: 0 }), ArgumentError, "did you mean 'axis'?");
  });
});

describe('products of integers', () => {
  test('are int32, 1 of nothing, and refused where they do not fit', () => {
    expectExactly(tensor([3, -4, 5], { dtype: 'int32' }).prod(), { shape: [], dtype: 'int32', data: [-60] });
    expectExactly(tensor([200, 200], { dtype: 'uint8' }).prod(), { shape: [], dtype: 'int32', data: [40000] });
    expectExactly(tensor([true, false]).prod(), { shape: [], dtype: 'int32', data: [0] });
    expectExactly(zeros([2, 0], { dtype: 'int32' }).prod({ axis: 1 }), { shape: [2], dtype: 'int32', data: [1, 1] });
    expectExactly(zeros([0]).prod(), { shape: [], dtype: 'float32', data: [1] });
    expectError(
      () => tensor([65536, 32768], { dtype: 'int32' }).prod(),
      ValueError,
      'prod: the result does not fit int32',
    );
    // 2^31 does not fit, its negative does; a zero brings a product back from anywhere.
    const least = tensor([-65536, 32768], { dtype: 'int32' }).prod();
    expectExactly(least, { shape: [], dtype: 'int32', data: [-(2 ** 31)] });
    const many = new Array<number>(99).fill(1 << 30);
    expectExactly(tensor([...many, 0, 7], { dtype: 'int32' }).prod(), { shape: [], dtype: 'int32', data: [0] });
    expectError(() => tensor([...many, -1], { dtype: 'int32' }).prod(), ValueError, 'does not fit int32');
  });
});

describe('many parts for one result', () => {
  test('rows of a middle axis, more than a hundred of them', () => {
    const x = latent.ones([100, 3, 40]);
    expect(x.sum({ axis: [0, 2] }).toArray()).toEqual([4000, 4000, 4000]);
    const marked = latent.arange(0, 12000).reshape([100, 3, 40]).cast('float32');
    expect(marked.max({ axis: [0, 2] }).toArray()).toEqual([11919, 11959, 11999]);
    expect(marked.min({ axis: [0, 2] }).toArray()).toEqual([0, 40, 80]);
  });

  test('long columns of a middle axis are as exact as one long column', () => {
    for (const width of [2, 3, 16]) {
      const sums = latent.full([2, 300000, width], 0.1).sum({ axis: 1 }).toTypedArray() as Float32Array;
      for (const got of sums) expect(Math.abs(got / (300000 * Math.fround(0.1)) - 1)).toBeLessThan(3e-6);
    }
  });
});
