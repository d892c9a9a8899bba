import { AssertionError } from 'node:assert';
import { tensor, zeros } from '../../lib/index.js';
import { assertClose, assertEqual, matchers } from '../../lib/testing/index.js';

expect.extend(matchers as never);
declare global {
  namespace jest {
    interface Matchers<R> {
      toBeCloseToTensor(expected: unknown, options?: { rtol?: number; atol?: number }): R;
    }
  }
}

const messageOf = (body: () => void): string => {
  try {
    body();
  } catch (error) {
    expect(error).toBeInstanceOf(AssertionError);
    return (error as Error).message;
  }
  throw new Error('nothing was raised');
};

test('a tensor of another load of the library is one', () => {
  jest.isolateModules(() => {
    const other = require('../../lib/index.js') as typeof import('../../lib/index.js');
    assertClose(other.tensor([1, 2]), tensor([1, 2]));
    assertEqual(tensor([1, 2]), other.tensor([1, 2]));
    expect(messageOf(() => assertEqual(other.tensor([1, 2]), [1, 3]))).toMatch(/1 of 2 elements differ/);
    expect(other.tensor([1, 2])).toBeCloseToTensor([1, 2]);
  });
  expect(() => assertClose([1, 2] as never, [1, 2])).toThrow(/assertClose takes a tensor, but got \[ 1, 2 \]/);
});

test('assertClose takes what is near, in a tolerance that the dtype tells', () => {
  assertClose(tensor([1, 2]), [1, 2 + 2e-6]);
  assertClose(tensor([1, Number.NaN, Infinity]), [1, Number.NaN, Infinity]);
  assertClose(tensor([100]), [101], { rtol: 0.01 });
  assertClose(tensor([0]), [0.01], { atol: 0.01 });
  assertClose(tensor([1], { dtype: 'float64' }), tensor([1 + 1e-8], { dtype: 'float64' }));
  for (const [actual, expected, options] of [
    [tensor([1, 2]), [1, 2.1]],
    [tensor([1]), [Number.NaN]],
    [tensor([Infinity]), [-Infinity]],
    [tensor([1]), [Infinity]],
    [tensor([0]), [0.02], { atol: 0.01 }],
    [tensor([1], { dtype: 'float64' }), tensor([1 + 1e-6], { dtype: 'float64' })],
    [tensor([1], { dtype: 'int32' }), [2]],
  ] as const) {
    messageOf(() => assertClose(actual, expected as never, options));
  }
});

test('messages show what differs, and where', () => {
  const t = zeros([10, 10]).set([3, 4], 1).set([9, 0], 2);
  expect(messageOf(() => assertClose(t, zeros([10, 10])))).toBe(
    'assertClose: 2 of 100 elements differ (rtol 0.0000013, atol 0.00001), by 2 at most:\n  [3, 4]: 1, and 0 was expected\n  [9, 0]: 2, and 0 was expected',
  );
  expect(messageOf(() => assertClose(zeros([20]), new Array<number>(20).fill(1)))).toContain('and 15 more');
  expect(messageOf(() => assertClose(zeros([2]), zeros([2, 1])))).toBe(
    'assertClose: the shape is [2], and [2, 1] was expected',
  );
  expect(messageOf(() => assertEqual(zeros([2]), zeros([2], { dtype: 'int32' })))).toBe(
    'assertEqual: the dtype is float32, and int32 was expected',
  );
});

test('assertEqual takes the same values alone', () => {
  assertEqual(tensor([0.1, Number.NaN]), [0.1, Number.NaN]);
  expect(messageOf(() => assertEqual(tensor([0.1]), tensor([0.1]).add(1e-8)))).toContain('1 of 1 elements differ');
  expect(messageOf(() => assertEqual(tensor([[1, 0]]), tensor([[1, -0]])))).toBe(
    'assertEqual: the zero at [0, 1] has the other sign',
  );
});

test('toBeCloseToTensor is a matcher of jest', () => {
  expect(tensor([0.5])).toBeCloseToTensor([0.5]);
  expect(tensor([0.5])).not.toBeCloseToTensor([0.6]);
  expect(tensor([0.5])).toBeCloseToTensor([0.6], { atol: 0.2 });
  expect(() => expect(tensor([0.5])).toBeCloseToTensor([0.6])).toThrow(/\[0\]: 0\.5, and 0\.6/);
  expect(() => expect(tensor([0.5])).not.toBeCloseToTensor([0.5])).toThrow(/tensor\(\[0\.5\]\)/);
});

test('misuse is told', () => {
  expect(() => assertClose([1] as never, [1])).toThrow(/assertClose takes a tensor/);
  expect(() => assertClose(tensor([1]), [1], { tol: 1 } as never)).toThrow(/tol/);
  expect(() => assertClose(tensor([1]), [1], { rtol: -1 })).toThrow(/rtol/);
});
