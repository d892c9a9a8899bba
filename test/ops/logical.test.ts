import {
  ArgumentError,
  logicalAnd,
  logicalNot,
  logicalOr,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from '../../lib/index.js';
import { expectError } from '../support/errors.js';
import { broadcast, elementwise, expectExactly, layRandom, randomPlain, shapes } from '../support/plain.js';
import { makeRandom } from '../support/random.js';

const dtypes = ['bool', 'uint8', 'int32', 'float32', 'float64'] as const;
const functions = {
  logicalAnd: [logicalAnd, (a: number, b: number) => Number(a !== 0 && b !== 0)],
  logicalOr: [logicalOr, (a: number, b: number) => Number(a !== 0 || b !== 0)],
} as const;

describe.each(Object.entries(functions))('%s', (name, [call, f]) => {
  test('of every pair of types, broadcast, in every layout', () => {
    const random = makeRandom(91);
    for (const left of dtypes) {
      for (const right of dtypes) {
        for (const shape of shapes) {
          const narrow = shape.map(size => (random.next() < 0.3 ? 1 : size)).slice(random.int(0, shape.length));
          const [a, p] = layRandom(random, randomPlain(random, shape, left, 0, 2, true));
          const [b, q] = layRandom(random, randomPlain(random, narrow, right, 0, 2, true));
          const want = elementwise(f, 'bool', p, q);
          expect(want.shape).toEqual(broadcast(shape, narrow));
          expectExactly(call(a, b as never), want);
          expectExactly((a as unknown as Record<string, (b: Tensor) => Tensor>)[name]!(b), want);
        }
      }
    }
  });

  test('numbers are operands, and every number but 0 is true', () => {
    const x = tensor([0, -0, Number.NaN, 0.1, -Infinity]);
    const truth = [0, 0, 1, 1, 1];
    for (const number of [0, 1, Number.NaN, -3]) {
      const want = { shape: [5], dtype: 'bool' as const, data: truth.map(a => f(a, number)) };
      expectExactly(call(x, number as never), want);
      expectExactly(call(number as never, x as never), want);
    }
  });

  test('misuse', () => {
    expectError(() => call(1 as never, 2 as never), ArgumentError, `${name} takes at least one tensor`);
    expectError(() => call(zeros([2]), [1] as never), ArgumentError, `${name} takes a tensor`);
    expectError(() => call(zeros([2]) as Tensor, zeros([3]) as never), ShapeError, 'do not broadcast');
  });
});

test('logicalNot', () => {
  const random = makeRandom(92);
  for (const dtype of dtypes) {
    const [x, plain] = layRandom(random, randomPlain(random, [3, 5], dtype, 0, 2, true));
    expectExactly(
      logicalNot(x),
      elementwise(a => Number(a === 0), 'bool', plain),
    );
    expectExactly(
      x.logicalNot(),
      elementwise(a => Number(a === 0), 'bool', plain),
    );
  }
  expect(tensor([Number.NaN, 0]).logicalNot().toArray()).toEqual([false, true]);
  expectError(() => logicalNot(1 as never), ArgumentError, 'logicalNot takes a tensor');
});
