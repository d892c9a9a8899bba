import { ArgumentError, cast, clone, type DType, DTypeError, type Tensor, tensor } from '../../lib/index.js';
import { expectError } from '../support/errors.js';
import { build, expectExactly, lay, layouts, randomPlain, shapes, wrap } from '../support/plain.js';
import { makeRandom } from '../support/random.js';

const dtypes: readonly DType[] = ['float32', 'float64', 'int32', 'uint8', 'bool'];

describe('cast', () => {
  test('between all dtypes, in every shape and layout', () => {
    const random = makeRandom(95);
    for (const from of dtypes) {
      for (const to of dtypes) {
        const shape = random.pick(shapes);
        const layout = random.pick(layouts);
        const low = from === 'uint8' || to === 'uint8' ? 0 : -90;
        const [x, plain] = lay(randomPlain(random, shape, from, low, 99), layout);
        const whole = to === 'int32' || to === 'uint8';
        const data = plain.data.map(value => wrap(whole ? Math.trunc(value) : value, to));
        expectExactly(cast(x, to), { shape, dtype: to, data });
        expectExactly(x.cast(to), { shape, dtype: to, data });
      }
    }
  });

  test('a tensor that has the type already is itself', () => {
    const x = tensor([1, 2]);
    expect(cast(x, 'float32')).toBe(x);
  });

  test('floats become integers by truncation within the range, NaN 0', () => {
    const data = [1.9, -1.9, -0.5, 3e9, -3e9, Number.NaN, Infinity, -Infinity];
    for (const dtype of ['float32', 'float64'] as const) {
      const x = tensor(data, { dtype });
      const most = 2 ** 31 - 1;
      expectExactly(x.cast('int32'), {
        shape: [8],
        dtype: 'int32',
        data: [1, -1, 0, most, -most - 1, 0, most, -most - 1],
      });
      expectExactly(x.cast('uint8'), { shape: [8], dtype: 'uint8', data: [1, 0, 0, 255, 0, 0, 255, 0] });
      expectExactly(x.cast('bool'), { shape: [8], dtype: 'bool', data: [1, 1, 1, 1, 1, 1, 1, 1] });
    }
    expect(tensor([0, -0, 1e-40]).cast('bool').toArray()).toEqual([false, false, true]);
  });

  test('integers wrap', () => {
    const data = [256, -1, 511, -(2 ** 31), 2 ** 31 - 1];
    const x = tensor(data, { dtype: 'int32' });
    expectExactly(x.cast('uint8'), { shape: [5], dtype: 'uint8', data: data.map(value => wrap(value, 'uint8')) });
    expect(x.cast('float32').toArray()).toEqual(data.map(Math.fround));
    expect(x.cast('float64').toArray()).toEqual(data);
  });

  test('float64 rounds to the nearest float32', () => {
    const data = [0.1, 1 / 3, 1e-45, 1e39, 16777217];
    expect(tensor(data, { dtype: 'float64' }).cast('float32').toArray()).toEqual(data.map(Math.fround));
  });

  test('misuse', () => {
    const x = tensor([1]);
    expectError(
      () => x.cast('float16' as never),
      DTypeError,
      "cast takes one of float32, float64, int32, uint8, bool, but got 'float16'",
    );
    expectError(() => x.cast(undefined as never), DTypeError, 'but got undefined');
    expectError(() => cast([1] as never, 'int32'), ArgumentError, 'cast takes a tensor');
  });
});

test('clone copies every layout into elements of its own', () => {
  const random = makeRandom(96);
  for (const dtype of dtypes) {
    for (const layout of layouts) {
      const [x, plain] = lay(randomPlain(random, [3, 5], dtype, 0, 9), layout);
      const copy = clone(x) as Tensor;
      expectExactly(copy, plain);
      copy.set([0, 0], (dtype === 'bool' ? 1 : 9) - (plain.data[0] as number));
      expectExactly(x, plain);
      expectExactly(
        copy.slice([1, null]),
        build([2, 5], dtype, ([i, j]) => plain.data[(i! + 1) * 5 + j!]!),
      );
    }
  }
});
