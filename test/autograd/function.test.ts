import { ArgumentError, AutogradError, autograd, memory, type Tensor, tensor } from '../../lib/index.js';
import { expectError } from '../support/errors.js';

const { record } = autograd;

class Cube extends autograd.Function {
  x?: Tensor;
  forward(x: Tensor): Tensor {
    this.x = x;
    return x.mul(x).mul(x) as Tensor;
  }
  backward(g: Tensor): Tensor {
    return g.mul(this.x!.square()).mul(3) as Tensor;
  }
}

/** An operation whose forward and backward are given, for what a user may get wrong. */
function made(forward: (...x: Tensor[]) => unknown, backward: (g: Tensor) => unknown): autograd.Function {
  class Made extends autograd.Function {
    forward(...x: Tensor[]): Tensor {
      return forward(...x) as Tensor;
    }
    backward(g: Tensor): Tensor {
      return backward(g) as Tensor;
    }
  }
  return new Made();
}

const variable = (data: number[]) => tensor(data).attachGrad() as Tensor;

describe("a user's own operation", () => {
  test('has the gradient that it gives itself, in the middle of a graph', () => {
    const x = variable([1, 2]);
    record(() => new Cube().apply(x.mul(2) as Tensor).mul(tensor([1, 10]))).backward();
    expect(x.grad!.toArray()).toEqual([24, 960]);
    autograd.gradCheck(a => new Cube().apply(a), [tensor([0.5, -2], { dtype: 'float64' })]);
  });

  test('its gradient need not be the true one: a straight-through estimator', () => {
    const x = variable([0.3, -1.7]);
    const y = record(() =>
      made(
        a => a.sign(),
        g => g.mul(5),
      ).apply(x),
    );
    expect(y.toArray()).toEqual([1, -1]);
    y.backward();
    expect(x.grad!.toArray()).toEqual([5, 5]);
  });

  test('with several inputs, one without a gradient', () => {
    const [x, y] = [variable([1, 2]), variable([3, 4])];
    record(() =>
      made(
        (a, b) => a.mul(b),
        g => [g.mul(7), null],
      ).apply(x, y),
    ).backward();
    expect(x.grad!.toArray()).toEqual([7, 7]);
    expect(y.grad!.toArray()).toEqual([0, 0]);
  });

  test('may hand its input or a constant through', () => {
    const x = variable([1, 2]);
    record(() =>
      made(
        a => a,
        g => g.mul(10),
      )
        .apply(x)
        .mul(2),
    ).backward();
    expect(x.grad!.toArray()).toEqual([20, 20]);
    const [y, other] = [variable([1, 2]), variable([5, 6])];
    record(() =>
      made(
        () => other,
        g => g.mul(10),
      ).apply(y),
    ).backward();
    expect(y.grad!.toArray()).toEqual([10, 10]);
    expect(other.grad!.toArray()).toEqual([0, 0]);
  });

  test('what it computes inside is not recorded, and what it keeps stays usable', () => {
    const x = variable([2]);
    let seen: boolean | undefined;
    let kept: Tensor | undefined;
    const y = record(() =>
      made(
        a => {
          seen = autograd.isRecording();
          return a.exp();
        },
        g => {
          kept = g;
          return g.mul(1);
        },
      )
        .apply(x)
        .mul(3),
    );
    y.backward();
    memory.collect();
    expect(seen).toBe(false);
    expect(kept!.toArray()).toEqual([3]);
  });

  test('works outside record, too', () => {
    const x = variable([2]);
    const y = new Cube().apply(x);
    expect(y.toArray()).toEqual([8]);
    expectError(() => y.backward(), AutogradError, 'not computed from');
  });

  test('an error of its own comes out as it is, and changes no gradient', () => {
    const x = variable([1, 2]);
    const y = record(() =>
      made(
        a => a.mul(2),
        () => {
          throw new RangeError('mine');
        },
      ).apply(x),
    );
    expect(() => y.backward()).toThrow(new RangeError('mine'));
    expect(x.grad!.toArray()).toEqual([0, 0]);
    expect(() =>
      record(() =>
        made(
          () => {
            throw new RangeError('mine');
          },
          g => g,
        ).apply(x),
      ),
    ).toThrow(new RangeError('mine'));
    expect(autograd.isRecording()).toBe(false);
  });
});

