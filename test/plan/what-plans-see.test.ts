import {
  arange,
  autograd,
  BlockError,
  compileStep,
  detach,
  io,
  LatentError,
  nn,
  ones,
  random,
  ShapeError,
  type Tensor,
  Trainer,
  tensor,
  zeros,
} from '../../lib/index.js';
import { assertClose } from '../../lib/testing/index.js';
import { bits, thrown } from '../support/nn-helpers.js';
import { netOf } from '../support/onnx-models.js';

/** A net of a function, hybridized or not. */
function hybrid(forward: (x: Tensor) => unknown, hybridized = true): nn.Block {
  const net = netOf(x => forward(x as Tensor));
  if (hybridized) net.hybridize();
  return net;
}

describe('detach ends a graph in a plan as it does without', () => {
  test('in a recorded call', () => {
    const gradient = (hybridized: boolean, forward: (x: Tensor) => unknown) => {
      const net = hybrid(forward, hybridized);
      const x = ones([3]).mul(2) as Tensor;
      x.attachGrad();
      autograd.record(() => net(x).sum()).backward();
      return x.grad?.toArray();
    };
    for (const forward of [
      (x: Tensor) => x.mul(x.detach()),
      (x: Tensor) => detach(x.exp()).mul(x),
      (x: Tensor) => x.mul(x.sin().detach().cos()).add(x.reshape([3, 1]).detach().reshape([3])),
    ])
      expect(gradient(true, forward)).toEqual(gradient(false, forward));
  });
  test('of a parameter, in a net and a loss that are compiled', () => {
    class Net extends nn.Block {
      readonly w = new nn.Parameter({ shape: [3], init: 'ones' });
      override forward(x: Tensor): Tensor {
        return x.mul(this.w.data()).add(detach(this.w.data()).square()) as Tensor;
      }
    }
    const train = (compiled: boolean) => {
      const net = new Net();
      net.initialize();
      const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 });
      const lossOf = (y: Tensor): Tensor => y.mul(y.detach()).sum({ axis: 1 });
      const step = compileStep(net, lossOf, trainer);
      for (let i = 0; i < 3; i++) {
        const x = ones([2, 3]);
        if (compiled) {
          step(x);
          continue;
        }
        autograd.record(() => lossOf(net(x))).backward();
        trainer.step(2);
      }
      return bits(net.w.data());
    };
    expect(train(true)).toBe(train(false));
  });
});

