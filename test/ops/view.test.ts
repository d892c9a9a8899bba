import * as latent from '../../lib/index.js';
import {
  ArgumentError,
  DisposedError,
  ShapeError,
  type SliceRange,
  type Tensor,
  tensor,
  zeros,
} from '../../lib/index.js';
import { expectError } from '../support/errors.js';
import {
  at,
  build,
  expectExactly,
  lay,
  layouts,
  layRandom,
  type Plain,
  randomPlain,
  shapes,
  sizeOf,
  transpose,
} from '../support/plain.js';
import { makeRandom } from '../support/random.js';

const call = latent as unknown as Record<string, (...args: unknown[]) => Tensor>;
const count = (shape: readonly number[]): Plain => {
  let next = 0;
  return build(shape, 'float32', () => next++);
};
const counting = (shape: readonly number[]) => tensor(Float32Array.from(count(shape).data), { shape });

/** Whether a write to `x` shows in what was made from it. */
function sharesWith(x: Tensor, made: Tensor): boolean {
  const before = String(made.toArray());
  x.copyFrom(x.sub(1000));
  return String(made.toArray()) !== before;
}

describe('reshape', () => {
  test('the same elements in order, from every layout', () => {
    const random = makeRandom(41);
    for (const [from, to, want] of [
      [
        [2, 3, 4],
        [4, 6],
        [4, 6],
      ],
      [[2, 3, 4], [-1], [24]],
      [
        [2, 3, 4],
        [3, -1, 2],
        [3, 4, 2],
      ],
      [[1], [], []],
      [[], [1, 1], [1, 1]],
      [
        [0, 3],
        [3, 0],
        [3, 0],
      ],
      [
        [0, 3],
        [-1, 3],
        [0, 3],
      ],
      [[7], [7, 1], [7, 1]],
    ] as const) {
      for (const layout of layouts) {
        const [x, plain] = lay(randomPlain(random, from, 'float32', -2, 2), layout);
        expectExactly(call.reshape!(x, to), { ...plain, shape: want });
      }
    }
  });

  test('is a view where the elements lie in order, else a copy', () => {
    const x = counting([2, 3, 4]);
    expect(sharesWith(x, x.reshape([6, 4]))).toBe(true);
    expect(sharesWith(x, x.slice([1, 2]).reshape([12]))).toBe(true);
    expect(sharesWith(x, (x.transpose() as Tensor).reshape([24]))).toBe(false);
    expect(sharesWith(x, x.flatten())).toBe(true);
  });

  test('misuse', () => {
    const x = counting([2, 3]);
    expectError(
      () => call.reshape!(x, [4]),
      ShapeError,
      'reshape: shape [2, 3] cannot become [4]: 6 elements do not fill it',
    );
    expectError(() => call.reshape!(x, [-1, -1]), ShapeError, 'only one size may be -1');
    expectError(() => call.reshape!(x, [-1, 4]), ShapeError, 'do not fill it');
    expectError(() => call.reshape!(zeros([0]), [0, -1]), ShapeError, 'do not fill it');
    expectError(() => call.reshape!(x, [1.5, 4]), ShapeError, 'dimension 0 of [ 1.5, 4 ] is 1.5');
    expectError(() => call.reshape!(x, [Number.NaN]), ShapeError, 'is NaN');
    expectError(() => call.reshape!(x, [-2, -3]), ShapeError, 'is -2');
    expectError(() => call.reshape!(x, ['6']), ShapeError, "is '6'");
    expectError(() => call.reshape!(x, 6), ShapeError, 'takes a shape (an array of sizes), but got 6');
    expectError(() => call.reshape!(x, [1, 1, 1, 1, 1, 1, 1, 2, 3]), ShapeError, 'at most 8 dimensions, but got 9');
    expectError(() => call.reshape!(x, [2 ** 30, 2 ** 30]), ShapeError, '2^53');
    expectError(() => call.reshape!([1, 2], [2]), ArgumentError, 'reshape takes a tensor');
    x.dispose();
    expectError(() => call.reshape!(x, [6]), DisposedError, 'after it was disposed of');
  });
});

test('flatten keeps the first dimensions that it is told to', () => {
  const x = counting([2, 3, 4]);
  expectExactly(x.flatten(), { ...count([2, 3, 4]), shape: [24] });
  expectExactly(x.flatten(1), { ...count([2, 3, 4]), shape: [2, 12] });
  expectExactly(x.flatten(3), { ...count([2, 3, 4]), shape: [2, 3, 4, 1] });
  expect(tensor(5).flatten().shape).toEqual([1]);
  expectError(() => x.flatten(4), ShapeError, 'cannot keep 4 dimensions of shape [2, 3, 4]');
  expectError(() => x.flatten(-1), ArgumentError, 'flatten: from takes an integer from 0, but got -1');
  expectError(() => x.flatten(0.5), ArgumentError, 'but got 0.5');
});

