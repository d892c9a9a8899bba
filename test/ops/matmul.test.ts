import {
  ArgumentError,
  DTypeError,
  matmul,
  nn,
  random,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from '../../lib/index.js';
import { expectClose } from '../support/close.js';
import { expectError } from '../support/errors.js';
import { bits } from '../support/nn-helpers.js';
import {
  expectExactly,
  lay,
  layouts,
  layRandom,
  load,
  matmul as plainMatmul,
  randomPlain,
  transpose,
} from '../support/plain.js';
import { full, makeRandom } from '../support/random.js';

const call = matmul as unknown as (a: unknown, b: unknown) => Tensor;

describe('matmul', () => {
  test('small sizes, exactly: whole numbers leave no room for rounding', () => {
    const random = makeRandom(31);
    const sizes = full ? Array.from({ length: 41 }, (_, i) => i) : [0, 1, 2, 3, 5, 7, 8, 9, 16, 17, 31, 33];
    for (const m of sizes) {
      for (const n of sizes) {
        const k = random.pick(sizes);
        const dtype = random.pick(['float32', 'float64'] as const);
        const [a, pa] = layRandom(random, randomPlain(random, [m, k], dtype, -9, 9, true));
        const [b, pb] = layRandom(random, randomPlain(random, [k, n], dtype, -9, 9, true));
        expectExactly(call(a, b), plainMatmul(pa, pb, dtype));
      }
    }
  });

  test('every pair of layouts', () => {
    const random = makeRandom(32);
    for (const dtype of ['float32', 'float64'] as const) {
      for (const left of layouts) {
        for (const right of layouts) {
          const [a, pa] = lay(randomPlain(random, [19, 35], dtype, -1, 1), left);
          const [b, pb] = lay(randomPlain(random, [35, 23], dtype, -1, 1), right);
          expectClose(call(a, b), plainMatmul(pa, pb, 'float64').data, { terms: 35, magnitude: 1 });
          expect(call(a, b).dtype).toBe(dtype);
        }
      }
    }
  });

  test('sizes past the blocks of the kernels', () => {
    const random = makeRandom(33);
    for (const [m, k, n] of [
      [97, 301, 65],
      [1, 700, 130],
      [131, 2, 129],
      [5, 1030, 1],
    ] as const) {
      const a = randomPlain(random, [m, k], 'float32', -9, 9, true);
      const b = randomPlain(random, [k, n], 'float32', -9, 9, true);
      expectExactly(call(load(a), load(b)), plainMatmul(a, b, 'float32'));
      // The same product from transposed operands is the transposed one.
      const other = call(load(transpose(b)), load(transpose(a)));
      expectExactly(other, transpose(plainMatmul(a, b, 'float32')));
    }
  });

  test('batches broadcast', () => {
    const random = makeRandom(34);
    for (const [left, right] of [
      [
        [2, 3, 4],
        [2, 4, 5],
      ],
      [
        [2, 3, 4],
        [4, 5],
      ],
      [
        [3, 4],
        [2, 4, 5],
      ],
      [
        [2, 1, 3, 4],
        [5, 4, 2],
      ],
      [
        [1, 3, 4],
        [6, 4, 2],
      ],
      [
        [0, 3, 4],
        [1, 4, 2],
      ],
      [
        [2, 3, 0],
        [2, 0, 5],
      ],
    ] as const) {
      const [a, pa] = layRandom(random, randomPlain(random, left, 'float32', -9, 9, true));
      const [b, pb] = layRandom(random, randomPlain(random, right, 'float32', -9, 9, true));
      expectExactly(call(a, b), plainMatmul(pa, pb, 'float32'));
    }
  });

  test('a vector is a row on the left and a column on the right', () => {
    const v = tensor([1, 2, 3]);
    const w = tensor([4, -5, 6]);
    const m = tensor([
      [1, 2],
      [3, 4],
      [5, 7],
    ]);
    expectExactly(call(v, w), { shape: [], dtype: 'float32', data: [12] });
    expectExactly(call(v, m), { shape: [2], dtype: 'float32', data: [22, 31] });
    expectExactly(call(m.transpose(), v), { shape: [2], dtype: 'float32', data: [22, 31] });
    const random = makeRandom(35);
    const batch = randomPlain(random, [2, 4, 3], 'float32', -9, 9, true);
    const column = { shape: [3, 1], dtype: 'float32' as const, data: [1, 2, 3] };
    const want = plainMatmul(batch, column, 'float32');
    expectExactly(call(load(batch), v), { ...want, shape: [2, 4] });
    expectExactly(v.matmul(m as never), { shape: [2], dtype: 'float32', data: [22, 31] });
  });

  test('the wider float wins, integers join floats', () => {
    const a = tensor([[1, 2]], { dtype: 'float32' });
    const b = tensor([[3], [4]], { dtype: 'float64' });
    expectExactly(call(a, b), { shape: [1, 1], dtype: 'float64', data: [11] });
    expectExactly(call(a, b.cast('int32')), { shape: [1, 1], dtype: 'float32', data: [11] });
  });

  test('NaN and infinities come through products with 0', () => {
    expect(call(tensor([[0, 1]]), tensor([[Infinity], [1]])).toArray()).toEqual([[Number.NaN]]);
    expect(call(tensor([[0, 1]]), tensor([[Number.NaN], [1]])).toArray()).toEqual([[Number.NaN]]);
  });

  test('misuse', () => {
    expectError(
      () => call(zeros([2, 3]), zeros([2, 3])),
      ShapeError,
      'matmul: [2, 3] x [2, 3]: inner sizes 3 and 2 differ',
    );
    expectError(() => call(zeros([2, 3, 4]), zeros([5, 4, 2])), ShapeError, 'the batch sizes do not broadcast');
    expectError(() => call(tensor(1), zeros([2])), ShapeError, 'one dimension or more, but got [] and [2]');
    expectError(() => call(zeros([3]), zeros([2, 3])), ShapeError, 'inner sizes');
    const ints = zeros([2, 2], { dtype: 'int32' });
    expectError(() => call(ints, ints), DTypeError, 'matmul takes float tensors, but got int32 and int32');
    expectError(() => call(zeros([2, 2]), 3), ArgumentError, 'matmul takes a tensor, but got 3');
    const column = zeros([1]).broadcastTo([2 ** 30, 1]);
    expectError(() => call(column, column.transpose()), ShapeError, '2^53');
  });
});

test('parts of one parameter as factors, each packed for itself', () => {
  const whole = new nn.Parameter({ shape: [256, 64] });
  whole.setData(random.normal([256, 64]) as Tensor);
  const x = random.normal([40, 64]) as Tensor;
  const part = (from: number) => whole.data().slice([from, from + 128]) as Tensor;
  const want = [0, 128].map(from => bits(matmul(x, part(from).clone().transpose()) as Tensor));
  // Packed forms are kept from the second reading of a version on.
  for (let reading = 0; reading < 4; reading++) {
    [0, 128].forEach((from, i) => {
      expect(bits(matmul(x, part(from).transpose()) as Tensor)).toBe(want[i]);
    });
  }
});
