import {
  ArgumentError,
  autograd,
  DTypeError,
  full,
  memory,
  OutOfMemoryError,
  ones,
  random,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from '../../lib/index.js';
import type { ActivationName } from '../../lib/ops/activations.js';
import { dense } from '../../lib/ops/dense.js';
import { expectClose } from '../support/close.js';
import { expectError } from '../support/errors.js';
import {
  elementwise,
  layRandom,
  type Plain,
  matmul as plainMatmul,
  randomPlain,
  reduce,
  transpose,
} from '../support/plain.js';
import { makeRandom } from '../support/random.js';

describe('dense', () => {
  const activations = {
    relu: (x: number) => Math.max(x, 0),
    tanh: Math.tanh,
    sigmoid: (x: number) => 1 / (1 + Math.exp(-x)),
    silu: (x: number) => x / (1 + Math.exp(-x)),
  } as const;

  test.each(['float32', 'float64'] as const)('f(x·Wᵀ + b) in %s', dtype => {
    const random = makeRandom(36);
    for (const [n, inputs, units] of [
      [1, 20, 256],
      [2, 20, 10],
      [33, 17, 5],
      [0, 3, 2],
      [3, 0, 2],
      [130, 65, 1],
    ] as const) {
      for (const activation of [null, 'relu', 'tanh', 'sigmoid', 'silu'] as const) {
        const [x, px] = layRandom(random, randomPlain(random, [n, inputs], dtype, -1, 1));
        const [w, pw] = layRandom(random, randomPlain(random, [units, inputs], dtype, -1, 1));
        const [b, pb] = layRandom(random, randomPlain(random, [units], dtype, -1, 1));
        const f = activation === null ? (v: number) => v : activations[activation];
        const product = plainMatmul(px, transpose(pw), 'float64');
        const want = elementwise((y, bias) => f(y + bias), 'float64', product, pb);
        const got = dense(x, w, b, activation);
        expect(got.shape).toEqual([n, units]);
        expectClose(got, want.data, { terms: 4 * (inputs + 1) });
        expectClose(dense(x, w, null, activation), elementwise(f, 'float64', product).data, {
          terms: 4 * (inputs + 1),
        });
      }
    }
  });

  test('relu lets NaN through', () => {
    expect(dense(tensor([[Number.NaN]]), tensor([[1]]), tensor([1]), 'relu').toArray()).toEqual([[Number.NaN]]);
  });

  test('misuse', () => {
    const [x, w, b] = [zeros([2, 3]), zeros([4, 3]), zeros([4])] as readonly Tensor[] as [Tensor, Tensor, Tensor];
    expectError(() => dense(zeros([2, 4]) as Tensor, w, b), ShapeError, 'dense: x [2, 4] and weight [4, 3]');
    expectError(() => dense(x, w, zeros([3]) as Tensor), ShapeError, 'dense: bias [3] must be [units]');
    expectError(() => dense(x, w.cast('float64'), b), DTypeError, 'one float type, but got float32, float64, float32');
    expectError(() => dense(x, 1 as never, b), ArgumentError, 'dense takes a tensor, but got 1');
  });
});

describe('curves in the product', () => {
  test.each(['gelu', 'silu'] as const)('%s gives the bits of the operation beside it, recorded or not', activation => {
    const random = makeRandom(37);
    const draw = (shape: number[]) => layRandom(random, randomPlain(random, shape, 'float32', -3, 3))[0];
    const [x, w, b] = [draw([33, 40]), draw([50, 40]), draw([50])];
    const apart = dense(x, w, b)[activation]() as Tensor;
    expect(dense(x, w, b, activation).toArray()).toEqual(apart.toArray());
    w.attachGrad();
    const recorded = autograd.record(() => dense(x, w, b, activation));
    expect(recorded.toArray()).toEqual(apart.toArray());
    recorded.backward();
    const together = w.grad!.toArray();
    autograd.record(() => dense(x, w, b)[activation]() as Tensor).backward();
    expect(w.grad!.toArray()).toEqual(together);
  });
});

/** The gradients of Σ c·f(x·Wᵀ + b) with respect to x, W and b, in doubles. */
function plainGradients(x: Plain, w: Plain, b: Plain, c: Plain, activation: ActivationName | null): Plain[] {
  const slopes: Record<string, (y: number) => number> = {
    relu: y => (y > 0 ? 1 : 0),
    tanh: y => 1 - Math.tanh(y) ** 2,
    sigmoid: y => Math.exp(-y) / (1 + Math.exp(-y)) ** 2,
  };
  const slope = activation === null ? () => 1 : slopes[activation]!;
  const inner = elementwise(
    (g, product, bias) => g * slope(product + bias),
    'float64',
    c,
    plainMatmul(x, transpose(w), 'float64'),
    b,
  );
  const sum = (list: number[]) => list.reduce((total, value) => total + value, 0);
  return [
    plainMatmul(inner, w, 'float64'),
    plainMatmul(transpose(inner), x, 'float64'),
    reduce(inner, [0], false, 'float64', sum),
  ];
}

describe('the gradients of dense', () => {
  const sizes = [
    [1, 3, 4],
    [5, 20, 10],
    [33, 17, 5],
    [70, 2, 80],
    [0, 3, 2],
    [3, 0, 2],
    [130, 65, 1],
  ] as const;

  test.each(['float32', 'float64'] as const)('whichever are wanted, added to what is there, in %s', dtype => {
    const random = makeRandom(38);
    for (const [n, inputs, units] of sizes) {
      for (const activation of [null, 'relu', 'tanh', 'sigmoid'] as const) {
        const draw = (shape: number[], most = 1) => layRandom(random, randomPlain(random, shape, dtype, -most, most));
        // Such weights that no unit saturates: there 1 - y² has lost its digits.
        const operands = [draw([n, inputs]), draw([units, inputs], 1 / Math.sqrt(inputs + 1)), draw([units])] as const;
        const [[x, px], [w, pw], [b, pb]] = operands;
        const [c, pc] = draw([n, units]);
        const want = plainGradients(px, pw, pb, pc, activation);
        for (let wanted = 1; wanted < 8; wanted++) {
          const reqs = operands.map((_, i) => ((wanted >> i) & 1 ? random.pick(['write', 'add'] as const) : 'null'));
          operands.forEach(([t], i) => {
            t.attachGrad({ gradReq: reqs[i] as 'add' });
          });
          const rounds = 2;
          for (let round = 0; round < rounds; round++) {
            autograd.record(() => dense(x, w, b, activation)).backward(c);
            for (const [t] of operands) void t.grad;
          }
          operands.forEach(([t], i) => {
            if (reqs[i] === 'null') {
              expect(t.grad).toBeNull();
              return;
            }
            const times = reqs[i] === 'add' ? rounds : 1;
            expect(t.grad!.shape).toEqual(t.shape);
            expectClose(
              t.grad!,
              want[i]!.data.map(value => times * value),
              { terms: 16 * (n + inputs + units + 1) },
            );
          });
        }
      }
    }
  });

  test('a layer used twice, and one tensor in two places, add up', () => {
    const w = tensor([[2, 1], [0.5, -1]]).attachGrad(); // biome-ignore format: a matrix
    const x = tensor([[1, 3]]);
    autograd.record(() => dense(dense(x, w, null), w, null)).backward();
    // y = W·(W·x): dL/dW = 1·(W·x)ᵀ + (Wᵀ·1)·xᵀ
    expect(w.grad!.toArray()).toEqual([[5 + 2.5, -2.5 + 7.5], [5 + 0, -2.5 + 0]]); // biome-ignore format: a matrix
    const v = tensor([[2, 1], [0.5, -1]]).attachGrad({ gradReq: 'add' }); // biome-ignore format: a matrix
    for (let round = 1; round <= 2; round++) {
      autograd.record(() => dense(v, v, null)).backward();
      // Σ (V·Vᵀ) = |Σ rows|²: each row's gradient is twice the sum of the rows.
      expect(v.grad!.toArray()).toEqual([[5 * round, 0], [5 * round, 0]]); // biome-ignore format: a matrix
    }
  });

  test('a sum of the same rows joins where both came from', () => {
    const x = tensor([[1, -2]]).attachGrad();
    const [a, b] = [tensor([[3, 1]]), tensor([[-1, 4]])];
    autograd
      .record(() =>
        dense(x, a, null)
          .add(dense(x, b, null))
          .add(x.sum()),
      )
      .backward();
    expect(x.grad!.toArray()).toEqual([[3 - 1 + 1, 1 + 4 + 1]]);
  });

  test('gradients handed out before stay what they were, also those that are added to', () => {
    const w = tensor([[1, 2]]).attachGrad({ gradReq: 'add' });
    const x = tensor([[3, 5]]);
    autograd.record(() => dense(x, w, null)).backward();
    const view = w.grad!.reshape([2]);
    autograd.record(() => dense(x, w, null)).backward();
    expect(w.grad!.toArray()).toEqual([[6, 10]]);
    expect(view.toArray()).toEqual([6, 10]);
  });

  test('the bias of a layer with an activation is summed as exactly as that of one without', () => {
    const rows = 300_000;
    for (const units of [1, 3, 70]) {
      const n = Math.ceil(rows / units);
      const [x, w] = [ones([n, 1]), ones([units, 1])];
      const b = zeros([units]).attachGrad();
      const g = full([n, units], 0.1);
      autograd.record(() => dense(x as Tensor, w as Tensor, b as Tensor, 'relu')).backward(g as Tensor);
      for (const sum of b.grad!.toArray() as number[])
        expect(Math.abs(sum / (n * Math.fround(0.1)) - 1)).toBeLessThan(2e-6);
    }
  });

  test('room for its own buffers is made before memory is said to be short', () => {
    const x = ones([1024, 16]).attachGrad() as Tensor;
    const w = random.uniform([2048, 16]) as Tensor;
    const g = ones([1024, 2048]) as Tensor;
    const y = autograd.record(() => dense(x, w, null, 'relu'));
    memory.collect();
    memory.setLimit(memory.info().liveBytes + 64e6);
    try {
      expect(() => {
        for (const kept: unknown[] = []; ; ) kept.push(zeros([1024, 1024]));
      }).toThrow(OutOfMemoryError);
      y.backward(g);
      expect(x.grad!.shape).toEqual([1024, 16]);
    } finally {
      memory.setLimit();
    }
  });

  test('autograd.grad leaves out what a variable has', () => {
    const w = tensor([[1, 2]]).attachGrad({ gradReq: 'add' });
    const x = tensor([[3, 5]]);
    autograd.record(() => dense(x, w, null)).backward();
    const g = autograd.grad(autograd.record(() => dense(x, w, null)), w); // biome-ignore format: one step
    expect(g.toArray()).toEqual([[3, 5]]);
    expect(w.grad!.toArray()).toEqual([[3, 5]]);
  });
});
