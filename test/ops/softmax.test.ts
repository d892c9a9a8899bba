import { ArgumentError, logSoftmax, ShapeError, softmax, type Tensor, tensor, zeros } from '../../lib/index.js';
import { expectClose } from '../support/close.js';
import { expectError } from '../support/errors.js';
import { at, build, layRandom, type Plain, randomPlain } from '../support/plain.js';
import { makeRandom } from '../support/random.js';

const functions = { softmax, logSoftmax } as unknown as Record<string, (x: unknown, options?: unknown) => Tensor>;

function plainSoftmax(x: Plain, axis: number, log: boolean): Plain {
  return build(x.shape, 'float64', index => {
    const row = Array.from({ length: x.shape[axis]! }, (_, i) => at(x, index.with(axis, i)));
    const top = Math.max(...row);
    const sum = row.reduce((total, value) => total + Math.exp(value - top), 0);
    const own = at(x, index) - top;
    return log ? own - Math.log(sum) : Math.exp(own) / sum;
  });
}

describe.each(Object.entries(functions))('%s', (name, call) => {
  test.each(['float32', 'float64'] as const)('of %s along every axis', dtype => {
    const random = makeRandom(21);
    for (const [shape, axis] of [
      [[1], 0],
      [[7], -1],
      [[3, 5], 1],
      [[3, 5], 0],
      [[2, 3, 4], 1],
      [[2, 3, 4], -3],
      [[5, 1], 1],
      [[4, 129], 1],
      [[129, 4], 0],
      [[0, 3], 1],
      [[2, 0], 1],
    ] as const) {
      const [x, plain] = layRandom(random, randomPlain(random, shape, dtype, -4, 4));
      const want = plainSoftmax(plain, axis < 0 ? axis + shape.length : axis, name === 'logSoftmax');
      const got = call(x, { axis });
      expect(got.shape).toEqual(shape);
      expect(got.dtype).toBe(dtype);
      expectClose(got, want.data, { terms: 129 });
      if (axis === -1) expect(call(x).toArray()).toEqual(got.toArray());
      const asMethod = (x as unknown as Record<string, (o: object) => Tensor>)[name]!({ axis });
      expect(asMethod.toArray()).toEqual(got.toArray());
    }
  });

  test('of integers as float32', () => {
    const x = tensor([3, 1, 2], { dtype: 'int32' });
    expect(call(x).dtype).toBe('float32');
    expect(call(x).toArray()).toEqual(call(x.cast('float32')).toArray());
  });

  test('large numbers do not overflow, and a shift changes nothing', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const plain: Plain = { shape: [3], dtype, data: [10000, 10001, 9999] };
      const want = plainSoftmax(plain, 0, name === 'logSoftmax').data;
      expectClose(call(tensor([10000, 10001, 9999], { dtype })), want);
      expectClose(call(tensor([-10000, -9999, -10001], { dtype })), want);
    }
  });

  test('misuse', () => {
    expectError(() => call(tensor(1)), ShapeError, `${name} takes a tensor of one dimension or more`);
    expectError(() => call(zeros([2, 3]), { axis: 2 }), ShapeError, `${name}: axis 2 is out of range`);
    expectError(() => call(zeros([2, 3]), { axs: 1 }), ArgumentError, "did you mean 'axis'?");
    expectError(() => call([1, 2]), ArgumentError, `${name} takes a tensor`);
  });
});

test('what is masked out by -Infinity has probability 0', () => {
  const x = tensor([[1, -Infinity, 2]]);
  const e = Math.exp(-1);
  expectClose(softmax(x), [e / (1 + e), 0, 1 / (1 + e)]);
  expectClose(logSoftmax(x), [-1 - Math.log1p(e), -Infinity, -Math.log1p(e)]);
});

test('logSoftmax keeps what softmax rounds to 0', () => {
  expectClose(logSoftmax(tensor([0, -500])), [0, -500]);
  expect(softmax(tensor([0, -500])).toArray()).toEqual([1, 0]);
});
