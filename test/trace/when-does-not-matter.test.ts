import {
  autograd,
  getNumThreads,
  init,
  loss,
  nn,
  random,
  setNumThreads,
  type Tensor,
  Trainer,
  tensor,
} from '../../lib/index.js';
import { allBits, bits, values } from '../support/nn-helpers.js';

const rows = 16;
const x = tensor(values(rows * 12), { shape: [rows, 12] });
const labels = tensor(Int32Array.from({ length: rows }, (_, i) => (i * 7) % 5));

class Drawn extends init.Initializer {
  override initWeight(_name: string, data: Tensor): void {
    const noise = random.normal([...data.shape], { std: 0.3 });
    data.copyFrom(noise.add(random.uniform([data.shape[1] as number], { high: 0.01 })));
  }
}

/** The same three layers, however their sizes come to be known. */
class Net extends nn.Block {
  first: nn.Dense;
  drop = new nn.Dropout(0.2);
  second: nn.Dense;
  third: nn.Dense;
  constructor(given: boolean) {
    super();
    const size = (inUnits: number) => (given ? { inUnits } : {});
    this.first = new nn.Dense(24, { activation: 'relu', ...size(12) }) as nn.Dense;
    this.second = new nn.Dense(16, { activation: 'tanh', ...size(12) }) as nn.Dense;
    this.third = new nn.Dense(5, size(16)) as nn.Dense;
  }
  forward(input: Tensor): Tensor {
    const a = this.drop(this.first(input));
    const b = this.second(input);
    return this.third(b.mul(a.slice(null, [0, 16])));
  }
}

/** Its layers run, and therefore settle, in another order than they are defined in. */
class Reordered extends Net {
  override forward(input: Tensor): Tensor {
    const b = this.second(input);
    const a = this.drop(this.first(input));
    return this.third(b.mul(a.slice(null, [0, 16])));
  }
}

class OptedOut extends Reordered {
  static shapePass = false;
}

const ways: Record<string, () => Net> = {
  deferred: () => new Net(false),
  'every size given': () => new Net(true),
  'layers run in another order': () => new Reordered(false),
  'no shape pass': () => new OptedOut(false),
};

type Settle = (net: Net) => void;
const settles: Record<string, Settle> = {
  'by the first batch': () => {},
  'by inferShape': net => net.inferShape([3, 12]),
  'by a layer called on its own first': net => {
    net.third(tensor(values(32), { shape: [2, 16] }));
  },
};

const initializers: Record<string, () => nn.InitializeOptions> = {
  default: () => ({}),
  xavier: () => ({ init: 'xavier' }),
  "a user's own with random.normal": () => ({ init: new Drawn() }),
};

const optimizers: Record<string, (net: nn.Block) => Trainer> = {
  'SGD with momentum': net => new Trainer(net.collectParams(), 'sgd', { learningRate: 0.05, momentum: 0.9 }),
  Adam: net => new Trainer(net.collectParams(), 'adam', { learningRate: 0.01 }),
};

function train(net: Net, optimizer: (net: nn.Block) => Trainer, steps: number): Record<string, string> {
  const trainer = optimizer(net);
  const criterion = new loss.SoftmaxCrossEntropy();
  for (let i = 0; i < steps; i++) {
    autograd.record(() => criterion(net(x), labels)).backward();
    trainer.step(rows);
  }
  return allBits(net);
}

const threads = getNumThreads();
afterAll(() => setNumThreads(threads));

describe.each(Object.keys(initializers))('with initializer %s', name => {
  const first = (build: () => Net, settle: Settle, count = 1) => {
    random.seed(77);
    setNumThreads(count);
    const net = build();
    net.initialize(initializers[name]!());
    settle(net);
    const y = net(x);
    return { y: bits(y), ...allBits(net) };
  };
  const expected = () => first(ways.deferred!, () => {});

  it('first values do not depend on how sizes came to be known', () => {
    const wanted = expected();
    for (const [way, build] of Object.entries(ways)) {
      for (const [how, settle] of Object.entries(settles)) {
        if (way === 'no shape pass' && how === 'by inferShape') continue;
        for (const count of [1, 2, 4]) expect([way, how, first(build, settle, count)]).toEqual([way, how, wanted]);
      }
    }
    expect(new Set(Object.values(wanted)).size).toBeGreaterThan(4);
  });

  it.each(Object.keys(optimizers))('100 steps of %s end in the same bits', optimizer => {
    const run = (build: () => Net, settle: Settle, count: number) => {
      random.seed(78);
      setNumThreads(count);
      const net = build();
      net.initialize(initializers[name]!());
      settle(net);
      return train(net, optimizers[optimizer]!, 100);
    };
    const wanted = run(ways.deferred!, () => {}, 1);
    expect(wanted).not.toEqual(expected());
    for (const count of [2, 4]) expect(run(ways.deferred!, () => {}, count)).toEqual(wanted);
    expect(run(ways['every size given']!, () => {}, 2)).toEqual(wanted);
    expect(run(ways['layers run in another order']!, () => {}, 1)).toEqual(wanted);
    expect(run(ways['no shape pass']!, () => {}, 1)).toEqual(wanted);
    expect(run(ways.deferred!, settles['by inferShape']!, 4)).toEqual(wanted);
  });
});

