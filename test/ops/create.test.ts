import vm from 'node:vm';
import * as latent from '../../lib/index.js';
import {
  ArgumentError,
  arange,
  type DType,
  DTypeError,
  eye,
  full,
  LatentError,
  linspace,
  OutOfMemoryError,
  onesLike,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
  zerosLike,
} from '../../lib/index.js';
import { expectClose } from '../support/close.js';
import { expectError } from '../support/errors.js';
import { build, expectExactly, lay, randomPlain } from '../support/plain.js';
import { makeRandom } from '../support/random.js';

const call = latent as unknown as Record<string, (...args: unknown[]) => Tensor>;
const dtypes: readonly DType[] = ['float32', 'float64', 'int32', 'uint8', 'bool'];

describe('tensor', () => {
  test('from nested arrays', () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5.5, -6],
    ]);
    expectExactly(x, { shape: [2, 3], dtype: 'float32', data: [1, 2, 3, 4, 5.5, -6] });
    expectExactly(tensor([[[7]]]), { shape: [1, 1, 1], dtype: 'float32', data: [7] });
    expectExactly(tensor(3.25), { shape: [], dtype: 'float32', data: [3.25] });
    expectExactly(tensor([]), { shape: [0], dtype: 'float32', data: [] });
    expectExactly(tensor([[], []]), { shape: [2, 0], dtype: 'float32', data: [] });
    expectExactly(tensor([true, false]), { shape: [2], dtype: 'bool', data: [1, 0] });
    expectExactly(tensor(true), { shape: [], dtype: 'bool', data: [1] });
    expectExactly(tensor([true, 2]), { shape: [2], dtype: 'float32', data: [1, 2] });
    const special = [Number.NaN, Infinity, -Infinity];
    expect(tensor(special).toArray()).toEqual(special);
    expect(Object.is(tensor([-0]).item(), -0)).toBe(true);
  });

  test('in a dtype and a shape', () => {
    for (const dtype of dtypes) {
      expectExactly(tensor([1, 0, 3], { dtype }), {
        shape: [3],
        dtype,
        data: dtype === 'bool' ? [1, 0, 1] : [1, 0, 3],
      });
    }
    expectExactly(tensor([1, 2, 3, 4], { shape: [2, 2] }), { shape: [2, 2], dtype: 'float32', data: [1, 2, 3, 4] });
    expectExactly(
      tensor(
        [
          [1, 2],
          [3, 4],
        ],
        { shape: [4, 1] },
      ),
      { shape: [4, 1], dtype: 'float32', data: [1, 2, 3, 4] },
    );
    expectExactly(tensor([5], { shape: [] }), { shape: [], dtype: 'float32', data: [5] });
    expect(tensor([0.1], { dtype: 'float64' }).item()).toBe(0.1);
    expect(tensor([0.1]).item()).toBe(Math.fround(0.1));
  });

  test('from a typed array, in its dtype or another, by a copy', () => {
    const kinds = [
      [new Float32Array([1, 2.5, -3]), 'float32'],
      [new Float64Array([1, 0.1, -3]), 'float64'],
      [new Int32Array([1, -(2 ** 31), 2 ** 31 - 1]), 'int32'],
      [new Uint8Array([1, 0, 255]), 'uint8'],
      [new Uint8ClampedArray([1, 0, 255]), 'uint8'],
      [Buffer.from([1, 0, 255]), 'uint8'],
    ] as const;
    for (const [array, dtype] of kinds) {
      const x = tensor(array);
      expectExactly(x, { shape: [3], dtype, data: Array.from(array) });
      array[0] = 9;
      expect(x.slice(0).item()).toBe(1);
      expectExactly(tensor(array, { dtype: 'float64' }), { shape: [3], dtype: 'float64', data: Array.from(array) });
      expectExactly(
        tensor(array, { dtype: 'bool', shape: [3, 1] }),
        build([3, 1], 'bool', ([i]) => array[i!]!),
      );
    }
    expectExactly(tensor(new Float64Array([1, 2]), { dtype: 'int32' }), { shape: [2], dtype: 'int32', data: [1, 2] });
  });

  test('from a part of a buffer, and from shared memory', () => {
    const whole = Float32Array.from({ length: 10 }, (_, i) => i);
    expect(tensor(whole.subarray(3, 6)).toArray()).toEqual([3, 4, 5]);
    const shared = new Float32Array(new SharedArrayBuffer(12));
    shared.set([7, 8, 9]);
    expect(tensor(shared).toArray()).toEqual([7, 8, 9]);
  });

  test("from another realm's arrays", () => {
    const run = (code: string) => vm.runInNewContext(code) as never;
    expectExactly(tensor(run('new Float64Array([1, 2.5])')), { shape: [2], dtype: 'float64', data: [1, 2.5] });
    expectExactly(tensor(run('new Uint8Array([1, 2])')), { shape: [2], dtype: 'uint8', data: [1, 2] });
    expectExactly(tensor(run('[[1, 2], [3, 4]]')), { shape: [2, 2], dtype: 'float32', data: [1, 2, 3, 4] });
    expectExactly(zeros(run('[2, 1]')), { shape: [2, 1], dtype: 'float32', data: [0, 0] });
    expect(tensor([1, 2], run('({ dtype: "int32" })')).dtype).toBe('int32');
    const target = run('new Float32Array(2)') as Float32Array;
    expect(Array.from(tensor([5, 6]).copyTo(target))).toEqual([5, 6]);
    expect(zeros([2]).copyFrom(run('new Float32Array([3, 4])')).toArray()).toEqual([3, 4]);
  });

  test('misuse', () => {
    expectError(
      () => tensor([[1, 2], [3]]),
      ShapeError,
      'nested arrays must be equally long at each level; expected 2 entries at level 1',
    );
    expectError(() => tensor([[1, 2], 3] as never), ShapeError, 'equally long');
    expectError(() => tensor([1, [2]] as never), ArgumentError, 'nested arrays of numbers or booleans, but got [ 2 ]');
    expectError(() => tensor(['1'] as never), ArgumentError, "but got '1'");
    expectError(() => tensor([null] as never), ArgumentError, 'but got null');
    expectError(() => tensor([1n] as never), ArgumentError, 'but got 1n');
    expectError(() => tensor(undefined as never), ArgumentError, 'but got undefined');
    expectError(() => tensor({ length: 2 } as never), ArgumentError, 'numbers or booleans');
    expectError(
      () => tensor(new BigInt64Array(2)),
      DTypeError,
      'tensor takes a Float32Array, Float64Array, Int32Array or Uint8Array',
    );
    expectError(() => tensor(new Int16Array(2)), DTypeError, 'but got Int16Array(2)');
    expectError(() => tensor(new DataView(new ArrayBuffer(4))), DTypeError, 'but got DataView');
    expectError(() => tensor([1, 2, 3], { shape: [2, 2] }), ShapeError, 'tensor: 3 elements do not fill shape [2, 2]');
    expectError(() => tensor([1, 2, 3], { shape: [-1] }), ShapeError, 'tensor: shape: sizes are whole numbers from 0');
    expectError(() => tensor([1.5], { dtype: 'int32' }), DTypeError, 'tensor: 1.5 is no int32');
    expectError(() => tensor([Number.NaN], { dtype: 'uint8' }), DTypeError, 'tensor: NaN is no uint8');
    expectError(() => tensor([256], { dtype: 'uint8' }), DTypeError, '256 does not fit uint8');
    expectError(() => tensor([2 ** 31], { dtype: 'int32' }), DTypeError, '2147483648 does not fit int32');
    expectError(() => tensor(new Float64Array([0.5]), { dtype: 'int32' }), DTypeError, '0.5 is no int32');
    expectError(
      () => tensor([1], { dtype: 'float16' as never }),
      DTypeError,
      "takes one of float32, float64, int32, uint8, bool, but got 'float16'",
    );
    expectError(
      () => tensor([1], { type: 'int32' } as never),
      ArgumentError,
      "tensor has no option 'type'; did you mean 'dtype'?",
    );
    expectError(() => tensor([1], 'int32' as never), ArgumentError, "tensor takes an options object, but got 'int32'");
    expectError(() => tensor([1], null as never), ArgumentError, 'options object, but got null');
    let deep: unknown = 1;
    for (let i = 0; i < 9; i++) deep = [deep];
    expectError(() => tensor(deep as never), ShapeError, 'at most 8 dimensions');
    for (let i = 0; i < 1e5; i++) deep = [deep];
    expectError(() => tensor(deep as never), ShapeError, 'at most 8 dimensions');
    expect(() => new (latent.Tensor as unknown as new () => Tensor)()).toThrow(TypeError);
  });

  test('arrays that lie about themselves are refused, and nothing is read past their end', () => {
    const lying = (array: object, key: PropertyKey, value: unknown) =>
      Object.defineProperty(array, key, { value }) as never;
    const cases = [
      () => tensor(lying(new Uint8Array(2), Symbol.toStringTag, 'Float64Array')),
      () => tensor(lying(new Float32Array(2), 'length', 100)),
      () => zeros([2], { dtype: 'float64' }).copyTo(lying(new Uint8Array(2), Symbol.toStringTag, 'Float64Array')),
      () => zeros([100]).copyFrom(lying(new Float32Array(2), 'length', 100)),
    ];
    for (const run of cases) expect(run).toThrow(LatentError);
  });
});