describe('squeeze and expandDims', () => {
  test('take out and put in dimensions of size 1', () => {
    const x = counting([1, 3, 1, 2]);
    expect(x.squeeze().shape).toEqual([3, 2]);
    expect(x.squeeze(0).shape).toEqual([3, 1, 2]);
    expect(x.squeeze(-2).shape).toEqual([1, 3, 2]);
    expect(x.squeeze([0, 2]).shape).toEqual([3, 2]);
    expect(x.squeeze([]).shape).toEqual([1, 3, 1, 2]);
    expect(x.squeeze([0, 2]).toArray()).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
    const y = counting([3, 2]);
    expect(y.expandDims(0).shape).toEqual([1, 3, 2]);
    expect(y.expandDims(1).shape).toEqual([3, 1, 2]);
    expect(y.expandDims(-1).shape).toEqual([3, 2, 1]);
    expect(y.expandDims(-1).toArray()).toEqual([
      [[0], [1]],
      [[2], [3]],
      [[4], [5]],
    ]);
  });

  test('are views, of other views too', () => {
    const whole = counting([1, 3, 2]);
    expect(sharesWith(whole, whole.squeeze())).toBe(true);
    expect(sharesWith(whole, whole.expandDims(1))).toBe(true);
    const x = counting([4, 3]);
    expect(sharesWith(x, (x.transpose() as Tensor).expandDims(0))).toBe(true);
    expect(sharesWith(x, x.slice(null, [0, 1]).squeeze())).toBe(true);
  });

  test('misuse', () => {
    const x = counting([1, 3]);
    expectError(() => x.squeeze(1), ShapeError, 'squeeze: axis 1 of shape [1, 3] has size 3, not 1');
    expectError(() => x.squeeze(2), ShapeError, 'squeeze: axis 2 is out of range');
    expectError(() => x.squeeze([0, -2]), ShapeError, 'given twice');
    expectError(() => x.expandDims(3), ShapeError, 'expandDims: axis 3 is out of range');
    expectError(() => call.expandDims!(x), ShapeError, 'axis undefined');
    expectError(() => zeros([1, 1, 1, 1, 1, 1, 1, 1]).expandDims(0), ShapeError, 'at most 8 dimensions');
  });
});

describe('transpose', () => {
  test.each(['float32', 'float64', 'int32', 'uint8', 'bool'] as const)(
    'large matrices of %s are copied as they read',
    dtype => {
      const random = makeRandom(31);
      for (const [shape, axes] of [
        [[130, 70], undefined],
        [
          [3, 200, 90],
          [0, 2, 1],
        ],
        [
          [40, 3, 50],
          [2, 1, 0],
        ],
        [
          [5, 17, 3, 33],
          [0, 2, 3, 1],
        ],
        [
          [9, 2, 64],
          [2, 0, 1],
        ],
      ] as [number[], number[] | undefined][]) {
        const [x, plain] = lay(randomPlain(random, shape, dtype, 0, 9), random.pick(layouts));
        expectExactly((x.transpose(axes) as Tensor).clone() as Tensor, transpose(plain, axes));
      }
    },
  );

  test('one value for many is copied to all of them', () => {
    for (const dtype of ['float32', 'int32', 'uint8', 'bool'] as const) {
      const column = tensor([1, 0, 1], { shape: [3, 1], dtype });
      const want = { shape: [3, 50], dtype, data: [1, 0, 1].flatMap(v => new Array(50).fill(v)) };
      expectExactly(column.broadcastTo([3, 50]).clone() as Tensor, want);
    }
  });

  test('reverses or permutes, of every shape and layout', () => {
    const random = makeRandom(42);
    for (const shape of shapes) {
      for (const layout of layouts) {
        const [x, plain] = lay(randomPlain(random, shape, 'int32', -99, 99), layout);
        expectExactly(call.transpose!(x), transpose(plain));
        const axes = shape.map((_, d) => d);
        for (let d = axes.length - 1; d > 0; d--) {
          const other = random.int(0, d);
          [axes[d], axes[other]] = [axes[other]!, axes[d]!];
        }
        expectExactly(call.transpose!(x, axes), transpose(plain, axes));
        const fromEnd = axes.map(axis => axis - shape.length);
        expectExactly(call.transpose!(x, fromEnd), transpose(plain, axes));
      }
    }
  });

  test('is a view, in both directions', () => {
    const x = counting([2, 3]);
    const y = x.transpose() as Tensor;
    expect(sharesWith(x, y)).toBe(true);
    y.copyFrom(counting([3, 2]));
    expect(x.toArray()).toEqual([
      [0, 2, 4],
      [1, 3, 5],
    ]);
  });

  test('misuse', () => {
    const x = counting([2, 3]);
    expectError(() => call.transpose!(x, [0]), ShapeError, 'does not permute the 2 axes of shape [2, 3]');
    expectError(() => call.transpose!(x, [0, 0]), ShapeError, 'axis 0 is given twice');
    expectError(() => call.transpose!(x, [0, 2]), ShapeError, 'axis 2 is out of range');
    expectError(() => call.transpose!(x, 1), ShapeError, 'does not permute');
  });
});

