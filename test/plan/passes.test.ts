import { autograd, loss, nn, random, type Tensor, Trainer, tensor, where } from '../../lib/index.js';
import { plansOf } from '../../lib/nn/block/plans.js';
import { bits, values } from '../support/nn-helpers.js';
import { full, makeRandom } from '../support/random.js';

const input = (shape: readonly number[], salt = 1): Tensor =>
  tensor(
    values(
      shape.reduce((a, b) => a * b, 1),
      salt,
    ),
    { shape: [...shape] },
  );

/** Calls of a plan for such an input, beside those that run only when a parameter has changed. */
function planned(net: nn.Block, x: Tensor): { y: Tensor; calls: number } {
  net.hybridize();
  const y = net(x) as Tensor;
  const calls = plansOf(net)?.plans[0]?.length ?? -1;
  net.hybridize(false);
  return { y, calls };
}

function block(body: (x: Tensor) => Tensor | Tensor[]): nn.Block {
  return new nn.Lambda(body as (x: Tensor) => Tensor) as unknown as nn.Block;
}

const relative = (a: Tensor, b: Tensor): number =>
  (a.sub(b).abs().max().item() as number) / (a.abs().max().item() as number);

function trained(net: nn.Block, x: Tensor): nn.Block {
  net.initialize({ init: 'xavier' });
  const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.05 });
  for (let i = 0; i < 5; i++) {
    autograd.record(() => new loss.L2()(net(x) as Tensor, (net(x) as Tensor).detach().mul(0).add(i)).mean()).backward();
    trainer.step();
  }
  return net;
}

test('what nobody reads is not computed, but draws and writes are done', () => {
  const buffer = tensor([0]);
  const net = block(x => {
    x.exp().mul(3);
    random.normal([3]).add(1);
    buffer.copyFrom(x.sum().reshape([1]));
    return x.neg() as Tensor;
  });
  random.seed(1);
  const { calls } = planned(net, input([4, 3]));
  const after = bits(random.uniform([1]));
  random.seed(1);
  net.forward(input([4, 3]));
  expect(bits(random.uniform([1]))).toBe(after);
  expect(bits(buffer)).toBe(bits(input([4, 3]).sum().reshape([1])));
  // The draw, the sum, its window, the write and the result.
  expect(calls).toBe(5);
});

test('what is computed twice is computed once', () => {
  const net = block(x => [x.exp().add(x.exp()), x.clip(0, Infinity), x.clip(-0, Infinity), x.exp()] as Tensor[]);
  const x = input([4, 3]);
  net.hybridize();
  const outputs = net(x) as unknown as Tensor[];
  expect(outputs.map(bits)).toEqual((net.forward(x) as unknown as Tensor[]).map(bits));
  expect(plansOf(net)?.plans[0]?.length).toBe(4);
  // 0 and -0 are two bounds.
  const signs = block(t => [t.mul(0).sin().reciprocal(), t.mul(-0).sin().reciprocal()] as Tensor[]);
  signs.hybridize();
  expect((signs(x) as unknown as Tensor[]).map(bits)).toEqual((signs.forward(x) as unknown as Tensor[]).map(bits));
  // Two outputs never share their elements.
  const twice = block(x => [x.exp(), x.exp()] as Tensor[]);
  twice.hybridize();
  const [a, b] = twice(x) as unknown as [Tensor, Tensor];
  a.copyFrom(a.mul(0));
  expect(bits(b)).toBe(bits(x.exp()));
});

test('what depends on a tensor that forward writes is computed anew', () => {
  const buffer = tensor([1, 2, 3]);
  const net = block(x => {
    const before = buffer.exp().add(x);
    buffer.copyFrom(x.slice(0).mul(1));
    return [before, buffer.exp().add(x)] as Tensor[];
  });
  const x = input([4, 3]);
  const expected = (net.forward(x) as unknown as Tensor[]).map(bits);
  buffer.copyFrom(tensor([1, 2, 3]));
  net.hybridize();
  expect((net(x) as unknown as Tensor[]).map(bits)).toEqual(expected);
});

