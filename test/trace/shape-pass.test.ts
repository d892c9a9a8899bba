import { inspect } from 'node:util';
import {
  autograd,
  DisposedError,
  init,
  memory,
  nn,
  random,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from '../../lib/index.js';
import { allBits, bits, thrown, values } from '../support/nn-helpers.js';

beforeEach(() => random.seed(3));

const batch = (rows = 4, columns = 6) => tensor(values(rows * columns), { shape: [rows, columns] });

it('takes no memory of the size of activations', () => {
  const net = new nn.Sequential(
    new nn.Dense(64, { activation: 'relu' }),
    new nn.Dense(64, { activation: 'gelu' }),
    new nn.Dense(10),
  );
  net.initialize();
  memory.collect();
  const before = memory.info();
  net.inferShape([1_000_000, 784]);
  const after = memory.info();
  expect(net[0].weight.shape).toEqual([64, 784]);
  const parameterBytes = [...net.collectParams().values()].reduce((n, p) => n + 4 * p.data().size, 0);
  expect(after.liveBytes - before.liveBytes).toBeLessThan(8 * parameterBytes);
  expect(after.peakBytes).toBeLessThan(Math.max(before.peakBytes, before.liveBytes + 8 * parameterBytes) + 1);
  expect(parameterBytes * 8).toBeLessThan(1_000_000 * 64 * 4);
});

it('evaluates shapes that no machine could hold', () => {
  const net = new nn.Sequential(new nn.Dense(8, { activation: 'tanh' }), new nn.Dense(2));
  expect(net.outputShape([2 ** 40, 16])).toEqual([2 ** 40, 2]);
});

class Watched extends nn.Block {
  hidden = new nn.Dense(5);
  passes: boolean[] = [];
  kept: Tensor | null = null;
  forward(x: Tensor): Tensor {
    this.passes.push(nn.isShapePass());
    const h = this.hidden(x);
    if (nn.isShapePass()) this.kept = h;
    return h.relu();
  }
}

it('runs a forward twice on the first call and once afterwards, and says which', () => {
  const net = new Watched();
  net.initialize();
  expect(nn.isShapePass()).toBe(false);
  net(batch());
  expect(net.passes).toEqual([true, false]);
  net(batch());
  expect(net.passes).toEqual([true, false, false]);
});

it.each<[string, (t: Tensor) => unknown]>([
  ['toArray', t => t.toArray()],
  ['an operation', t => t.add(1)],
  ['toTypedArray', t => t.toTypedArray()],
  ['copyFrom', t => t.copyFrom(batch(4, 5))],
  ['set', t => t.set([0, 0], 1)],
  ['copying out of it', t => batch(4, 5).copyFrom(t)],
  ['being the second operand', t => batch(4, 5).add(t)],
  ['a view', t => t.transpose()],
])('a tensor kept beyond its pass raises on %s', (_, use) => {
  const net = new Watched();
  net.initialize();
  net(batch());
  const kept = net.kept as Tensor;
  const error = thrown(() => use(kept));
  expect(error).toBeInstanceOf(DisposedError);
  expect(error.message).toContain('kept beyond it');
  expect(error.message).toContain('isShapePass');
});

it('a tensor kept from one pass raises in the next', () => {
  let kept: Tensor | null = null;
  const first = new nn.Sequential(
    new nn.Dense(5),
    new nn.Lambda(x => {
      if (nn.isShapePass()) kept = x;
      return x;
    }),
  );
  first.initialize();
  first(batch());
  const second = new nn.Sequential(new nn.Dense(5), new nn.Lambda(x => x.add(kept as Tensor)));
  second.initialize();
  expect(() => second(batch())).toThrow(DisposedError);
  expect(second[0].weight.state).toBe('deferred');
});

it('an abstract tensor prints without raising', () => {
  const net = new Watched();
  net.initialize();
  net(batch());
  expect(inspect(net.kept)).toContain('abstract');
});

/** Forwards that want a value; each gives the same numbers as its twin that never sees a pass. */
const readers: [string, (h: Tensor, outer: Tensor) => Tensor][] = [
  ['item()', h => h.mul(h.sum().item() as number)],
  ['toArray()', h => h.mul((h.toArray() as number[][])[0]![0]!)],
  ['toTypedArray()', h => h.mul(h.toTypedArray()[1] as number)],
  ['data-dependent control flow', h => ((h.max().item() as number) > 0 ? h.relu() : h.neg())],
  [
    'a read that is swallowed',
    h => {
      let factor = 1;
      try {
        factor = h.sum().item() as number;
      } catch {}
      return h.mul(factor);
    },
  ],
  [
    'a read that is swallowed and answered by a tensor of another shape',
    h => {
      try {
        h.toArray();
        return h;
      } catch {
        return zeros([h.shape[0] as number, 77]);
      }
    },
  ],
  ['a write to a tensor from outside', (h, outer) => h.add(outer.copyFrom(h.mean({ axis: 0 })))],
  ['set on a tensor from outside', (h, outer) => h.add(outer.set(1, 3))],
];

describe.each(readers)('a forward with %s', (_, use) => {
  const build = (outer: Tensor, optOut: boolean) => {
    class Reads extends nn.Block {
      static shapePass = !optOut;
      hidden = new nn.Dense(5);
      out = new nn.Dense(3);
      forward(x: Tensor): Tensor {
        return this.out(use(this.hidden(x), outer));
      }
    }
    return new Reads();
  };

  it('refuses the pass, and the real forward makes the parameters ready', () => {
    const results = [false, true].map(optOut => {
      random.seed(8);
      const outer = tensor(values(5, 2));
      const net = build(outer, optOut);
      net.initialize();
      const y = net(batch());
      expect(net.out.weight.shape).toEqual([3, 5]);
      return { y: bits(y), outer: bits(outer), ...allBits(net) };
    });
    expect(results[0]).toEqual(results[1]);
  });

  it('is rolled back as a whole when it fails after', () => {
    const outer = tensor(values(5, 2));
    const before = bits(outer);
    const net = build(outer, false);
    const broken = new nn.Sequential(net, new nn.Dense(2, { inUnits: 4 })) as nn.Sequential;
    broken.initialize();
    const ready = bits(broken.get(1, nn.Dense).weight.data());
    expect(() => broken(batch())).toThrow(ShapeError);
    expect(net.hidden.weight.state).toBe('deferred');
    expect(net.hidden.weight.shape).toEqual([5, -1]);
    expect(net.out.weight.shape).toEqual([3, -1]);
    expect(bits(outer)).toBe(before);
    expect(bits(broken.get(1, nn.Dense).weight.data())).toBe(ready);
  });

  it('cannot be settled by inferShape, which says so', () => {
    const net = build(tensor(values(5, 2)), false);
    net.initialize();
    expect(() => net.inferShape([4, 6])).toThrow(/pass a batch instead/);
    expect(net.hidden.weight.state).toBe('deferred');
    expect(net.hidden.weight.shape).toEqual([5, -1]);
  });
});

it('static shapePass = false runs a forward once', () => {
  class Once extends Watched {
    static shapePass = false;
  }
  const net = new Once();
  net.initialize();
  net(batch());
  expect(net.passes).toEqual([false]);
  const twin = new Once();
  twin.initialize();
  expect(() => twin.inferShape([4, 6])).toThrow(/opts out/);
});

it('opting out anywhere below opts the whole net out', () => {
  class Out extends nn.Block {
    static shapePass = false;
    forward(x: Tensor): Tensor {
      return x.relu();
    }
  }
  const seen: boolean[] = [];
  const net = new nn.Sequential(
    new nn.Lambda(x => {
      seen.push(nn.isShapePass());
      return x;
    }),
    new nn.Dense(3),
    new nn.Sequential(new Out()),
  );
  net.initialize();
  net(batch());
  expect(seen).toEqual([false]);
});

it('tensors made before the pass may be read in it', () => {
  const scale = tensor([3]);
  const passes: boolean[] = [];
  const net = new nn.Sequential(
    new nn.Dense(4),
    new nn.Lambda(x => {
      passes.push(nn.isShapePass());
      return x.mul(scale.item() as number);
    }),
  );
  net.initialize();
  net(batch());
  expect(passes).toEqual([true, false]);
});

it('creation functions answer abstractly and no stream moves', () => {
  const probe = () => bits(random.uniform([8]));
  const net = new nn.Sequential(
    new nn.Dense(4),
    new nn.Lambda(x =>
      x
        .add(random.normal([4]))
        .add(zeros([1]))
        .add(tensor([1, 2, 3, 4])),
    ),
  );
  net.initialize();
  random.seed(5);
  const untouched = probe();
  random.seed(5);
  net.inferShape([2, 6]);
  expect(probe()).toBe(untouched);
});

it('training leaves no trace of the pass on the tape or in dropout', () => {
  const run = (first: boolean) => {
    random.seed(11);
    const net = new nn.Sequential(new nn.Dense(6), new nn.Dropout(0.5), new nn.Dense(2));
    net.initialize();
    if (first) net.inferShape([4, 6]);
    const x = batch();
    const y = autograd.record(() => net(x));
    y.backward();
    return [bits(y), ...[...net.collectParams().values()].map(p => bits(p.grad()))];
  };
  const deferred = run(false);
  expect(deferred).toEqual(run(true));
  for (const gradient of deferred.slice(1)) expect(gradient).not.toBe('');
});

it('first gradients include every parameter', () => {
  const net = new nn.Sequential(new nn.Dense(6, { activation: 'tanh' }), new nn.Dense(2));
  net.initialize({ init: new init.Normal(0.5) });
  autograd.record(() => net(batch())).backward();
  for (const parameter of net.collectParams().values()) {
    expect(parameter.grad().abs().sum().item()).toBeGreaterThan(0);
  }
});

it('a forward may ask for a gradient on its first call', () => {
  class Peeks extends nn.Block {
    hidden = new nn.Dense(5);
    forward(x: Tensor): Tensor {
      const h = this.hidden(x);
      return h.add(this.hidden.weight.grad().sum({ axis: 1 }));
    }
  }
  const net = new Peeks();
  net.initialize();
  expect(net(batch()).shape).toEqual([4, 5]);
});

it('setData in a forward counts, and is rolled back with it', () => {
  const given = tensor(values(3, 5));
  class Sets extends nn.Block {
    shift = new nn.Parameter({ shape: [-1] });
    out: nn.Dense;
    constructor(inUnits?: number) {
      super();
      this.out = inUnits === undefined ? new nn.Dense(2) : (new nn.Dense(2, { inUnits }) as nn.Dense);
    }
    forward(x: Tensor): Tensor {
      this.shift.setData(given);
      return this.out(x.add(this.shift.data()));
    }
  }
  const net = new Sets();
  net.initialize();
  net(batch(4, 3));
  expect(bits(net.shift.data())).toBe(bits(given));
  const broken = new Sets(7);
  broken.initialize();
  expect(() => broken(batch(4, 3))).toThrow(ShapeError);
  expect(broken.shift.state).toBe('deferred');
  expect(broken.shift.shape).toEqual([-1]);
});

it('onReady fires after the whole call has succeeded', () => {
  const seen: string[] = [];
  let fail = true;
  const net = new nn.Sequential(
    new nn.Dense(4),
    new nn.Lambda(x => {
      if (!nn.isShapePass()) {
        seen.push('forward');
        if (fail) throw new RangeError('not yet');
      }
      return x;
    }),
  );
  net[0].weight.onReady(() => seen.push(`ready ${net[0].weight.state}`));
  net.initialize();
  expect(() => net(batch())).toThrow(RangeError);
  expect(seen).toEqual(['forward']);
  fail = false;
  net(batch());
  expect(seen).toEqual(['forward', 'forward', 'ready ready']);
  net(batch());
  expect(seen).toHaveLength(4);
});

it('onReady does not fire for a value that a refused pass took back', () => {
  const given = tensor(values(3, 5));
  let fired = 0;
  class Sets extends nn.Block {
    shift = new nn.Parameter({ shape: [-1] });
    out = new nn.Dense(2);
    forward(x: Tensor): Tensor {
      if (nn.isShapePass()) {
        this.shift.setData(given);
        x.sum().item();
      }
      return this.out(x);
    }
  }
  const net = new Sets();
  net.shift.onReady(() => fired++);
  net.initialize();
  net(batch());
  expect(net.shift.state).toBe('deferred');
  expect(fired).toBe(0);
});

it('several inputs, other values and structured outputs pass through', () => {
  class Many extends nn.Block {
    left = new nn.Dense(3);
    right = new nn.Dense(4);
    forward(pair: { a: Tensor; b: Tensor[] }, scale: number, label: string): { sum: Tensor; parts: Tensor[] } {
      expect(label).toBe('label');
      const parts = [this.left(pair.a), ...pair.b.map(t => this.right(t))];
      return { sum: (parts[0] as Tensor).mul(scale), parts };
    }
  }
  const net = new Many();
  net.initialize();
  const out = net({ a: batch(2, 6), b: [batch(2, 7)] }, 2, 'label');
  expect(out.parts.map(t => t.shape)).toEqual([
    [2, 3],
    [2, 4],
  ]);
  expect(net.right.weight.shape).toEqual([4, 7]);
});
