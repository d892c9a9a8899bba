import {
  ArgumentError,
  autograd,
  concat,
  DisposedError,
  ShapeError,
  stack,
  type Tensor,
  tensor,
  zeros,
} from '../../lib/index.js';
import { expectError } from '../support/errors.js';
import { at, build, expectExactly, layRandom, type Plain, promoted, randomPlain } from '../support/plain.js';
import { makeRandom } from '../support/random.js';

const join = concat as unknown as (tensors: unknown, options?: unknown) => Tensor;
const pile = stack as unknown as (tensors: unknown, options?: unknown) => Tensor;

function plainConcat(parts: readonly Plain[], axis: number): Plain {
  const sizes = parts.map(part => part.shape[axis]!);
  const shape = parts[0]!.shape.map((size, d) => (d === axis ? sizes.reduce((a, b) => a + b, 0) : size));
  const dtype = parts.map(part => part.dtype).reduce(promoted);
  return build(shape, dtype, index => {
    let i = index[axis]!;
    let which = 0;
    while (i >= sizes[which]!) i -= sizes[which++]!;
    // Not at(): a size of 1 is that one place here, and repeats nowhere.
    return at(parts[which]!, index.with(axis, i));
  });
}

describe('concat', () => {
  test('along every axis, from every layout, of mixed dtypes', () => {
    const random = makeRandom(51);
    for (let round = 0; round < 60; round++) {
      const shape = random.pick([[3], [2, 3], [2, 3, 4], [0, 2], [3, 1, 2]]);
      const axis = random.int(0, shape.length - 1);
      const parts = Array.from({ length: random.int(1, 10) }, () =>
        layRandom(
          random,
          randomPlain(
            random,
            shape.with(axis, random.int(0, 3)),
            random.pick(['uint8', 'int32', 'float32', 'float64']),
            0,
            9,
            true,
          ),
        ),
      );
      const want = plainConcat(
        parts.map(([, plain]) => plain),
        axis,
      );
      const tensors = parts.map(([t]) => t);
      expectExactly(join(tensors, { axis }), want);
      expectExactly(join(tensors, { axis: axis - shape.length }), want);
      if (axis === 0) expectExactly(join(tensors), want);
    }
  });

  test('the gradient of a part lies after parts that have none', () => {
    const x = tensor([1, 2]).attachGrad();
    const y = autograd.record(() => join([tensor([5, 6, 7]), x, tensor([8])]));
    y.backward(tensor([1, 2, 3, 4, 5, 6]));
    expect(x.grad?.toArray()).toEqual([4, 5]);
  });

  test('copies, of one tensor too', () => {
    const x = tensor([1, 2, 3]);
    const y = join([x]);
    x.set(0, 9);
    expect(y.toArray()).toEqual([1, 2, 3]);
  });

  test('misuse', () => {
    const x = zeros([2, 3]);
    expectError(
      () => join([x, zeros([2, 4])]),
      ShapeError,
      'concat on axis 0: shapes [2, 3] and [2, 4] differ in another axis',
    );
    expectError(() => join([x, zeros([3])]), ShapeError, 'differ in another axis');
    expectError(() => join([x], { axis: 2 }), ShapeError, 'concat: axis 2 is out of range');
    expectError(() => join([tensor(1)]), ShapeError, 'out of range for 0 dimensions');
    expectError(() => join([]), ArgumentError, 'at least one tensor');
    expectError(() => join(x), ArgumentError, 'concat takes an array of tensors');
    expectError(() => join([x, 1]), ArgumentError, 'concat takes a tensor, but got 1');
    expectError(() => join([x], { dim: 0 }), ArgumentError, "concat has no option 'dim'");
    const gone = zeros([2, 3]);
    gone.dispose();
    expectError(() => join([x, gone]), DisposedError, 'after it was disposed of');
    const huge = zeros([1]).broadcastTo([2 ** 52]);
    expectError(() => join([huge, huge, huge]), ShapeError, 'concat');
  });
});

describe('stack', () => {
  test('side by side along a new axis', () => {
    const random = makeRandom(52);
    for (const shape of [[], [3], [2, 3], [0, 2]]) {
      for (let axis = 0; axis <= shape.length; axis++) {
        const parts = Array.from({ length: 3 }, () => layRandom(random, randomPlain(random, shape, 'float32', -2, 2)));
        const want = build([...shape.slice(0, axis), 3, ...shape.slice(axis)], 'float32', index =>
          at(parts[index[axis]!]![1], index.toSpliced(axis, 1)),
        );
        const tensors = parts.map(([t]) => t);
        expectExactly(pile(tensors, { axis }), want);
        expectExactly(pile(tensors, { axis: axis - shape.length - 1 }), want);
      }
    }
  });

  test('misuse', () => {
    expectError(() => pile([zeros([2]), zeros([3])]), ShapeError, 'stack: shapes [2] and [3] differ');
    expectError(() => pile([zeros([2]), zeros([2, 1])]), ShapeError, 'differ');
    expectError(() => pile([zeros([2])], { axis: 2 }), ShapeError, 'stack: axis 2 is out of range');
    expectError(() => pile([]), ArgumentError, 'at least one tensor');
    expectError(() => pile([zeros([2])], { axes: 0 }), ArgumentError, "did you mean 'axis'?");
    expectError(() => pile([zeros([1, 1, 1, 1, 1, 1, 1, 1])]), ShapeError, 'at most 8 dimensions');
  });
});