test('what depends on parameters alone runs when they change', () => {
  const weight = new nn.Parameter({ shape: [3], init: 'ones' });
  class Scaled extends nn.Block {
    readonly weight = weight;
    forward(x: Tensor): Tensor {
      return x.mul(this.weight.data().exp().sqrt().add(1)) as Tensor;
    }
  }
  const net = new Scaled();
  net.initialize();
  const x = input([4, 3]);
  const { y, calls } = planned(net as unknown as nn.Block, x);
  expect(calls).toBe(1);
  expect(bits(y)).toBe(bits(net.forward(x)));
  net.hybridize();
  net(x);
  weight.setData(tensor([1, 2, 3]));
  expect(bits(net(x))).toBe(bits(net.forward(x)));
});

test.each([
  ['relu', 1],
  ['tanh', 1],
  ['sigmoid', 1],
  ['gelu', 1],
  ['silu', 1],
  ['softrelu', 2],
] as const)('a dense layer applies %s after it itself', (kind, calls) => {
  const net = new nn.Sequential(new nn.Dense(40), new nn.Activation(kind)) as unknown as nn.Block;
  net.initialize({ init: 'xavier' });
  for (const n of [1, 7, 64]) {
    const x = input([n, 30]);
    const seen = planned(net, x);
    expect(bits(seen.y)).toBe(bits(net(x) as Tensor));
    expect(seen.calls).toBe(calls);
  }
});

test('a convolution applies relu after it itself, but not where others read its result', () => {
  const net = new nn.Sequential(new nn.Conv2D(5, { kernelSize: 3 }), new nn.Activation('relu')) as unknown as nn.Block;
  net.initialize({ init: 'xavier' });
  const x = input([2, 3, 9, 9]);
  const seen = planned(net, x);
  expect(bits(seen.y)).toBe(bits(net(x) as Tensor));
  expect(seen.calls).toBe(1);
  const conv = new nn.Conv2D(5, { kernelSize: 3 });
  class Both extends nn.Block {
    readonly conv = conv;
    forward(x: Tensor): Tensor {
      const y = this.conv(x);
      return y.relu().add(y) as Tensor;
    }
  }
  const both = new Both() as unknown as nn.Block;
  both.initialize({ init: 'xavier' });
  const seenBoth = planned(both, x);
  expect(bits(seenBoth.y)).toBe(bits(both(x) as Tensor));
  expect(seenBoth.calls).toBe(3);
});

describe('BatchNorm that predicts becomes part of', () => {
  test.each([
    ['a dense layer', () => [new nn.Dense(12)], [6, 5]],
    ['one without bias', () => [new nn.Dense(12, { useBias: false })], [6, 5]],
    ['a convolution', () => [new nn.Conv2D(6, { kernelSize: 3 })], [3, 4, 8, 8]],
    ['one of groups', () => [new nn.Conv2D(6, { kernelSize: 3, groups: 2, useBias: false })], [3, 4, 8, 8]],
    ['one of one dimension', () => [new nn.Conv1D(6, { kernelSize: 3 })], [3, 4, 8]],
  ] as [string, () => nn.Block[], number[]][])('%s', (_, layers, shape) => {
    for (const options of [{}, { scale: false }, { center: false }]) {
      random.seed(2);
      const x = input(shape);
      const net = trained(
        new nn.Sequential(...layers(), new nn.BatchNorm(options), new nn.Activation('relu')) as unknown as nn.Block,
        x,
      );
      const seen = planned(net, x);
      expect(relative(net(x) as Tensor, seen.y)).toBeLessThan(1e-5);
      // With its relu; a convolution of one dimension has a window before and after.
      expect(seen.calls).toBe(shape.length === 3 ? 3 : 1);
      // New statistics are seen.
      net.hybridize();
      net(x);
      autograd.trainMode(() => net(input(shape, 9)));
      const later = net(x) as Tensor;
      net.hybridize(false);
      expect(relative(net(x) as Tensor, later)).toBeLessThan(1e-5);
      expect(bits(later)).not.toBe(bits(seen.y));
    }
  });
  test('nothing where it trains, or where others read what it normalizes', () => {
    const x = input([6, 5]);
    const net = trained(new nn.Sequential(new nn.Dense(4), new nn.BatchNorm()) as unknown as nn.Block, x);
    net.hybridize();
    const planned = autograd.trainMode(() => bits(net(x) as Tensor));
    net.hybridize(false);
    expect(autograd.trainMode(() => bits(net(x) as Tensor))).toBe(planned);
  });
});

