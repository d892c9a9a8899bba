import {
  AutogradError,
  autograd,
  matmul,
  memory,
  nn,
  optim,
  type Tensor,
  Trainer,
  tensor,
  zeros,
} from '../../lib/index.js';
import { runScript } from '../support/child.js';
import { expectError } from '../support/errors.js';

const { backward, record } = autograd;
const variable = (data: Parameters<typeof tensor>[0]) => tensor(data).attachGrad() as Tensor;

/** x and w whose gradients are 5 and 7. */
function trained(): readonly [Tensor, Tensor] {
  const [x, w] = [variable([1]), variable([1])];
  record(() => x.mul(5).add(w.mul(7))).backward();
  return [x, w];
}

describe("gradients that are another variable's on their way", () => {
  test('as a head gradient', () => {
    const [x, w] = trained();
    record(() => x.add(0).add(w.mul(3))).backward(w.grad!);
    expect([x.grad!.item(), w.grad!.item()]).toEqual([7, 21]);
  });

  test('as the head gradients of each other', () => {
    const [x, w] = trained();
    const heads = record(() => [x.add(0), w.add(0)]) as Tensor[];
    backward(heads, [w.grad, x.grad]);
    expect([x.grad!.item(), w.grad!.item()]).toEqual([7, 5]);
  });

  test("from a function of a user's own", () => {
    const [x, w] = trained();
    class Swapped extends autograd.Function {
      forward(a: Tensor, b: Tensor): Tensor {
        return a.add(b) as Tensor;
      }
      backward(): Tensor[] {
        return [w.grad!, x.grad!];
      }
    }
    record(() => new Swapped().apply(x, w)).backward();
    expect([x.grad!.item(), w.grad!.item()]).toEqual([7, 5]);
  });
});

describe('a gradient that several variables share', () => {
  test('is theirs each', () => {
    const [a, b] = [variable([1, 2]), variable([3, 4])];
    // From the second time on there are gradients to be replaced.
    for (let i = 0; i < 3; i++) {
      record(() => a.add(b).mul(2)).backward();
      expect([a.grad!.toArray(), b.grad!.toArray()]).toEqual([
        [2, 2],
        [2, 2],
      ]);
    }
    a.grad!.set([0], 9);
    expect(b.grad!.toArray()).toEqual([2, 2]);
  });

  test('is theirs each where one sees it through a view', () => {
    const x = variable([1, 2, 3, 4]);
    const y = variable([
      [1, 2],
      [3, 4],
    ]);
    for (let i = 0; i < 3; i++) {
      record(() => x.add(y.reshape([4])).mul(2)).backward();
      expect([x.grad!.toArray(), y.grad!.toArray()]).toEqual([
        [2, 2, 2, 2],
        [
          [2, 2],
          [2, 2],
        ],
      ]);
      x.grad!.set([0], 9);
      expect(y.grad!.toArray()).toEqual([
        [2, 2],
        [2, 2],
      ]);
    }
  });
});

describe("what a user's backward does to the graph", () => {
  test('a saved tensor that it changes is noticed', () => {
    const [x, w] = [variable([3]), variable([5])];
    class Meddling extends autograd.Function {
      forward(a: Tensor): Tensor {
        return a.clone() as Tensor;
      }
      backward(g: Tensor): Tensor {
        w.copyFrom(tensor([7]));
        return g;
      }
    }
    const y = record(() => new Meddling().apply(x.mul(w)));
    expectError(() => y.backward(), AutogradError, 'mul saved for its gradient was changed in place');
    expect(x.grad!.item()).toBe(0);
  });

  test('a graph that it goes through itself is used up', () => {
    const x = variable([3]);
    const shared = record(() => x.square()) as Tensor;
    class Greedy extends autograd.Function {
      forward(a: Tensor): Tensor {
        return a.clone() as Tensor;
      }
      backward(g: Tensor): Tensor {
        shared.backward();
        return g;
      }
    }
    const y = record(() => new Greedy().apply(shared));
    expectError(() => y.backward(), AutogradError, 'already used by an earlier backward');
  });
});

test('a linear product saves nothing of its result', () => {
  const layer = new nn.Dense(1000);
  layer.initialize();
  const x = zeros([1000, 10]);
  layer(x);
  memory.collect();
  const before = memory.info().liveBytes;
  const loss = record(() => layer(x).add(1).sum());
  memory.collect();
  expect(memory.info().liveBytes - before).toBeLessThan(1e6);
  loss.backward();
  const y = record(() => layer(x));
  y.copyFrom(zeros([1000, 1000]));
  y.backward();
});

test("a parameter's tensor refuses a gradient beside the parameter's own", () => {
  const layer = new nn.Dense(2, { inUnits: 2 });
  layer.initialize();
  expectError(
    () => layer.weight.data().attachGrad(),
    AutogradError,
    /belongs to parameter .*weight.*; set gradReq on the parameter/,
  );
});

test('a trainer steps a parameter once, however often it is listed', () => {
  const layer = new nn.Dense(1, { inUnits: 1, useBias: false });
  layer.initialize();
  layer.weight.setData(tensor([[1]]));
  const { weight } = layer;
  const trainer = new Trainer([weight, weight], new optim.SGD({ learningRate: 1 }));
  record(() => layer(tensor([[3]]))).backward();
  trainer.step();
  expect(weight.data().item()).toBe(-2);
});

test('sizes whose product passes 2^64 are work without end, not a division by zero', () => {
  const { signal, status } = runScript(
    `const one = latent.zeros([1, 1]);
     latent.matmul(one.broadcastTo([2048, 2 ** 42 - 1]), one.broadcastTo([2 ** 42 - 1, 2048]));`,
    { timeout: 3000 },
  );
  expect({ signal, status }).toEqual({ signal: 'SIGKILL', status: null });
  expect(matmul(zeros([1, 1]), zeros([1, 1])).item()).toBe(0);
});