describe('broadcastTo', () => {
  test('repeats along new and single dimensions', () => {
    const random = makeRandom(43);
    for (const [from, to] of [
      [[], [2, 3]],
      [[3], [2, 3]],
      [
        [2, 1],
        [2, 3],
      ],
      [
        [1, 1],
        [4, 5],
      ],
      [
        [2, 1, 3],
        [4, 2, 5, 3],
      ],
      [[1], [0]],
      [[3], [3]],
    ] as const) {
      const [x, plain] = layRandom(random, randomPlain(random, from, 'float64', -2, 2));
      expectExactly(
        call.broadcastTo!(x, to),
        build(to, 'float64', index => at(plain, index)),
      );
    }
  });

  test('is a view that may be read and not written, as are views of it', () => {
    const x = counting([3]);
    const y = x.broadcastTo([2, 3]);
    expect(sharesWith(x, y)).toBe(true);
    for (const view of [y, y.transpose() as Tensor, y.slice([0, 1]), y.detach() as Tensor]) {
      expectError(() => view.copyFrom(view.clone()), ArgumentError, 'view made by broadcastTo cannot be written to');
      expectError(() => view.set(0, 1), ArgumentError, 'cannot be written to');
    }
    y.clone().set(0, 1);
  });

  test('misuse', () => {
    expectError(() => counting([3]).broadcastTo([2]), ShapeError, 'shape [3] does not broadcast to [2]');
    expectError(() => counting([2, 3]).broadcastTo([3]), ShapeError, 'does not broadcast');
    expectError(() => counting([3]).broadcastTo([3, 2]), ShapeError, 'does not broadcast');
    expectError(() => counting([1]).broadcastTo([-1]), ShapeError, 'whole numbers from 0');
    expectError(() => counting([1]).broadcastTo([2 ** 53, 2]), ShapeError, 'broadcastTo');
    expectError(() => counting([1]).broadcastTo([2 ** 30, 2 ** 30]), ShapeError, '2^53');
  });
});

/** The places that NumPy's start:stop:step takes of a dimension, by walking it. */
function walk(size: number, [start, stop, step]: readonly (number | null | undefined)[]): number[] {
  const by = step ?? 1;
  const place = (value: number | null | undefined, fallback: number) =>
    value === null || value === undefined ? fallback : value < 0 ? value + size : value;
  const first = place(start, by > 0 ? 0 : size - 1);
  const end = place(stop, by > 0 ? size : -1);
  const out: number[] = [];
  // What lies before the beginning when walking up, or past the end when walking down, is stepped over.
  let i = by > 0 ? Math.max(first, 0) : Math.min(first, size - 1);
  for (; by > 0 ? i < end : i > end; i += by) if (i >= 0 && i < size) out.push(i);
  return out;
}