describe('misuse', () => {
  test('one object for two calls', () => {
    const cube = new Cube();
    cube.apply(tensor([1]));
    expectError(() => cube.apply(tensor([1])), AutogradError, 'Cube: one object serves one call');
  });

  test('a forward that returns no tensor', () => {
    for (const value of [undefined, 3, [tensor([1])]]) {
      expectError(
        () =>
          made(
            () => value,
            g => g,
          ).apply(tensor([1])),
        ArgumentError,
        'Made.forward must return a tensor',
      );
    }
  });

  test.each([
    ['nothing', () => undefined, 'Made.backward must return a gradient, but returned undefined'],
    ['a number', () => 3, 'must return a gradient, but returned 3'],
    ['too many', (g: Tensor) => [g, g], 'must return a gradient'],
    ['a promise', async (g: Tensor) => g, 'must return a gradient'],
    ['another shape', (g: Tensor) => g.sum(), 'must be float32 of shape [2], but is float32 of shape []'],
    ['another dtype', (g: Tensor) => g.cast('float64'), 'must be float32 of shape [2], but is float64'],
  ] as const)('a backward that returns %s', (_, back, message) => {
    const x = variable([1, 2]);
    const y = record(() => made(a => a.mul(2), back as (g: Tensor) => unknown).apply(x));
    expectError(() => y.backward(), AutogradError, message);
    expect(x.grad!.toArray()).toEqual([0, 0]);
  });

  test('too few gradients', () => {
    const [x, y] = [variable([1]), variable([2])];
    const z = record(() =>
      made(
        (a, b) => a.mul(b),
        g => g,
      ).apply(x, y),
    );
    expectError(() => z.backward(), AutogradError, 'must return an array of 2 gradients');
  });

  test('an input that is no tensor', () => {
    const x = variable([1]);
    const apply = () =>
      record(() =>
        made(
          a => a.mul(2),
          g => [g, null],
        ).apply(x, 'no tensor' as never),
      );
    expectError(apply, ArgumentError, "takes a tensor, but got 'no tensor'");
  });
});

describe('what a backward of its own writes', () => {
  /** h·w, computed again when the gradient comes: nothing is kept meanwhile. */
  class Again extends autograd.Function {
    #h: Tensor | undefined;
    constructor(
      readonly w: Tensor,
      readonly before: () => void = () => undefined,
    ) {
      super();
    }
    forward(h: Tensor): Tensor {
      this.#h = h;
      return h.mul(this.w as never) as Tensor;
    }
    backward(g: Tensor): Tensor {
      this.before();
      const h = (this.#h as Tensor).detach().attachGrad() as Tensor;
      autograd.record(() => h.mul(this.w as never) as Tensor).backward(g);
      return (h.grad as Tensor).clone() as Tensor;
    }
  }

  test("adds to the gradients of 'add' in the middle of another backward", () => {
    const w = tensor([2]).attachGrad({ gradReq: 'add' }) as Tensor;
    const x = tensor([3]) as Tensor;
    const step = () =>
      autograd.record(() => new Again(w).apply(x.mul(w as never) as Tensor).mul(w as never) as Tensor).backward();
    step();
    // w³·x: 3·w²·x
    expect(w.grad!.toArray()).toEqual([36]);
    step();
    expect(w.grad!.toArray()).toEqual([72]);
  });

  test('may begin gradients anew', () => {
    const w = tensor([2]).attachGrad({ gradReq: 'add' }) as Tensor;
    const x = tensor([3]) as Tensor;
    autograd.record(() => x.mul(w as never)).backward();
    const begin = () => void w.grad!.copyFrom(tensor([0]));
    autograd.record(() => new Again(tensor([1]) as Tensor, begin).apply(x.mul(w as never) as Tensor)).backward();
    expect(w.grad!.toArray()).toEqual([3]);
  });
});

test('a head gradient that is a view of a gradient about to be written is read before', () => {
  const v = tensor([[0, 0], [0, 0]]).attachGrad(); // biome-ignore format: a matrix
  const w = tensor([[1, 2], [3, 4]]).attachGrad(); // biome-ignore format: a matrix
  autograd.record(() => w.mul(1)).backward(tensor([[1, 2], [3, 4]])); // biome-ignore format: a matrix
  autograd.backward([v, w], [tensor([[9, 9], [9, 9]]), w.grad!.transpose()] as never); // biome-ignore format: matrices
  expect(v.grad!.toArray()).toEqual([[9, 9], [9, 9]]); // biome-ignore format: a matrix
  expect(w.grad!.toArray()).toEqual([[1, 3], [2, 4]]); // biome-ignore format: a matrix
});
