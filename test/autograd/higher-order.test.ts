import {
  ArgumentError,
  AutogradError,
  autograd,
  loss,
  nn,
  random,
  type Tensor,
  Trainer,
  tensor,
} from '../../lib/index.js';
import { expectClose } from '../support/close.js';
import { expectError } from '../support/errors.js';
import { whatStays } from '../support/memory.js';

const { grad, record } = autograd;
const variable = (data: Parameters<typeof tensor>[0]) => tensor(data, { dtype: 'float64' }).attachGrad() as Tensor;

describe('createGraph', () => {
  test('one derivative after the other: x⁴ has 4x³, 12x², 24x and 24', () => {
    const x = variable([1, -2, 0.5]);
    let y = record(() => x.square().square()) as Tensor;
    for (const want of [
      [4, -32, 0.5],
      [12, 48, 3],
      [24, -48, 12],
      [24, 24, 24],
    ]) {
      y = grad(y, x, { createGraph: true });
      expectClose(y, want);
    }
  });

  test('a product of second derivatives with a vector is as the Hessian says', () => {
    // f = x²y + y³, ∇f = (2xy, x² + 3y²), H = ((2y, 2x), (2x, 6y))
    const [x, y, v, w] = [3, -2, 0.5, 1.5];
    const p = variable([x, y]);
    const f = record(() => {
      const [a, b] = p.split(2) as [Tensor, Tensor];
      return a.square().mul(b).add(b.pow(3)).sum();
    });
    const g = grad(f, p, { createGraph: true });
    expectClose(g, [2 * x * y, x * x + 3 * y * y]);
    const product = grad(
      record(() => g.mul(tensor([v, w], { dtype: 'float64' })).sum()),
      p,
    );
    expectClose(product, [2 * y * v + 2 * x * w, 2 * x * v + 6 * y * w]);
  });

  test('backward through a penalty on a gradient trains what the penalty names', () => {
    random.seed(5);
    const net = new nn.Sequential(new nn.Dense(16, { activation: 'tanh' }), new nn.Dense(1));
    net.initialize({ init: 'xavier' });
    const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.02 });
    const x = random.uniform([32, 2], { low: -1, high: 1 }) as Tensor;
    const slope = () => {
      x.attachGrad();
      const y = record(() => net(x).sum());
      return grad(y, x, { createGraph: true });
    };
    // The net is to have the slope (1, -2) everywhere, and is told of nothing but its slopes.
    const wanted = tensor([[1, -2]]);
    const l2 = new loss.L2();
    let last = 0;
    for (let i = 0; i < 300; i++) {
      const losses = record(() => {
        const g = slope();
        return l2(g, wanted.broadcastTo([32, 2]));
      });
      losses.backward();
      trainer.step(32);
      last = losses.mean().item() as number;
    }
    expect(last).toBeLessThan(0.01);
    const at = tensor([
      [0.5, -0.5],
      [0, 0],
    ]);
    const [there, here] = net(at).toArray() as number[][];
    expect(there![0]! - here![0]!).toBeCloseTo(1.5, 0);
  });

  test('keeps the graph, unless told not to, and writes nowhere', () => {
    const x = variable([2]);
    const y = record(() => x.pow(3)) as Tensor;
    const g = grad(y, x, { createGraph: true });
    expectClose(grad(y, x, { retainGraph: true }), [12]);
    expectClose(grad(g, x), [12]);
    expect(x.grad!.toArray()).toEqual([0]);
    const z = record(() => x.pow(3)) as Tensor;
    grad(z, x, { createGraph: true, retainGraph: false });
    expectError(() => grad(z, x), AutogradError, /was already used/);
  });

  test('what it answers without is outside any graph', () => {
    const x = variable([2]);
    const g = grad(record(() => x.pow(3)) as Tensor, x);
    expectError(() => grad(g, x), AutogradError, /was not computed from tensors with gradients/);
    expectError(() => grad(x, x, { createGraph: 1 as never }), ArgumentError, /createGraph takes true or false/);
  });

  test("a function of a user's own has a second derivative where its backward is made of operations", () => {
    class Cube extends autograd.Function {
      x?: Tensor;
      forward(x: Tensor): Tensor {
        this.x = x;
        return x.pow(3) as Tensor;
      }
      backward(g: Tensor): Tensor {
        return g.mul((this.x as Tensor).square()).mul(3) as Tensor;
      }
    }
    const x = variable([2, -1]);
    const g = grad(
      record(() => new Cube().apply(x)),
      x,
      { createGraph: true },
    );
    expectClose(g, [12, 3]);
    expectClose(grad(g, x), [12, -6]);
  });

  test('memory of graphs of higher order is free when nobody refers to them', () => {
    const x = variable(Array(1000).fill(0.5));
    const once = () => {
      const g = grad(
        record(() => x.sigmoid().sum()),
        x,
        { createGraph: true },
      );
      grad(
        record(() => g.square().sum()),
        x,
      ).dispose();
    };
    once();
    const before = whatStays();
    for (let i = 0; i < 200; i++) once();
    expect(whatStays()).toEqual(before);
  });
});