describe('the count of initialize calls', () => {
  const draw = (before: () => void) => {
    random.seed(5);
    before();
    const net = new nn.Sequential(new nn.Dense(4, { inUnits: 3 }));
    net.initialize();
    return bits(net[0].weight.data());
  };
  const other = () => new nn.Sequential(new nn.Dense(2, { inUnits: 2 }));

  it('gives each call other numbers', () => {
    const none = draw(() => {});
    const one = draw(() => other().initialize());
    const two = draw(() => {
      other().initialize();
      other().initialize();
    });
    expect(new Set([none, one, two]).size).toBe(3);
    expect(draw(() => {})).toBe(none);
  });

  it('counts a call that finds nothing to do', () => {
    const net = other();
    net.initialize();
    const spy = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const idle = draw(() => net.initialize());
    spy.mockRestore();
    expect(idle).toBe(draw(() => other().initialize()));
    expect(draw(() => new nn.Identity().initialize())).toBe(idle);
  });

  it('does not count one that failed', () => {
    class Fails extends init.Initializer {
      override initWeight(): void {
        throw new RangeError('no');
      }
    }
    const failed = draw(() => expect(() => other().initialize({ init: new Fails() })).toThrow(RangeError));
    expect(failed).toBe(draw(() => {}));
  });

  it('keys values by it, not by the time at which they are drawn', () => {
    random.seed(6);
    const [a, b] = [new nn.Sequential(new nn.Dense(4)), new nn.Sequential(new nn.Dense(4))];
    a.initialize();
    b.initialize();
    b.inferShape([1, 3]);
    a.inferShape([1, 3]);
    random.seed(6);
    const [c, d] = [new nn.Sequential(new nn.Dense(4)), new nn.Sequential(new nn.Dense(4))];
    c.initialize();
    c.inferShape([1, 3]);
    d.initialize();
    d.inferShape([1, 3]);
    expect(allBits(a)).toEqual(allBits(c));
    expect(allBits(b)).toEqual(allBits(d));
    expect(allBits(a)).not.toEqual(allBits(b));
  });

  it('keys values by the seed of the initialize call, whatever is seeded before the first batch', () => {
    const first = (inUnits: number | undefined, later: number) => {
      random.seed(5);
      const layer = new nn.Dense(3, { inUnits });
      layer.initialize();
      random.seed(later);
      layer(tensor([[1, 2]]));
      return bits(layer.weight.data());
    };
    const known = first(2, 5);
    expect([first(undefined, 5), first(undefined, 6), first(2, 7)]).toEqual([known, known, known]);
  });

  it('draws anew with forceReinit, and again the same from the same count', () => {
    const twice = () => {
      random.seed(9);
      const net = new nn.Sequential(new nn.Dense(4, { inUnits: 3 }));
      net.initialize();
      const before = bits(net[0].weight.data());
      const lasting = net[0].weight.data();
      net.initialize({ forceReinit: true });
      expect(net[0].weight.data()).toBe(lasting);
      return [before, bits(lasting)];
    };
    const [a, b] = twice();
    expect(a).not.toBe(b);
    expect(twice()).toEqual([a, b]);
  });
});

it('the seed alone decides: another seed gives other values, and paths differ from one another', () => {
  const draw = (seed: number) => {
    random.seed(seed);
    const net = new nn.Sequential(new nn.Dense(3, { inUnits: 3 }), new nn.Dense(3, { inUnits: 3 }));
    net.initialize();
    return allBits(net);
  };
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)['0.weight']).not.toBe(draw(2)['0.weight']);
  expect(draw(1)['0.weight']).not.toBe(draw(1)['1.weight']);
});

it('initialization does not move the default stream, whenever it happens', () => {
  const drawn = (act: () => void) => {
    random.seed(31);
    random.uniform([5]);
    act();
    return bits(random.normal([6]));
  };
  const untouched = drawn(() => {});
  const act = (options: nn.InitializeOptions, given: boolean) => () => {
    const net = new Net(given);
    net.initialize(options);
    autograd.predictMode(() => net(x));
    net.initialize({ ...options, forceReinit: true });
  };
  expect(drawn(act({}, false))).toBe(untouched);
  expect(drawn(act({ init: new Drawn() }, false))).toBe(untouched);
  expect(drawn(act({ init: new Drawn() }, true))).toBe(untouched);
});

it('a shared parameter is keyed by its first path', () => {
  random.seed(14);
  const tied = (() => {
    const first = new nn.Dense(4);
    return new nn.Sequential(first, new nn.Dense(4, { params: first.params })) as nn.Sequential;
  })();
  tied.initialize();
  tied(tensor(values(8), { shape: [2, 4] }));
  random.seed(14);
  const plain = new nn.Sequential(new nn.Dense(4));
  plain.initialize();
  plain(tensor(values(8), { shape: [2, 4] }));
  expect(bits(tied.get(1, nn.Dense).weight.data())).toBe(bits(plain[0].weight.data()));
});

it('patterns of Mixed mean paths from the block that was initialized, whichever block runs first', () => {
  const build = () => {
    const net = new nn.Sequential(new nn.Dense(4), new nn.Dense(3));
    net.initialize({
      init: new init.Mixed([
        [/^0\.weight$/, new init.Constant(0.5)],
        [/./, new init.Constant(-2)],
      ]),
    });
    return net;
  };
  const whole = build();
  whole(tensor(values(8), { shape: [2, 4] }));
  const alone = build();
  alone[0](tensor(values(8), { shape: [2, 4] }));
  expect(whole[0].weight.data().mean().item()).toBe(0.5);
  expect(bits(alone[0].weight.data())).toBe(bits(whole[0].weight.data()));
});
