import {
  AutogradError,
  autograd,
  compileStep,
  memory,
  nn,
  optim,
  random,
  type Tensor,
  Trainer,
  tensor,
  zeros,
} from '../../lib/index.js';
import { plansOf } from '../../lib/nn/block/plans.js';
import { type Entry, inputOf, layers } from '../support/layers.js';
import { allBits, bits, thrown, values } from '../support/nn-helpers.js';
import { difference, flat, netOf } from '../support/onnx-models.js';
import { makeProgram, programInput, programNet } from '../support/programs.js';
import { full, makeRandom } from '../support/random.js';

/** Every gradient of a net by path. */
function gradBits(net: nn.Block): Record<string, string> {
  return Object.fromEntries(
    [...net.collectParams()].flatMap(([path, p]) => (p.gradReq === 'null' ? [] : [[path, bits(p.grad())]])),
  );
}

const floats = (results: Tensor[]): Tensor[] => results.filter(t => t.dtype.startsWith('float'));

/** The sum of squares of a result's floats. */
function total(result: unknown): Tensor {
  return floats(flat(result))
    .map(t => t.square().sum() as Tensor)
    .reduce((a, b) => a.add(b) as Tensor);
}

function made(entry: Entry, hybridized: boolean): nn.Block {
  random.seed(3);
  const net = entry.make() as nn.Block;
  net.initialize({ init: 'uniform' });
  if (hybridized) net.hybridize();
  return net;
}

describe.each(Object.entries(layers))('%s, recorded', (name, entry) => {
  test.each([true, false])('gives by plans what it gives without, trainMode: %s', trainMode => {
    const run = (hybridized: boolean) => {
      const net = made(entry, hybridized);
      random.seed(5);
      const given = [4, 2, 9, 4, 1].map(batch => {
        const x = inputOf(entry, [batch, ...entry.input.slice(1)]);
        if (entry.ids === undefined) x.attachGrad();
        const y = autograd.record(() => net(x), { trainMode });
        if (floats(flat(y)).every(t => t === x)) return [];
        const l = autograd.record(() => total(y), { trainMode });
        l.backward();
        return [flat(y).map(bits), x.grad === null ? null : bits(x.grad), gradBits(net)];
      });
      plans = plansOf(net, 'recorded')?.plans.length ?? 0;
      return [given, allBits(net), bits(random.uniform([2]))];
    };
    let plans = 0;
    const planned = run(true);
    // A forward and a way back for all batches; what hands its input on, or writes rows of a table, runs by itself.
    const hasNone = ['Embedding', 'Identity'].includes(name) || (name === 'Dropout' && !trainMode);
    // At a batch of 1 less is copied.
    const most = /RNN|LSTM|Concurrent/.test(name) ? 4 : 2;
    expect([name, plans]).toEqual([name, hasNone ? 0 : Math.min(Math.max(plans, 2), most)]);
    expect(planned).toEqual(run(false));
  });
  test('trains as it does without', () => {
    const run = (hybridized: boolean) => {
      const net = made(entry, hybridized);
      const x = inputOf(entry);
      net(x);
      if (net.collectParams().size === 0) return null;
      random.seed(7);
      const trainer = new Trainer(net.collectParams(), 'adam');
      for (let i = 0; i < 50; i++) {
        autograd.record(() => total(net(x))).backward();
        trainer.step(1);
      }
      return allBits(net);
    };
    expect(run(true)).toEqual(run(false));
  });
});

const tolerance = { float32: 1e-5, float64: 1e-12 };
const rounds = full ? 1000 : 80;

test(`${rounds} random programs have by plans the gradients that they have without, bit for bit`, () => {
  const run = (salt: number, hybridized: boolean) => {
    random.seed(1);
    const r = makeRandom(salt);
    const { net, call, program, outside } = programNet(o => makeProgram(r, r.int(2, 20), o));
    net.initialize();
    if (hybridized) net.hybridize();
    const given: unknown[] = [];
    for (const batch of [3, 5, 3, 1]) {
      const x = programInput(program, batch, salt);
      x.attachGrad();
      try {
        const l = autograd.record(() => total(call(x)));
        l.backward();
        given.push(bits(l), bits(outside.buffer), [x.grad as Tensor, outside.parameter.grad()]);
      } catch (error) {
        given.push(String(error));
      }
      given.push(bits(random.uniform([1])));
    }
    plans += plansOf(net, 'recorded')?.plans.length ?? 0;
    return { text: program.text, outputs: program.outputs, given };
  };
  let plans = 0;
  const wrong: string[] = [];
  for (let salt = 0; salt < rounds && wrong.length < 3; salt++) {
    const [planned, eager] = [run(salt, true), run(salt, false)];
    // Where gradients of several results flow together they may be added in another order.
    const isOne = new Set(eager.outputs).size === 1;
    const same = planned.given.every((a, i) => {
      const b = eager.given[i];
      if (!Array.isArray(a) || !Array.isArray(b)) return a === b;
      return isOne ? String(a.map(bits)) === String(b.map(bits)) : difference(a, b, tolerance) === null;
    });
    if (!same) wrong.push(`${salt} ${eager.text}`);
  }
  expect(wrong).toEqual([]);
  expect(plans).toBeGreaterThan(rounds);
});