describe('slice', () => {
  test("NumPy's ranges, with any bounds and steps, of every layout", () => {
    const random = makeRandom(44);
    for (let round = 0; round < 400; round++) {
      const shape = random.pick([[7], [5, 6], [3, 4, 5], [0, 3], [1]]);
      const [x, plain] = layRandom(random, randomPlain(random, shape, 'int32', -99, 99));
      const taken: number[][] = [];
      const kept: number[] = [];
      const ranges = shape.slice(0, random.int(0, shape.length)).map((size, d): SliceRange => {
        const kind = random.int(0, 3);
        if (kind === 0 && size > 0) {
          const index = random.int(-size, size - 1);
          taken[d] = [index < 0 ? index + size : index];
          return index;
        }
        const bound = () => random.pick([null, undefined, random.int(-size - 3, size + 3)]);
        const range = kind === 1 ? null : ([bound(), bound(), random.pick([1, 2, 3, -1, -2, -5, null])] as const);
        taken[d] = walk(size, range ?? []);
        kept.push(taken[d].length);
        return range;
      });
      shape.slice(ranges.length).forEach((size, d) => {
        taken[ranges.length + d] = walk(size, []);
        kept.push(size);
      });
      const full = build(
        taken.map(list => list.length),
        'int32',
        index =>
          at(
            { ...plain, shape },
            index.map((i, d) => taken[d]![i]!),
          ),
      );
      expectExactly(x.slice(...ranges), { ...full, shape: kept });
    }
  });

  test('is a view, whatever is taken', () => {
    const ranges: SliceRange[][] = [[[1, 3]], [[null, null, -1]], [null, [1, null, 2]], [1], [-1, 2], [null, 1]];
    for (const range of ranges) {
      const x = counting([4, 3]);
      expect([range, sharesWith(x, x.slice(...range))]).toEqual([range, true]);
      const y = x.transpose() as Tensor;
      expect([range, sharesWith(x, y.slice(...range))]).toEqual([range, true]);
    }
  });

  test('a write through a view of a view lands in the storage', () => {
    const x = counting([4, 4]);
    const part = (x.transpose() as Tensor).slice([null, null, -1], [1, 3]);
    part.copyFrom(
      tensor([
        [-1, -2],
        [-3, -4],
        [-5, -6],
        [-7, -8],
      ]),
    );
    expect(x.toArray()).toEqual([
      [0, 1, 2, 3],
      [-7, -5, -3, -1],
      [-8, -6, -4, -2],
      [12, 13, 14, 15],
    ]);
  });

  test('misuse', () => {
    const x = counting([2, 3]);
    expectError(() => x.slice(2), ShapeError, 'slice: index 2 is out of range for axis 0 of size 2');
    expectError(() => x.slice(null, -4), ShapeError, 'index -4 is out of range for axis 1');
    expectError(() => x.slice(null, null, null), ShapeError, '3 ranges for the 2 dimensions of shape [2, 3]');
    expectError(() => x.slice([0, 1, 0]), ArgumentError, 'step cannot be 0');
    expectError(() => x.slice([0.5]), ArgumentError, 'a bound takes an integer, but got 0.5');
    expectError(() => x.slice([0, 2, Number.NaN]), ArgumentError, 'step takes an integer, but got NaN');
    expectError(() => x.slice(0.5), ArgumentError, 'an index takes an integer, but got 0.5');
    expectError(
      () => x.slice('0:1' as never),
      ArgumentError,
      "null, a number or [start, stop, step] for each dimension, but got '0:1'",
    );
    expectError(() => x.slice([0, 1, 1, 1] as never), ArgumentError, 'null, a number or [start, stop, step]');
    x.dispose();
    expectError(() => x.slice([0, 1]), DisposedError, 'after it was disposed of');
  });
});

describe('split', () => {
  test('equal parts and given sizes, as views', () => {
    const x = counting([6, 2]);
    expect(x.split(3).map(part => part.toArray())).toEqual([
      [
        [0, 1],
        [2, 3],
      ],
      [
        [4, 5],
        [6, 7],
      ],
      [
        [8, 9],
        [10, 11],
      ],
    ]);
    expect(x.split([1, 0, 5]).map(part => part.shape)).toEqual([
      [1, 2],
      [0, 2],
      [5, 2],
    ]);
    expect(x.split(2, { axis: -1 }).map(part => part.toArray())).toEqual([
      [[0], [2], [4], [6], [8], [10]],
      [[1], [3], [5], [7], [9], [11]],
    ]);
    expect(sharesWith(x, x.split(2, { axis: 1 })[1]!)).toBe(true);
  });

  test('misuse', () => {
    const x = counting([6, 2]);
    expectError(() => x.split(4), ShapeError, 'axis 0 of size 6 does not split into 4 equal parts');
    expectError(() => x.split([1, 2]), ShapeError, 'sizes [1, 2] do not add up to 6');
    expectError(() => x.split([-1, 7]), ArgumentError, 'split: a size takes an integer from 0, but got -1');
    expectError(() => x.split(0), ArgumentError, 'split: parts takes an integer from 1, but got 0');
    expectError(() => x.split(1.5), ArgumentError, 'but got 1.5');
    expectError(() => x.split(2, { axis: 2 }), ShapeError, 'axis 2 is out of range');
    expectError(() => x.split(2, { axes: 1 } as never), ArgumentError, "did you mean 'axis'?");
    expectError(() => x.split(2, 1 as never), ArgumentError, 'split takes an options object, but got 1');
  });
});

test('detach shares the elements', () => {
  const x = counting([2, 3]);
  expect(sharesWith(x, x.detach() as Tensor)).toBe(true);
  expect(sharesWith(x, x.clone() as Tensor)).toBe(false);
});

test('views outlive what they were made from', () => {
  const random = makeRandom(45);
  const plain = randomPlain(random, [5, 4], 'float32', -2, 2);
  const x = tensor(Float32Array.from(plain.data), { shape: [5, 4] });
  const view = x.transpose() as Tensor;
  x.dispose();
  latent.memory.collect();
  zeros([sizeOf([5, 4])]);
  expectExactly(view, transpose(plain));
});