describe('constants', () => {
  test('zeros, ones, full of every shape and dtype', () => {
    for (const dtype of dtypes) {
      for (const shape of [[], [1], [7], [2, 0, 3], [3, 5], [129]]) {
        expectExactly(
          call.zeros!(shape, { dtype }),
          build(shape, dtype, () => 0),
        );
        expectExactly(
          call.ones!(shape, { dtype }),
          build(shape, dtype, () => 1),
        );
        expectExactly(
          call.full!(shape, 7, { dtype }),
          build(shape, dtype, () => 7),
        );
      }
    }
    expect(zeros([2]).dtype).toBe('float32');
    expect(full([2], 0.1, { dtype: 'float64' }).toArray()).toEqual([0.1, 0.1]);
    expect(full([1], Number.NaN).toArray()).toEqual([Number.NaN]);
    expect(full([1], -Infinity).toArray()).toEqual([-Infinity]);
  });

  test('zerosLike, onesLike', () => {
    const random = makeRandom(91);
    for (const dtype of dtypes) {
      const [x] = lay(randomPlain(random, [3, 4], dtype, 0, 9), 'transposed');
      expectExactly(
        zerosLike(x),
        build([3, 4], dtype, () => 0),
      );
      expectExactly(
        onesLike(x),
        build([3, 4], dtype, () => 1),
      );
    }
  });

  test('eye', () => {
    expectExactly(
      eye(3),
      build([3, 3], 'float32', ([i, j]) => Number(i === j)),
    );
    for (const k of [-4, -1, 0, 2, 9]) {
      for (const dtype of dtypes) {
        expectExactly(
          eye(3, { columns: 5, k, dtype }),
          build([3, 5], dtype, ([i, j]) => Number(j! - i! === k)),
        );
      }
    }
    expect(eye(0).shape).toEqual([0, 0]);
  });

  test('misuse', () => {
    for (const name of ['zeros', 'ones']) {
      expectError(() => call[name]!(3), ShapeError, `${name} takes a shape (an array of sizes), but got 3`);
      expectError(() => call[name]!(), ShapeError, 'but got undefined');
      expectError(
        () => call[name]!([-1]),
        ShapeError,
        `${name}: sizes are whole numbers from 0, but dimension 0 of [ -1 ] is -1`,
      );
      expectError(() => call[name]!([2, 0.5]), ShapeError, 'dimension 1 of [ 2, 0.5 ] is 0.5');
      expectError(() => call[name]!([Number.NaN]), ShapeError, 'is NaN');
      expectError(() => call[name]!([Infinity]), ShapeError, 'is Infinity');
      expectError(() => call[name]!([2 ** 53]), ShapeError, '9007199254740992');
      expectError(() => call[name]!(new Array(9).fill(1)), ShapeError, 'at most 8 dimensions, but got 9');
      expectError(() => call[name]!([2 ** 27, 2 ** 27]), ShapeError, 'more elements than a tensor can hold (2^53)');
      expectError(() => call[name]!([2 ** 52, 2 ** 52, 2 ** 52, 0]), ShapeError, '2^53');
      expectError(() => call[name]!([2], { dtype: 'int' }), DTypeError, "but got 'int'");
      expectError(() => call[name]!([2], { dtyp: 'int32' }), ArgumentError, "did you mean 'dtype'?");
      expectError(
        () => call[name]!([2 ** 40]),
        OutOfMemoryError,
        'no memory for a float32 tensor of shape [1099511627776]',
      );
      expectError(() => call[name]!([2 ** 53 - 1], { dtype: 'float64' }), OutOfMemoryError, 'no memory');
    }
    expectError(() => call.full!([2], '1'), ArgumentError, "full takes a number to fill with, but got '1'");
    expectError(() => call.zerosLike!([1]), ArgumentError, 'zerosLike takes a tensor');
    expectError(() => eye(-1), ShapeError, 'eye: sizes are whole numbers from 0');
    expectError(() => eye(2, { k: 0.5 }), ArgumentError, 'eye: k takes an integer, but got 0.5');
    expectError(() => eye(2, { cols: 3 } as never), ArgumentError, "did you mean 'columns'?");
    expectError(() => eye(2 ** 27), ShapeError, '2^53');
  });
});