const input = (...shape: number[]): Tensor => tensor(values(shape.reduce((a, b) => a * b, 1)), { shape }) as Tensor;

function mlp(hybridized = true): nn.Block {
  random.seed(3);
  const net = new nn.Sequential(new nn.Dense(4, { activation: 'tanh' }), new nn.Dropout(0.5), new nn.Dense(2));
  net.initialize();
  net(input(2, 3));
  if (hybridized) net.hybridize();
  return net as unknown as nn.Block;
}

test('a plan for each direction serves all batch sizes', () => {
  const net = mlp();
  for (let batch = 2; batch < 40; batch++) autograd.record(() => total(net(input(batch, 3)))).backward();
  expect(plansOf(net, 'recorded')?.made).toBe(2);
});

test('a hybridized net among others, and inside one that is hybridized too', () => {
  const run = (hybridized: boolean) => {
    random.seed(4);
    const [before, inner, after] = [new nn.Dense(3), new nn.Dense(5, { activation: 'relu' }), new nn.Dense(1)];
    const net = new nn.Sequential(before, inner, after) as unknown as nn.Block;
    net.initialize();
    if (hybridized) inner.hybridize();
    const x = input(4, 2);
    autograd.record(() => total(net(x))).backward();
    const first = gradBits(net);
    if (hybridized) net.hybridize();
    autograd.record(() => total(net(x))).backward();
    return [first, gradBits(net)];
  };
  expect(run(true)).toEqual(run(false));
});

test('several results, all or some of which are gone back from', () => {
  class Two extends nn.Block {
    readonly left = new nn.Dense(3);
    readonly right = new nn.Dense(2);
    override forward(x: Tensor): unknown {
      const y = this.left(x).tanh();
      return { y, z: this.right(y), places: y.argmax({ axis: 1 }) };
    }
  }
  const run = (hybridized: boolean) => {
    random.seed(3);
    const net = new Two() as unknown as nn.Block;
    net.initialize();
    if (hybridized) net.hybridize();
    const x = input(4, 5);
    return (['y', 'z', 'both'] as const).map(which => {
      const l = autograd.record(() => {
        const { y, z } = net(x) as unknown as { y: Tensor; z: Tensor };
        return which === 'both' ? total([y, z]) : total(which === 'y' ? y : z);
      });
      l.backward();
      return [l, ...[...net.collectParams().values()].map(p => p.grad().clone() as Tensor)];
    });
  };
  const [planned, eager] = [run(true), run(false)];
  planned.forEach((results, i) => {
    expect(difference(results, eager[i] as Tensor[], tolerance)).toBe(null);
  });
  // What the first result does not depend on has been written by none.
  expect(planned[0]?.slice(3).every(g => g.abs().sum().item() === 0)).toBe(true);
});

test('gradients that add up, graphs that are kept, and weights that head gradients have', () => {
  const run = (hybridized: boolean) => {
    const net = mlp(hybridized);
    for (const p of net.collectParams().values()) p.gradReq = 'add';
    random.seed(8);
    for (let i = 0; i < 3; i++) {
      const y = autograd.record(() => net(input(4, 3)));
      y.backward(input(4, 2), { retainGraph: true });
      y.backward(input(4, 2).mul(2));
    }
    return [...net.collectParams().values()].flatMap(p => p.grad().toArray().flat());
  };
  const [planned, eager] = [run(true), run(false)];
  planned.forEach((value: number, i: number) => {
    expect(value).toBeCloseTo(eager[i], 5);
  });
});

