import { autograd, compileStep, loss, nn, random, type Tensor, Trainer } from '../../lib/index.js';
import { allBits, bits } from '../support/nn-helpers.js';

/** A function whose backward reads what its forward kept in fields: an operand, what it computed, and a draw. */
class Noisy extends autograd.Function {
  x?: Tensor;
  factor?: Tensor;
  override forward(x: Tensor, bias: Tensor): Tensor {
    this.x = x;
    this.factor = x.tanh().mul(random.uniform(x.shape)) as Tensor;
    return this.factor.mul(x.square()).add(bias) as Tensor;
  }
  override backward(g: Tensor): Tensor[] {
    return [g.mul(this.factor as Tensor).add((this.x as Tensor).sin()), g.sum({ axis: 0 })] as Tensor[];
  }
}

/** One that is the loss itself, so that the way back begins with it. */
class Squares extends autograd.Function {
  d?: Tensor;
  override forward(pred: Tensor, label: Tensor): Tensor {
    this.d = pred.sub(label) as Tensor;
    return this.d.square().mean({ axis: 1 }) as Tensor;
  }
  override backward(g: Tensor): (Tensor | null)[] {
    return [(this.d as Tensor).mul(g.reshape([-1, 1])) as Tensor, null];
  }
}

class Whole extends nn.Block {
  readonly bias = new nn.Parameter({ shape: [5], init: 'ones' });
  override forward(x: Tensor): Tensor {
    return new Noisy().apply(x, this.bias.data() as Tensor);
  }
}

class Net extends nn.Block {
  readonly first = new nn.Dense(16, { activation: 'tanh' });
  readonly bias = new nn.Parameter({ shape: [16], init: 'ones' });
  readonly second = new nn.Dense(2);
  override forward(x: Tensor): Tensor {
    const h = new Noisy().apply(this.first(x) as Tensor, this.bias.data() as Tensor);
    return this.second(new Noisy().apply(h, this.bias.data() as Tensor)) as Tensor;
  }
}

type Loss = (pred: Tensor, label: Tensor) => Tensor;
const squares: Loss = (pred, label) => new Squares().apply(pred, label);
const losses: [string, Loss][] = [
  ['a loss of ours', new loss.L2() as unknown as Loss],
  ['a loss that is a function itself', squares],
];
type Mode = 'eager' | 'hybridized' | 'compiled' | 'compiled, hybridized';

function train(criterion: Loss, mode: Mode, make: () => Net | Whole = () => new Net()) {
  random.seed(11);
  const net = make();
  net.initialize();
  const trainer = new Trainer(net.collectParams(), 'adam');
  const data = [6, 3, 9, 6].map(
    n => [random.normal([n, 5]), random.normal([n, net instanceof Net ? 2 : 5])] as [Tensor, Tensor],
  );
  if (mode.includes('hybridized')) net.hybridize();
  const step = compileStep(net, criterion, trainer);
  const seen: string[] = [];
  for (const [x, y] of data) {
    if (mode.startsWith('compiled')) {
      seen.push(bits(step(x, y) as Tensor));
      continue;
    }
    const l = autograd.record(() => criterion(net(x) as unknown as Tensor, y));
    seen.push(bits(l));
    l.backward();
    trainer.step(x.shape[0] as number);
  }
  return [seen, allBits(net as unknown as nn.Block), bits(random.uniform([2]))];
}

describe.each(losses)("a user's functions with %s", (_, criterion) => {
  test.each(['hybridized', 'compiled', 'compiled, hybridized'] as Mode[])('train %s as eagerly, to the bit', mode => {
    expect(train(criterion, mode)).toEqual(train(criterion, 'eager'));
  });
});

test.each(['hybridized', 'compiled'] as Mode[])('a net and a loss of nothing else train %s', mode => {
  const make = () => new Whole();
  expect(train(squares, mode, make)).toEqual(train(squares, 'eager', make));
});

test('a backward that reads a value is refused in a plan, by name', () => {
  class Reads extends autograd.Function {
    override forward(x: Tensor): Tensor {
      return x.mul(2) as Tensor;
    }
    override backward(g: Tensor): Tensor {
      return g.mul(g.sum().item() as number) as Tensor;
    }
  }
  class Reading extends nn.Block {
    readonly dense = new nn.Dense(2);
    override forward(x: Tensor): Tensor {
      return new Reads().apply(this.dense(x) as Tensor);
    }
  }
  const net = new Reading();
  net.initialize();
  const step = compileStep(net, new loss.L2() as unknown as Loss, new Trainer(net.collectParams(), 'sgd'));
  expect(() => step(random.normal([2, 3]), random.normal([2, 2]))).toThrow(
    /compileStep: a tensor's value was read.* while tracing/,
  );
});