test('long rows of elementwise operations over large tensors give the same bits, block by block', () => {
  const rounds = full ? 40 : 8;
  const r = makeRandom(17);
  const unary = ['neg', 'abs', 'exp', 'square', 'tanh', 'relu', 'gelu', 'erf', 'floor', 'sqrt'] as const;
  const wrong: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const names: string[] = [];
    const steps = Array.from({ length: r.int(3, 12) }, () => {
      const [back, other, number] = [r.int(0, 2), r.int(0, 3), r.next() * 2 - 1];
      const name = r.pick([...unary, 'add', 'mul', 'scaled', 'where', 'cast', 'row'] as const);
      names.push(name);
      return (pool: Tensor[]): Tensor => {
        const [a, b] = [back, other].map(k => pool[Math.max(0, pool.length - 1 - k)] as Tensor) as [Tensor, Tensor];
        switch (name) {
          case 'add':
            return a.add(b) as Tensor;
          case 'mul':
            return a.mul(b) as Tensor;
          case 'scaled':
            return a.mul(number).add(1) as Tensor;
          case 'where':
            return where(a.less(b), a, b) as Tensor;
          case 'cast':
            return a.cast('int32').add(1).cast('float32') as Tensor;
          case 'row':
            return a.add(b.slice(0)) as Tensor;
          default:
            return a[name]() as Tensor;
        }
      };
    });
    const net = block(x => {
      const pool = [x.mul(0.5) as Tensor];
      for (const step of steps) pool.push(step(pool));
      return round % 2 === 0 ? (pool.at(-1) as Tensor) : pool.slice(-3);
    });
    net.hybridize();
    for (const shape of [
      [3, 300, 301],
      [2, 300, 301],
      [40, 3, 2],
    ]) {
      const x = input(shape, round);
      const [planned, eager] = [net(x), net.forward(x)].map(y => ([y].flat() as Tensor[]).map(bits));
      if (JSON.stringify(planned) !== JSON.stringify(eager)) wrong.push(`${round} ${shape}: ${names}`);
    }
  }
  expect(wrong).toEqual([]);
});

describe('a result does not take the place of what is read out of order', () => {
  const reads: Record<string, (t: Tensor) => Tensor> = {
    'by a transposed view': t => t.add(t.transpose()) as Tensor,
    'by a view that goes backwards': t => t.sub(t.slice(null, [null, null, -1])) as Tensor,
    'by a row for all rows': t => t.div(t.slice(1)) as Tensor,
    'by a column for all columns': t => t.mul(t.slice(null, [1, 2])) as Tensor,
  };
  test.each(Object.entries(reads))('%s', (_, read) => {
    const net = block(x => read(x.exp() as Tensor));
    const x = input([130, 130]);
    const want = bits(net(x) as Tensor);
    net.hybridize();
    net(x);
    expect(bits(net(x) as Tensor)).toBe(want);
  });
});

describe('a normalization stays where it cannot be taken into the layer before it', () => {
  class Normalized extends nn.Block {
    layer = new nn.Dense(3);
    norm = new nn.BatchNorm({ inChannels: 3 });
    constructor(readonly body: (self: Normalized, x: Tensor) => Tensor) {
      super();
    }
    forward(x: Tensor): Tensor {
      return this.body(this, x);
    }
  }
  const bodies: Record<string, (self: Normalized, x: Tensor) => Tensor> = {
    'others read the layer': (self, x) => {
      const y = self.layer(x);
      return self.norm(y).add(y) as Tensor;
    },
    'the forward writes its statistics': (self, x) => {
      self.norm.runningMean.data().copyFrom(x.sum({ axis: 0 }) as Tensor);
      return self.norm(self.layer(x));
    },
  };
  test.each(Object.entries(bodies))('for %s', (_, body) => {
    const net = new Normalized(body);
    net.initialize({ init: 'xavier' });
    net(input([4, 3]));
    const want = [1, 2, 3].map(salt => bits(net(input([4, 3], salt))));
    net.hybridize();
    expect([1, 2, 3].map(salt => bits(net(input([4, 3], salt))))).toEqual(want);
  });
});