test('what is frozen has no gradient, and has one again', () => {
  const net = mlp();
  const weight = net.collectParams().get('0.weight');
  const train = () => autograd.record(() => total(net(input(4, 3)))).backward();
  train();
  weight.gradReq = 'null';
  train();
  expect(() => weight.grad()).toThrow(AutogradError);
  weight.gradReq = 'write';
  train();
  expect((weight.grad().abs().sum() as Tensor).item()).toBeGreaterThan(0);
});

test('without anything to go back to it predicts and records nothing', () => {
  const net = mlp();
  for (const p of net.collectParams().values()) p.gradReq = 'null';
  const y = autograd.record(() => net(input(4, 3)), { trainMode: false });
  expect(() => y.backward()).toThrow(AutogradError);
  expect(y.toArray()).toEqual((net(input(4, 3)) as Tensor).toArray());
});

test('a parameter that changes before backward is told, as without a plan', () => {
  const message = (hybridized: boolean) => {
    const net = mlp(hybridized);
    const l = autograd.record(() => total(net(input(4, 3))));
    net
      .collectParams()
      .get('2.weight')
      .setData(zeros([2, 4]));
    return thrown(() => l.backward()).message;
  };
  expect(message(true)).toMatch(/a tensor that a hybridized call saved for its gradient was changed in place/);
  expect(message(false)).toMatch(/was changed in place after it was recorded/);
});

test('gradients of gradients are refused by name', () => {
  const net = mlp();
  const x = input(2, 3);
  x.attachGrad();
  const error = thrown(() =>
    autograd.record(() => autograd.grad(net(x).sum() as Tensor, x, { createGraph: true }), { trainMode: false }),
  );
  expect(error).toBeInstanceOf(AutogradError);
  expect(error.message).toMatch(/goes through a hybridized net.*call hybridize\(false\) on it/);
});

test('a parameter that is read under pause first has the gradient of its later reads', () => {
  class Teacher extends nn.Block {
    readonly layer = new nn.Dense(3);
    override forward(x: Tensor): Tensor {
      const target = autograd.pause(() => this.layer(x));
      return this.layer(x.mul(0.5)).sub(target).square() as Tensor;
    }
  }
  const run = (how: 'plain' | 'hybridized' | 'compiled') => {
    random.seed(1);
    const net = new Teacher() as unknown as nn.Block;
    net.initialize({ init: 'uniform' });
    const x = input(2, 4);
    net(x);
    const trainer = new Trainer(net.collectParams(), new optim.SGD({ learningRate: 0.1 }));
    const lossOf = (y: Tensor): Tensor => y.mean({ axis: 1 }) as Tensor;
    if (how === 'hybridized') net.hybridize();
    const step = compileStep(net, lossOf, trainer);
    for (let i = 0; i < 2; i++) {
      if (how === 'compiled') {
        step(x);
        continue;
      }
      autograd.record(() => lossOf(net(x))).backward();
      trainer.step(2);
    }
    return allBits(net);
  };
  const plain = run('plain');
  expect(run('hybridized')).toEqual(plain);
  expect(run('compiled')).toEqual(plain);
});

/** A net with two results, the second of which is made from the first. */
function twoResults(): nn.Block {
  class Two extends nn.Block {
    readonly layer = new nn.Dense(2);
    override forward(x: Tensor): unknown {
      const y = this.layer(x);
      return [y, y.mul(2)];
    }
  }
  const net = new Two() as unknown as nn.Block;
  net.initialize({ init: 'ones' });
  net(input(1, 3));
  net.hybridize();
  return net;
}

test('a graph that is kept is gone back through again from one of its results', () => {
  const net = twoResults();
  const x = input(1, 3);
  x.attachGrad();
  const [a, b] = autograd.record(() => (net(x) as unknown as Tensor[]).map(t => t.sum())) as [Tensor, Tensor];
  autograd.backward([a, b], undefined, { retainGraph: true });
  expect(x.grad?.toArray()).toEqual([[6, 6, 6]]);
  autograd.backward([b]);
  expect(x.grad?.toArray()).toEqual([[4, 4, 4]]);
});

test.each([0, 1])('what a failing way back left at the results is no part of the next, result %d failing', failing => {
  class Fails extends autograd.Function {
    override forward(x: Tensor): Tensor {
      return x.mul(1) as Tensor;
    }
    override backward(): Tensor {
      throw new Error('not now');
    }
  }
  const net = twoResults();
  const x = input(1, 3);
  x.attachGrad();
  const [whole, good] = autograd.record(() => {
    const results = net(x) as unknown as [Tensor, Tensor];
    const through = results.map((t, i) => (i === failing ? (new Fails().apply(t) as Tensor) : t));
    return [total(through), (results[failing] as Tensor).sum()];
  }) as [Tensor, Tensor];
  expect(() => whole.backward(undefined, { retainGraph: true })).toThrow('not now');
  good.backward();
  expect(x.grad?.toArray()).toEqual([failing === 0 ? [2, 2, 2] : [4, 4, 4]]);
});

