import * as latent from '../../lib/index.js';
import {
  ArgumentError,
  AutogradError,
  autograd,
  DisposedError,
  memory,
  OutOfMemoryError,
  ShapeError,
  type Tensor,
  take,
  tensor,
  zeros,
} from '../../lib/index.js';
import { session } from '../../lib/native/register.js';
import { dense } from '../../lib/ops/dense.js';
import { expectClose } from '../support/close.js';
import { expectError } from '../support/errors.js';
import { whatStays } from '../support/memory.js';

const { backward, grad, record } = autograd;
const variable = (data: Parameters<typeof tensor>[0], options?: Parameters<Tensor['attachGrad']>[0]) =>
  tensor(data).attachGrad(options) as Tensor;

describe('backward', () => {
  test('of a scalar, of a vector (from ones), and from a given gradient', () => {
    const x = variable([1, 2, 3]);
    record(() => x.square().sum()).backward();
    expect(x.grad!.toArray()).toEqual([2, 4, 6]);
    record(() => x.square()).backward();
    expect(x.grad!.toArray()).toEqual([2, 4, 6]);
    record(() => x.square()).backward(tensor([1, -0.5, 10]));
    expect(x.grad!.toArray()).toEqual([2, -2, 60]);
  });

  test('gradients of rows take the place of one of all rows that was zeros before', () => {
    const x = variable([
      [1, 2],
      [3, 4],
    ]);
    expect(x.grad!.sum().item()).toBe(0);
    record(() => x.square().sum()).backward();
    record(() => take(x, tensor([1], { dtype: 'int32' })).sum()).backward();
    expect(x.grad!.toArray()).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });

  test('of a variable that stands twice in an operation that adds gradients itself, beside another use', () => {
    const w = variable([
      [1, 2],
      [3, 4],
    ]);
    record(() => dense(w, w, null).add(w)).backward();
    // Σ w·wᵀ = Σₖ (Σᵢ wᵢₖ)²
    expect(w.grad!.toArray()).toEqual([
      [9, 13],
      [9, 13],
    ]);
  });

  test('of several heads, each with its gradient', () => {
    const x = variable([1, 2]);
    const run = (gradients?: (Tensor | null)[]) => {
      const [a, b] = record(() => [x.square(), x.mul(10)] as Tensor[]) as [Tensor, Tensor];
      backward([a, b], gradients);
      return x.grad!.toArray();
    };
    expect(run()).toEqual([12, 14]);
    expect(run([tensor([1, 2]), tensor([0.5, 0])])).toEqual([7, 8]);
    expect(run([null, tensor([0.5, 0])])).toEqual([7, 4]);
    const same = record(() => x.square());
    backward([same, same]);
    expect(x.grad!.toArray()).toEqual([4, 8]);
  });

  test('a head that is a variable itself', () => {
    const x = variable([1, 2]);
    backward(x, tensor([3, 4]));
    expect(x.grad!.toArray()).toEqual([3, 4]);
  });

  test('adds up what comes back on several ways', () => {
    const x = variable([2]);
    record(() => {
      const y = x.mul(3);
      return y.mul(y).add(y).add(x);
    }).backward();
    expect(x.grad!.toArray()).toEqual([40]);
  });

  test('goes through long graphs without recursion', () => {
    const x = variable([1]);
    record(() => {
      let y = x.mul(1) as Tensor;
      for (let i = 0; i < 20000; i++) y = y.add(0.0001) as Tensor;
      return y;
    }).backward();
    expect(x.grad!.toArray()).toEqual([1]);
  });

  test('through views and in-order copies', () => {
    const x = variable([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    record(() =>
      (x.transpose() as Tensor)
        .slice([null, null, -1], 1)
        .reshape([3])
        .mul(tensor([1, 2, 3]))
        .sum(),
    ).backward();
    expect(x.grad!.toArray()).toEqual([
      [0, 0, 0],
      [3, 2, 1],
    ]);
  });

  test('leaves tensors without attachGrad alone', () => {
    const [x, c] = [variable([1, 2]), tensor([3, 4])];
    record(() => x.mul(c).sum()).backward();
    expect(c.grad).toBeNull();
    expect(x.grad!.toArray()).toEqual([3, 4]);
  });

  test('inside record records nothing of its own', () => {
    const x = variable([3]);
    record(() => {
      const y = x.square();
      y.backward();
      expect(autograd.isRecording()).toBe(true);
    });
    expect(x.grad!.toArray()).toEqual([6]);
    expectError(() => x.grad!.backward(), AutogradError, 'not computed from');
  });

  test('misuse', () => {
    const x = variable([1, 2]);
    const y = record(() => x.square());
    expectError(() => tensor([1]).backward(), AutogradError, 'not computed from tensors with gradients');
    expectError(
      () => y.backward(tensor([1])),
      ShapeError,
      'head gradient must be float32 of shape [2], but is float32 of shape [1]',
    );
    expectError(() => y.backward(tensor([1, 2], { dtype: 'float64' })), ShapeError, 'but is float64 of shape [2]');
    expectError(() => y.backward(1 as never), ArgumentError, 'takes a tensor, but got 1');
    expectError(() => backward([y], []), ArgumentError, 'one head gradient for each of 1 heads');
    expectError(() => backward([y, 1 as never]), ArgumentError, 'takes a tensor, but got 1');
    expectError(() => y.backward(null, { retain: true } as never), ArgumentError, "did you mean 'retainGraph'?");
    expectError(() => y.backward(null, { retainGraph: 1 as never }), ArgumentError, 'true or false, but got 1');
    y.dispose();
    expectError(() => y.backward(), DisposedError, 'after it was disposed of');
    expect(x.grad!.toArray()).toEqual([0, 0]);
  });
});

describe('a graph is used once', () => {
  test('unless it is retained', () => {
    const x = variable([1, 2]);
    const y = record(() => x.exp().mul(x));
    y.backward(null, { retainGraph: true });
    const first = x.grad!.toArray();
    y.backward();
    expect(x.grad!.toArray()).toEqual(first);
    expectError(() => y.backward(), AutogradError, 'already used by an earlier backward');
    expect(x.grad!.toArray()).toEqual(first);
  });

  test('also where only part of it was used', () => {
    const x = variable([1, 2]);
    const [a, b] = record(() => {
      const shared = x.square();
      return [shared.mul(2), shared.mul(3)] as Tensor[];
    }) as [Tensor, Tensor];
    a.backward();
    expectError(() => b.backward(), AutogradError, 'pass { retainGraph: true } to the first');
    expect(x.grad!.toArray()).toEqual([4, 8]);
  });

  test('a failed backward leaves it as it was', () => {
    const x = variable([1, 2]);
    const y = record(() => x.square());
    expectError(() => y.backward(tensor([1])), ShapeError, 'head gradient');
    y.backward();
    expect(x.grad!.toArray()).toEqual([2, 4]);
  });
});

describe('gradReq', () => {
  const step = (x: Tensor, factor: number) => record(() => x.mul(factor).sum()).backward();

  test('write overwrites, add adds, null keeps none', () => {
    const [w, a, n] = [variable([1, 1]), variable([1, 1], { gradReq: 'add' }), variable([1, 1], { gradReq: 'null' })];
    for (const factor of [2, 3]) {
      record(() => w.mul(factor).add(a.mul(factor)).add(n.mul(factor)).sum()).backward();
      w.grad;
    }
    expect(w.grad!.toArray()).toEqual([3, 3]);
    expect(a.grad!.toArray()).toEqual([5, 5]);
    expect(n.grad).toBeNull();
  });

  test('the gradient is one lasting tensor, zeros before the first backward', () => {
    for (const gradReq of ['write', 'add'] as const) {
      const x = variable([1, 2], { gradReq });
      const held = x.grad!;
      expect(held.toArray()).toEqual([0, 0]);
      step(x, 2);
      expect(x.grad).toBe(held);
      expect(held.toArray()).toEqual([2, 2]);
      const view = held.slice([0, 1]);
      step(x, 5);
      expect(view.toArray()).toEqual(gradReq === 'write' ? [5] : [7]);
    }
  });

  test('two variables never share a gradient', () => {
    const [x, y] = [variable([1, 2]), variable([3, 4])];
    record(() => x.add(y)).backward(tensor([5, 6]));
    x.grad!.set(0, -1);
    expect(y.grad!.toArray()).toEqual([5, 6]);
    const head = tensor([7, 8]);
    record(() => x.reshape([2])).backward(head);
    x.grad!.set(0, -1);
    expect(head.toArray()).toEqual([7, 8]);
  });

  test('misuse', () => {
    expectError(() => variable([1], { gradReq: 'ad' as never }), ArgumentError, "did you mean 'add'?");
    expectError(() => variable([1], { req: 'add' } as never), ArgumentError, "attachGrad has no option 'req'");
    expectError(
      () => tensor([1], { dtype: 'int32' }).attachGrad(),
      latent.DTypeError,
      'takes a float tensor, but got int32',
    );
  });
});

describe('the warning about a gradient that is overwritten unread', () => {
  /** A load of the library of its own, for it warns once in its life. */
  const load = () => {
    jest.resetModules();
    const fresh = require('../../lib/index.js') as typeof latent;
    const emit = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const x = fresh.tensor([1, 2]).attachGrad() as Tensor;
    const step = (of = x) => fresh.autograd.record(() => of.square().sum()).backward();
    return { fresh, emit, x, step };
  };
  afterEach(() => jest.restoreAllMocks());

  test('comes once, with its code, and names add', () => {
    const { emit, step } = load();
    step();
    expect(emit).not.toHaveBeenCalled();
    step();
    expect(emit).toHaveBeenCalledTimes(1);
    expect(emit.mock.calls[0]![0]).toMatch(
      /gradient of a variable of shape \[2\], .*attachGrad\(\{ gradReq: 'add' \}\)/,
    );
    expect(emit.mock.calls[0]![1]).toMatchObject({ code: 'LATENT_GRADIENT_OVERWRITTEN' });
    step();
    expect(emit).toHaveBeenCalledTimes(1);
  });

  const between: Record<string, (x: Tensor) => void> = {
    'a read of the gradient': x => void x.grad,
    'a write to the variable': x => void x.set(0, 5),
    'a write to a view of the variable': x => void x.slice([0, 1]).copyFrom(Float32Array.of(9)),
  };
  test.each(Object.entries(between))('does not come after %s', (_, act) => {
    const { emit, x, step } = load();
    for (let i = 0; i < 3; i++) {
      step();
      act(x);
    }
    expect(emit).not.toHaveBeenCalled();
  });

  test("does not come for 'add', nor for a second variable", () => {
    const { fresh, emit, x, step } = load();
    x.attachGrad({ gradReq: 'add' });
    step();
    step();
    step(fresh.tensor([3]).attachGrad() as Tensor);
    expect(emit).not.toHaveBeenCalled();
  });

  test('does not come after a step of the optimizer or zeroGrad', () => {
    const { fresh, emit } = load();
    const parameter = new fresh.nn.Parameter({ shape: [2] });
    parameter.setData(fresh.tensor([1, 2]));
    const trainer = new fresh.Trainer([parameter], 'sgd', { learningRate: 0.1 });
    const step = () => fresh.autograd.record(() => parameter.data().square().sum()).backward();
    for (let i = 0; i < 3; i++) {
      step();
      if (i === 1) trainer.zeroGrad();
      else trainer.step();
    }
    expect(emit).not.toHaveBeenCalled();
  });
});

describe('grad', () => {
  test('returns gradients and writes none', () => {
    const [x, y] = [variable([1, 2]), variable([3, 4])];
    const z = record(() => x.square().mul(y));
    const [gx, gy] = grad(z, [x, y], { retainGraph: true }) as [Tensor, Tensor];
    expect(gx.toArray()).toEqual([6, 16]);
    expect(gy.toArray()).toEqual([1, 4]);
    expect(x.grad!.toArray()).toEqual([0, 0]);
    expect(grad(z, x, { headGrads: tensor([1, 0.5]) }).toArray()).toEqual([6, 8]);
    expectError(() => grad(z, x), AutogradError, 'already used');
  });

  test('with respect to what was computed on the way', () => {
    const x = variable([1, 2]);
    const [y, z] = record(() => {
      const inner = x.square();
      return [inner, inner.mul(inner)] as Tensor[];
    }) as [Tensor, Tensor];
    const [gy, gx] = grad(z, [y, x]) as [Tensor, Tensor];
    expect(gy.toArray()).toEqual([2, 8]);
    expect(gx.toArray()).toEqual([4, 32]);
  });

  test('zeros where none flows, whatever the values', () => {
    const [x, y] = [variable([Infinity, Number.NaN, 1]), variable([1, 2, 3])];
    const [gx, gy] = grad(
      record(() => y.mul(2)),
      [x, y],
    ) as [Tensor, Tensor];
    expect(gx.toArray()).toEqual([0, 0, 0]);
    expect(gy.toArray()).toEqual([2, 2, 2]);
  });

  test('the results are apart from each other and from everything else', () => {
    const x = variable([1, 2]);
    const y = record(() => x.reshape([2]));
    const head = tensor([5, 6]);
    const [a, b] = grad(y, [x, x], { headGrads: head }) as [Tensor, Tensor];
    a.set(0, -1);
    expect(b.toArray()).toEqual([5, 6]);
    expect(head.toArray()).toEqual([5, 6]);
  });

  test('misuse', () => {
    const x = variable([1, 2]);
    const y = record(() => x.square());
    expectError(() => grad(y, tensor([1])), AutogradError, 'a variable has no gradient; call attachGrad()');
    expectError(() => grad(y, [1 as never]), ArgumentError, 'takes a tensor, but got 1');
    expectError(() => grad(tensor([1]), x), AutogradError, 'autograd.grad: the tensor was not computed');
    expectError(() => grad(y, x, { headGrad: null } as never), ArgumentError, "did you mean 'headGrads'?");
    expectError(() => grad(y, x, { headGrads: [] }), ArgumentError, 'one head gradient for each of 1 heads');
  });
});

describe('changes in place', () => {
  const changes: Record<string, (t: Tensor) => void> = {
    set: t => void t.set(0, 7),
    'copyFrom of a tensor': t => void t.copyFrom(tensor([8, 9])),
    'copyFrom of a typed array': t => void t.copyFrom(Float32Array.of(8, 9)),
    'a write to a view': t => void t.slice([1, 2]).copyFrom(Float32Array.of(8)),
    'a write to detach()': t => void t.detach().copyFrom(Float32Array.of(8, 9)),
  };
  test.each(Object.entries(changes))('of what the gradient reads raise: %s', (_, change) => {
    const [x, c] = [variable([1, 2]), tensor([3, 4])];
    const y = record(() => x.mul(c));
    change(c);
    expectError(() => y.backward(), AutogradError, 'a tensor that mul saved for its gradient was changed in place');
    expect(x.grad!.toArray()).toEqual([0, 0]);
    const z = record(() => x.square());
    change(x);
    expectError(() => z.backward(), AutogradError, 'square saved');
  });

  test('of a result that its gradient reads raise, too', () => {
    const x = variable([1, 2]);
    const y = record(() => x.exp());
    y.set(0, 1);
    expectError(() => y.backward(), AutogradError, 'exp saved');
  });

  test('of what no gradient reads are fine', () => {
    const [x, c] = [variable([1, 2]), tensor([3, 4])];
    const y = record(() => x.add(c));
    c.set(0, 100);
    x.set(0, 100);
    y.backward();
    expect(x.grad!.toArray()).toEqual([1, 1]);
  });

  test('inside record are refused for what has a gradient', () => {
    const x = variable([1, 2]);
    record(() => {
      const message = 'cannot be written in place inside autograd.record()';
      const y = x.mul(2) as Tensor;
      for (const t of [x, y, x.slice([0, 1]), x.detach() as Tensor, x.reshape([2, 1]) as Tensor]) {
        expectError(() => t.set(0, 1), AutogradError, message);
        expectError(() => t.copyFrom(t.clone().detach()), AutogradError, message);
      }
      const c = tensor([1, 2]);
      c.set(0, 5);
      expect(c.toArray()).toEqual([5, 2]);
      autograd.pause(() => x.set(0, 3));
    });
    expect(x.toArray()).toEqual([3, 2]);
  });

  test('an optimizer by hand goes on outside', () => {
    const w = variable([5, -3]);
    for (let i = 0; i < 40; i++) {
      record(() => w.square().sum()).backward();
      w.copyFrom(w.sub(w.grad!.mul(0.2)));
    }
    for (const value of w.toTypedArray() as Float32Array) expect(Math.abs(value)).toBeLessThan(1e-6);
  });
});

describe('memory', () => {
  const net = () => {
    const w = [
      tensor(
        Float32Array.from({ length: 60 }, (_, i) => Math.sin(i)),
        { shape: [6, 10] },
      ),
      tensor(
        Float32Array.from({ length: 50 }, (_, i) => Math.cos(i)),
        { shape: [10, 5] },
      ),
      tensor(Float32Array.from({ length: 5 }, (_, i) => i / 7)),
    ] as [Tensor, Tensor, Tensor];
    for (const t of w) t.attachGrad();
    const x = tensor(
      Float32Array.from({ length: 24 }, (_, i) => Math.sin(3 * i)),
      { shape: [4, 6] },
    ) as Tensor;
    const forward = () =>
      record(() =>
        x
          .matmul(w[0] as never)
          .tanh()
          .matmul(w[1] as never)
          .add(w[2])
          .logSoftmax()
          .square()
          .mean(),
      ) as Tensor;
    return { w, forward };
  };

  test.each(['first', 'later'] as const)(
    'an allocation refused anywhere in a %s backward leaves all gradients as they were',
    when => {
      const { w, forward } = net();
      forward().backward();
      const want = w.map(t => t.grad!.toArray());
      const reset = () => {
        for (const t of w) {
          if (when === 'first') t.attachGrad();
          else t.grad!.copyFrom(t.grad!.mul(0).add(3));
        }
      };
      let refused = 0;
      for (let n = 1; ; n++) {
        reset();
        const before = when === 'first' ? null : w.map(t => t.grad!.toArray());
        const loss = forward();
        // From the n-th on: a single refusal is made up for by a sweep and another try.
        session.refuseAllocation(n, 1);
        let error: unknown;
        try {
          loss.backward();
        } catch (caught) {
          error = caught;
        } finally {
          session.refuseAllocation(0, 0);
        }
        if (error === undefined) break;
        refused++;
        expect(error).toBeInstanceOf(OutOfMemoryError);
        expect((error as OutOfMemoryError).code).toBe('ERR_LATENT_OUT_OF_MEMORY');
        if (before === null)
          for (const t of w) expect((t.grad!.toTypedArray() as Float32Array).every(v => v === 0)).toBe(true);
        else expect(w.map(t => t.grad!.toArray())).toEqual(before);
        // The graph is still there, and a second try goes through.
        loss.backward();
        expect(w.map(t => t.grad!.toArray())).toEqual(want);
        expect(n).toBeLessThan(500);
      }
      expect(refused).toBeGreaterThan(5);
    },
  );

  test('a limit in the middle of backward, then none', () => {
    const x = tensor(Float32Array.from({ length: 1 << 16 }, (_, i) => Math.sin(i))).attachGrad() as Tensor;
    record(() => x.square().sum()).backward();
    x.grad!.copyFrom(x.mul(0).add(2));
    const loss = record(() => x.exp().square().tanh().mul(x).sum());
    memory.collect();
    memory.setLimit(memory.info().liveBytes + (1 << 16));
    try {
      expectError(() => loss.backward(), OutOfMemoryError, /no memory for a float32 tensor .*memory\.setLimit/);
    } finally {
      memory.setLimit();
    }
    expect((x.grad!.toTypedArray() as Float32Array).every(v => v === 2)).toBe(true);
    loss.backward();
    expect(x.grad!.slice(0).item()).toBeCloseTo(Math.tanh(1), 5);
  });

  test('many steps, failed ones among them, leave as many bytes live as before', () => {
    const { w, forward } = net();
    const step = (i: number) => {
      const loss = forward();
      if (i % 7 === 3) {
        expectError(() => loss.backward(tensor([1, 2])), ShapeError, 'head gradient');
        return;
      }
      if (i % 7 === 5) grad(loss, w);
      else loss.backward();
      for (const t of w) t.copyFrom(t.sub(t.grad!.mul(0.1)));
    };
    for (let i = 0; i < 20; i++) step(i);
    const before = whatStays();
    for (let i = 0; i < 500; i++) step(i);
    expect(whatStays()).toEqual(before);
  });

  test('backward frees at once what the tape kept', () => {
    const { forward } = net();
    forward().backward();
    const before = whatStays().tensors;
    const loss = forward();
    expect(memory.info().tensors).toBeGreaterThan(before + 3);
    const held = memory.info().tensors;
    loss.backward();
    // Temporaries of backward are gone without any collection, all but the ones that it starts from.
    expect(memory.info().tensors).toBeLessThanOrEqual(held + 1);
    expect(whatStays().tensors).toBe(before + 1);
    expectClose(loss, [loss.item() as number]);
  });
});

describe('gradCheck', () => {
  class Wrong extends autograd.Function {
    forward(x: Tensor): Tensor {
      return x.square() as Tensor;
    }
    backward(g: Tensor): Tensor {
      return g.mul(3) as Tensor;
    }
  }
  test('passes what is right and names the element that is wrong', () => {
    const x = tensor([[1.5, -0.5]], { dtype: 'float64' });
    const y = tensor([2, 3], { dtype: 'float64' });
    expect(autograd.gradCheck((a, b) => a.mul(b).exp() as Tensor, [x, y])).toBe(true);
    expectError(
      () => autograd.gradCheck((a, b) => a.add(new Wrong().apply(b)) as Tensor, [x, y]),
      AutogradError,
      /gradCheck: element 0 of input 1: the gradient is 3(\.\d+)?, the difference quotient (3\.99|4)/,
    );
    expect(x.grad).toBeNull();
  });

  test('weighs the outputs, so that errors of two of them do not cancel', () => {
    class Swapped extends autograd.Function {
      forward(x: Tensor): Tensor {
        return x.mul(tensor([1, 2], { dtype: 'float64' })) as Tensor;
      }
      backward(g: Tensor): Tensor {
        return g.mul(tensor([2, 1], { dtype: 'float64' })) as Tensor;
      }
    }
    const x = tensor([1, 1.25], { dtype: 'float64' });
    expectError(() => autograd.gradCheck(a => new Swapped().apply(a), [x]), AutogradError, 'element 0 of input 0');
  });

  test('misuse', () => {
    const x = tensor([1, 2], { dtype: 'float64' });
    expectError(
      () => autograd.gradCheck(a => a, [tensor([1])]),
      latent.DTypeError,
      'takes float64 tensors, but got float32',
    );
    expectError(() => autograd.gradCheck(1 as never, [x]), ArgumentError, 'gradCheck takes a function');
    expectError(() => autograd.gradCheck((() => 1) as never, [x]), AutogradError, 'a function that returns a tensor');
    expectError(
      () => autograd.gradCheck(a => a.exp() as Tensor, [x], { eps: 1 } as never),
      ArgumentError,
      "has no option 'eps'",
    );
    expectError(() => autograd.gradCheck(a => a.greater(0) as Tensor, [x]), latent.DTypeError, 'gradCheck');
  });
});

test('detach cuts the graph and keeps the values', () => {
  const x = variable([2, 3]);
  record(() => x.square().detach().mul(x)).backward();
  expect(x.grad!.toArray()).toEqual([4, 9]);
});

test('a size of 0 goes forward and back', () => {
  const x = zeros([0, 3]).attachGrad();
  const w = variable([[1], [2], [3]]);
  record(() => x.matmul(w as never).sum()).backward();
  expect(x.grad!.shape).toEqual([0, 3]);
  expect(w.grad!.toArray()).toEqual([[0], [0], [0]]);
});