describe('a forward that does other things at other batch sizes', () => {
  const forwards: Readonly<Record<string, (x: Tensor) => Tensor>> = {
    'above a size': x => ((x.shape[0] as number) > 4 ? (x.mul(2) as Tensor) : x.exp()),
    'at odd sizes': x => ((x.shape[0] as number) % 2 === 1 ? (x.mul(2) as Tensor) : x.exp()),
    'of half of the batch': x => x.slice([0, (x.shape[0] as number) >> 1]).mul(2) as Tensor,
    'by a third': x => x.mul(Math.floor((x.shape[0] as number) / 3)) as Tensor,
    'by a constant made of the size': x => x.mul(tensor([1 / (x.shape[0] as number)])) as Tensor,
    'by one of the size modulo 2': x => x.add(tensor([[(x.shape[0] as number) % 2]])) as Tensor,
    'by numbers from the size on': x => x.add(arange(x.shape[0] as number, (x.shape[0] as number) + 4)) as Tensor,
    'by as many numbers as samples': x => x.add(arange(0, x.shape[0]).reshape([-1, 1])) as Tensor,
    'by a causal mask over the batch': x =>
      nn.scaledDotProductAttention(x, x, x, { causal: true, through: weights => weights.mul(0.5) as Tensor }),
    'without sizes of 1': x => x.squeeze().add(1) as Tensor,
  };
  const gradient = (net: (x: Tensor) => unknown, given: Tensor): string => {
    const x = given.clone() as Tensor;
    x.attachGrad();
    autograd.record(() => (net(x) as Tensor).square().sum()).backward();
    return bits(x.grad as Tensor);
  };
  test.each(Object.keys(forwards))('%s is traced for each', name => {
    const forward = forwards[name] as (x: Tensor) => Tensor;
    for (const sizes of [
      [8, 7, 6, 3, 2, 1],
      [3, 8, 5, 4],
      [7, 6, 9, 1009, 10],
      [2, 3, 5, 4, 1],
    ]) {
      const net = hybrid(forward);
      const plain = hybrid(forward, false);
      for (const size of sizes) {
        const x = random.uniform([size, 1]);
        expect([size, bits(net(x))]).toEqual([size, bits(forward(x))]);
        expect([size, bits(plain.predictSync(x) as Tensor)]).toEqual([size, bits(forward(x))]);
        expect([size, gradient(net, x)]).toEqual([size, gradient(forward, x)]);
      }
    }
  });
  const written = ['by as many numbers as samples', 'by a causal mask over the batch'];
  test.each(written)('%s is written for any', name => {
    const forward = forwards[name] as (x: Tensor) => Tensor;
    const back = io.onnx.fromBytes(hybrid(forward, false).toOnnx({ inputShape: [-1, 1] }));
    for (const size of [1, 2, 5, 300]) {
      const x = random.uniform([size, 1]);
      assertClose(back(x), forward(x), { rtol: 1e-5, atol: 1e-6 });
    }
  });
  const refused = Object.keys(forwards).filter(name => !written.includes(name));
  test.each(refused)('%s is refused for a file with an open batch size', name => {
    const error = thrown(() => hybrid(forwards[name] as never, false).toOnnx({ inputShape: [-1, 1] }));
    expect(error).toBeInstanceOf(BlockError);
    expect(error.message).toMatch(/give the batch size in inputShape/);
  });
  test('a constant that is another for a batch of 1 is refused there too', () => {
    const forward = (x: Tensor) => x.mul(tensor([(x.shape[0] as number) > 1 ? 2 : 3])) as Tensor;
    const error = thrown(() => hybrid(forward, false).toOnnx({ inputShape: [-1, 1] }));
    expect(error.message).toMatch(/does other things for a batch of 1; give the batch size in inputShape/);
    const net = hybrid(forward);
    for (const size of [3, 1, 2]) expect(bits(net(ones([size, 1])))).toBe(bits(forward(ones([size, 1]))));
  });
  test('what fails at a size that was tried says which', () => {
    const error = thrown(() => hybrid(x => x.reshape([-1, 2, 5]), false).toOnnx({ inputShape: [-1, 5] }));
    expect(error).toBeInstanceOf(ShapeError);
    expect(error.cause).toBeInstanceOf(ShapeError);
    expect(error.message).toMatch(/at a batch of \d+, tried for what is left open, reshape: shape/);
  });
});

test('a result in what is neither an array nor a plain object is refused, not handed out without values', async () => {
  class Pair {
    constructor(readonly y: Tensor) {}
  }
  for (const forward of [(x: Tensor) => new Map([['a', x.mul(2)]]), (x: Tensor) => [x, new Pair(x.neg())]]) {
    expect(thrown(() => hybrid(forward)(ones([2]))).message).toMatch(/gives a (Map|Pair).*an array or a plain object/);
    await expect(hybrid(forward, false).predict(ones([2]))).rejects.toThrow(LatentError);
    expect(() => hybrid(forward, false).toOnnx({ inputShape: [2] })).toThrow(/gives a (Map|Pair)/);
  }
});

test('verify counts a first batch once, also where that settles the shapes', () => {
  const mean = (verify: number) => {
    const net = new nn.BatchNorm();
    net.initialize();
    net.hybridize(true, { verify });
    autograd.trainMode(() => net(ones([4, 1])));
    return (net.runningMean.data() as Tensor).toArray();
  };
  expect(mean(1)).toEqual(mean(0));
});

test('a tensor in a field that is replaced is seen', () => {
  class Masked extends nn.Block {
    mask: Tensor = ones([2]);
    readonly masks: Tensor[] = [ones([2])];
    override forward(x: Tensor): Tensor {
      return x.mul(this.mask).mul(this.masks[0] as Tensor) as Tensor;
    }
  }
  const net = new Masked();
  net.hybridize();
  expect(net(ones([2])).toArray()).toEqual([1, 1]);
  net.mask = zeros([2]);
  expect(net(ones([2])).toArray()).toEqual([0, 0]);
  net.mask = ones([2]);
  net.masks[0] = ones([2]).mul(3) as Tensor;
  expect(net(ones([2])).toArray()).toEqual([3, 3]);
});