test('what none of the results gone back from depends on is no part of a step', () => {
  class Heads extends nn.Block {
    readonly left = new nn.Dense(2);
    readonly right = new nn.Dense(2);
    override forward(x: Tensor): unknown {
      return [this.left(x), this.right(x)];
    }
  }
  const run = (hybridized: boolean) => {
    random.seed(2);
    const net = new Heads() as unknown as nn.Block;
    net.initialize({ init: 'ones' });
    net(input(1, 2));
    if (hybridized) net.hybridize();
    const trainer = new Trainer(net.collectParams(), new optim.SGD({ learningRate: 0.1, weightDecay: 0.5 }));
    autograd.record(() => ((net(input(1, 2)) as unknown as Tensor[])[0] as Tensor).sum()).backward();
    trainer.step(1);
    return allBits(net);
  };
  expect(run(true)).toEqual(run(false));
});

test('only what gradients read must stay as it was until backward', () => {
  const run = (hybridized: boolean, path: string) => {
    const net = mlp(hybridized);
    random.seed(5);
    const l = autograd.record(() => total(net(input(4, 3))));
    const parameter = net.collectParams().get(path);
    parameter.setData(parameter.data().mul(2));
    l.backward();
    return gradBits(net);
  };
  for (const path of ['0.bias', '2.bias']) expect([path, run(true, path)]).toEqual([path, run(false, path)]);
});

test('a parameter frozen while plans wait takes part again when it is freed between two calls', () => {
  const run = (hybridized: boolean) => {
    const net = mlp(hybridized);
    const weight = net.collectParams().get('0.weight') as nn.Parameter;
    const step = () => autograd.record(() => total(net(input(4, 3)))).backward();
    random.seed(6);
    weight.gradReq = 'null';
    step();
    weight.gradReq = 'write';
    step();
    return gradBits(net);
  };
  expect(run(true)).toEqual(run(false));
});

test('results of a recorded call never share their elements', () => {
  const net = netOf(x => [x?.exp(), x?.exp().mul(1), x?.exp()]);
  net.hybridize();
  const x = input(2, 3);
  x.attachGrad();
  const [a, b, c] = autograd.record(() => net(x)) as unknown as [Tensor, Tensor, Tensor];
  const want = bits(c);
  autograd.pause(() => a.copyFrom(a.mul(0)));
  expect([bits(b), bits(c)]).toEqual([want, want]);
});

test('a table is written by rows, as without a plan', () => {
  const run = (hybridized: boolean) => {
    random.seed(3);
    const net = new nn.Sequential(new nn.Embedding(50, 3), new nn.Dense(2)) as unknown as nn.Block;
    net.initialize();
    if (hybridized) net.hybridize();
    const trainer = new Trainer(net.collectParams(), new optim.SGD({ learningRate: 0.1, momentum: 0.9 }));
    for (let i = 0; i < 4; i++) {
      autograd.record(() => total(net(tensor(Int32Array.of(i, 7, 9))))).backward();
      trainer.step(3);
    }
    return allBits(net);
  };
  expect(run(true)).toEqual(run(false));
});

test('hybridize({ verify }) holds recorded calls to the forward as well', () => {
  class Counts extends nn.Block {
    readonly layer = new nn.Dense(2);
    calls = 0;
    override forward(x: Tensor): Tensor {
      return this.layer(x).mul(this.calls) as Tensor;
    }
  }
  const net = new Counts();
  net.initialize();
  net.hybridize(true, { verify: 3 });
  const step = () => autograd.record(() => total(net(input(4, 3)))).backward();
  step();
  net.calls = 1;
  expect(step).toThrow(/the plan of Counts does not do what its forward does/);
});

test('what a plan kept for its gradients is let go after backward', () => {
  const net = mlp();
  const counts = [0, 0, 0].map(() => {
    for (let i = 0; i < 50; i++) autograd.record(() => total(net(input(4, 3)))).backward();
    memory.collect();
    return memory.info().tensors;
  });
  expect(counts[2]).toBeLessThan((counts[1] as number) + 20);
});