describe('sequences', () => {
  test('arange', () => {
    expectExactly(arange(5), { shape: [5], dtype: 'int32', data: [0, 1, 2, 3, 4] });
    expectExactly(arange(2, 9, 3), { shape: [3], dtype: 'int32', data: [2, 5, 8] });
    expectExactly(arange(5, 0, -2), { shape: [3], dtype: 'int32', data: [5, 3, 1] });
    expectExactly(arange(3, 3), { shape: [0], dtype: 'int32', data: [] });
    expectExactly(arange(3, 0), { shape: [0], dtype: 'int32', data: [] });
    expectExactly(arange(0, 1, 0.25), { shape: [4], dtype: 'float32', data: [0, 0.25, 0.5, 0.75] });
    expectExactly(arange(0, 4, 1, { dtype: 'float64' }), { shape: [4], dtype: 'float64', data: [0, 1, 2, 3] });
    expectClose(
      arange(0.1, 1, 0.1, { dtype: 'float64' }),
      Array.from({ length: 9 }, (_, i) => 0.1 + i * 0.1),
    );
  });

  test('linspace, both ends included', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const x = linspace(-1, 2, 7, { dtype });
      expectExactly(x, { shape: [7], dtype, data: [-1, -0.5, 0, 0.5, 1, 1.5, 2] });
      expect(linspace(0.1, 0.7, 50, { dtype }).slice(-1).item()).toBe(dtype === 'float32' ? Math.fround(0.7) : 0.7);
    }
    expectExactly(linspace(3, 9, 1), { shape: [1], dtype: 'float32', data: [3] });
    expect(linspace(0, 1, 0).shape).toEqual([0]);
  });

  test('misuse', () => {
    expectError(() => arange(0, 5, 0), ArgumentError, 'the step cannot be 0');
    expectError(() => arange(Number.NaN), ArgumentError, 'arange takes a finite number');
    expectError(() => arange(0, Infinity), ArgumentError, 'but got Infinity');
    expectError(() => arange('5' as never), ArgumentError, "but got '5'");
    expectError(() => arange(0, 5, 1, { type: 'int32' } as never), ArgumentError, "did you mean 'dtype'?");
    expectError(() => arange(1e300), ShapeError, 'arange');
    const gone = new Float32Array([1, 2]);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    expectError(() => tensor(gone), ArgumentError, 'tensor takes a typed array, but its buffer is detached');
    expect(tensor(new Float32Array(0)).shape).toEqual([0]);
    expectError(() => linspace(0, 1, -1), ArgumentError, 'linspace: count takes an integer from 0, but got -1');
    expectError(() => linspace(0, 1, 2.5), ArgumentError, 'but got 2.5');
    expectError(() => linspace(0, Infinity, 2), ArgumentError, 'linspace: stop');
  });

  test('numbers that the dtype does not hold are refused, as by tensor()', () => {
    expectError(() => arange(2 ** 31, 2 ** 31 + 3), DTypeError, 'does not fit int32');
    expectError(() => arange(-1, 2, 1, { dtype: 'uint8' }), DTypeError, 'does not fit uint8');
    expectError(() => arange(0, 301, 100, { dtype: 'uint8' }), DTypeError, '300 does not fit uint8');
  });

  test('one that no memory holds is OutOfMemoryError', () => {
    expectError(() => arange(2 ** 40), OutOfMemoryError, 'no memory');
    expectError(() => linspace(0, 1, 2 ** 40), OutOfMemoryError, 'no memory');
  });
});

test('a size of -0 is 0, for whoever comes next as well', () => {
  expect(Object.is(zeros([-0, 3]).shape[0], 0)).toBe(true);
  expect(Object.is(zeros([0, 3]).shape[0], 0)).toBe(true);
});

describe('near the largest float', () => {
  const most = 2 ** 1023;
  test('linspace', () => {
    expect(linspace(-most, most, 5, { dtype: 'float64' }).toArray()).toEqual([-most, -most / 2, 0, most / 2, most]);
    expect(linspace(most, -most, 3, { dtype: 'float64' }).toArray()).toEqual([most, 0, -most]);
    const single = 3.4e38;
    expect(linspace(-single, single, 3).toArray()).toEqual([Math.fround(-single), 0, Math.fround(single)]);
    expect(linspace(most, most, 2, { dtype: 'float64' }).toArray()).toEqual([most, most]);
  });

  test('arange', () => {
    expect(arange(-most, most, most / 2, { dtype: 'float64' }).toArray()).toEqual([-most, -most / 2, 0, most / 2]);
    expect(arange(most, -most, -most, { dtype: 'float64' }).toArray()).toEqual([most, 0]);
  });
});
