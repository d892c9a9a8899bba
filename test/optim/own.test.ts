import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ArgumentError,
  autograd,
  compileStep,
  loss,
  nn,
  optim,
  random,
  type Tensor,
  Trainer,
} from '../../lib/index.js';
import { expectError } from '../support/errors.js';
import { allBits, thrown } from '../support/nn-helpers.js';

/** The library's SGD with momentum, written as a user writes an optimizer. */
class OwnSGD extends optim.Optimizer<'momentum'> {
  protected override readonly state = { momentum: 0 };
  protected override rule({ weight, gradient, state, rate, decay }: optim.Update<'momentum'>) {
    const momentum = state.momentum.mul(0.9).add(gradient.add(weight.mul(decay))) as Tensor;
    return { momentum, weight: weight.sub(momentum.mul(rate)) as Tensor };
  }
}

/** The library's AdamW. */
class OwnAdamW extends optim.Optimizer<'m' | 'v'> {
  protected override readonly state = { m: 0, v: 0 };
  protected override rule({ weight, gradient, state, rate, decay, steps }: optim.Update<'m' | 'v'>) {
    const m = state.m.mul(0.9).add(gradient.mul(0.1)) as Tensor;
    const v = state.v.mul(0.999).add(gradient.square().mul(0.001)) as Tensor;
    const [first, second] = [m.div(1 - 0.9 ** (steps + 1)), v.div(1 - 0.999 ** (steps + 1))];
    const moved = weight.sub(weight.mul(rate * decay)).sub(first.div(second.sqrt().add(1e-8)).mul(rate));
    return { m, v, weight: moved as Tensor };
  }
}

type Loss = (pred: Tensor, label: Tensor) => Tensor;

/** A net with everything that a step treats apart: running statistics, dropout, a table, multipliers of its own. */
function parts(make: () => optim.Optimizer, settings: { clipNorm?: number } = {}) {
  random.seed(5);
  const net = new nn.Sequential(
    new nn.Embedding(20, 6),
    new nn.Flatten(),
    new nn.Dense(7, { activation: 'tanh' }),
    new nn.BatchNorm(),
    new nn.Dropout(0.3),
    new nn.Dense(1),
  );
  net.initialize();
  net.cast('float64');
  net.collectParams(/2\.weight/).setAttr('lrMult', 0.5);
  net.collectParams(/bias/).setAttr('wdMult', 0);
  const trainer = new Trainer(net.collectParams(), make(), settings);
  const x = random.randint(0, 20, [8, 3]);
  const y = random.normal([8, 1], { dtype: 'float64' });
  const l2 = new loss.L2() as unknown as Loss;
  const byHand = () => {
    autograd.record(() => l2(net(x) as Tensor, y)).backward();
    trainer.step(8);
  };
  return { net: net as unknown as nn.Block, trainer, x, y, byHand, step: compileStep(net, l2, trainer) };
}

function weights(net: nn.Block): number[] {
  return [...net.collectParams()].flatMap(([, p]) => [...(p.data().toTypedArray() as Float64Array)]);
}

const scheduler = () => new optim.FactorScheduler({ step: 2, factor: 0.5 });
const cases: [string, () => optim.Optimizer, () => optim.Optimizer][] = [
  [
    'SGD',
    () => new OwnSGD('OwnSGD', { learningRate: 0.1, weightDecay: 0.01, scheduler: scheduler() }),
    () => new optim.SGD({ momentum: 0.9, learningRate: 0.1, weightDecay: 0.01, scheduler: scheduler() }),
  ],
  [
    'AdamW, gradients clipped',
    () => new OwnAdamW('OwnAdamW', { weightDecay: 0.01, clipGradient: 0.02 }, 0.001),
    () => new optim.AdamW({ clipGradient: 0.02 }),
  ],
];

describe.each(cases)('an optimizer of a user, as %s', (_, own, ours) => {
  test.each([{}, { clipNorm: 0.05 }])('trains as the native one, with %p', settings => {
    const [a, b] = [parts(own, settings), parts(ours, settings)];
    for (let i = 0; i < 6; i++) {
      for (const one of [a, b]) {
        random.seed(i);
        one.byHand();
      }
      expect(a.trainer.gradientNorm === null).toBe(b.trainer.gradientNorm === null);
      if (b.trainer.gradientNorm !== null) expect(a.trainer.gradientNorm).toBeCloseTo(b.trainer.gradientNorm, 10);
    }
    const expected = weights(b.net);
    weights(a.net).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] as number, 12);
    });
  });

  test('trains in compiled steps as by hand, to the bit', () => {
    const [a, b] = [parts(own, { clipNorm: 0.05 }), parts(own, { clipNorm: 0.05 })];
    for (let i = 0; i < 4; i++) {
      random.seed(i);
      a.byHand();
      random.seed(i);
      b.step(b.x, b.y);
    }
    expect(allBits(b.net)).toEqual(allBits(a.net));
    expect(b.trainer.optimizer.updates).toBe(4);
  });

  test('goes on from its saved states as if it had not stopped', () => {
    const folder = mkdtempSync(join(tmpdir(), 'latent-'));
    try {
      const [whole, first, second] = [parts(own), parts(own), parts(own)];
      for (let i = 0; i < 6; i++) {
        random.seed(i);
        whole.byHand();
        random.seed(i);
        if (i < 3) first.byHand();
        if (i === 2) {
          first.trainer.saveStates(join(folder, 'states'));
          second.net(second.x as never);
          second.net.fromBytes(first.net.toBytes());
          second.trainer.loadStates(join(folder, 'states'));
        }
        if (i > 2) {
          random.seed(i);
          second.byHand();
        }
      }
      expect(allBits(second.net)).toEqual(allBits(whole.net));
      expect(() => parts(() => new optim.SGD()).trainer.loadStates(join(folder, 'states'))).toThrow(/is of Own/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a rule that fails', () => {
  class Fails extends optim.Optimizer<'seen'> {
    failing: ((update: optim.Update<'seen'>) => unknown) | null = null;
    calls = 0;
    protected override readonly state = { seen: 1 };
    protected override rule(update: optim.Update<'seen'>) {
      const { weight, gradient, state, rate } = update;
      const noise = random.normal(weight.shape, { dtype: 'float64' }) as Tensor;
      if (++this.calls % 4 === 3 && this.failing !== null) return this.failing(update) as never;
      return { weight: weight.sub(gradient.add(noise).mul(rate)) as Tensor, seen: state.seen.add(1) as Tensor };
    }
  }
  const failures: [string, (update: optim.Update<'seen'>) => unknown, RegExp][] = [
    [
      'by an error of its own',
      () => {
        throw new Error('not now');
      },
      /^not now$/,
    ],
    [
      'with nothing',
      () => undefined,
      /^Fails\.rule must return \{ weight, seen \}, .*for 2\.bias .float64 of shape \[7\]. weight is undefined/,
    ],
    ['without its state', ({ weight }) => ({ weight }), /seen is undefined/],
    ['with a sum', ({ weight, state }) => ({ weight: weight.sum(), ...state }), /weight is float64 of shape \[\]/],
    [
      'with another dtype',
      ({ weight, state }) => ({ weight, seen: state.seen.cast('float32') }),
      /seen is float32 of shape/,
    ],
    [
      'after writing to what it was given',
      ({ weight, gradient, state }) => {
        weight.copyFrom(gradient);
        state.seen.copyFrom(gradient);
        throw new Error('not now');
      },
      /^not now$/,
    ],
  ];

  test.each(failures)('%s changes nothing', (_, failing, message) => {
    const fails = new Fails();
    const { net, trainer, byHand, step, x, y } = parts(() => fails);
    byHand();
    const state = () => [
      allBits(net),
      trainer.optimizer.updates,
      [...net.collectParams()].map(([, p]) => {
        const kept = fails.stateOf(p);
        return [kept?.steps, [...((kept?.kept.seen?.toTypedArray() as Float64Array | undefined) ?? [])]];
      }),
    ];
    const before = state();
    fails.failing = failing;
    for (const call of [byHand, () => step(x, y)]) {
      // The running statistics of a forward by hand are its own.
      const kept = call === byHand ? net.toBytes() : null;
      random.seed(9);
      fails.calls = 0;
      expect(thrown(call).message).toMatch(message);
      if (kept !== null) net.fromBytes(kept);
      expect(state()).toEqual(before);
    }
    const next = random.uniform([1]).item();
    random.seed(9);
    expect(next).toBe(random.uniform([1]).item());
    fails.failing = null;
    step(x, y);
    expect(trainer.optimizer.updates).toBe(2);
  });
});

test('a state that comes later begins then, one called weight is refused, and a getter counts', () => {
  const make = (optimizer: optim.Optimizer) => {
    const net = new nn.Dense(1);
    net.initialize({ init: 'ones' });
    const trainer = new Trainer(net.collectParams(), optimizer);
    const x = random.normal([4, 2]);
    return {
      net,
      step: () => {
        autograd.record(() => net(x).sum()).backward();
        trainer.step(4);
      },
    };
  };
  class Grows extends optim.Optimizer {
    protected override state: Record<string, number> = {};
    grow() {
      this.state = { m: 5 };
    }
    protected override rule({ weight, gradient, state }: optim.Update) {
      const { m } = state;
      return { weight: weight.sub(gradient) as Tensor, ...(m !== undefined && { m: m.add(1) as Tensor }) } as never;
    }
  }
  const grows = new Grows();
  const { net, step } = make(grows);
  step();
  grows.grow();
  step();
  expect(grows.stateOf(net.bias as nn.Parameter)?.kept.m?.toArray()).toEqual([6]);
  class Clash extends optim.Optimizer<'weight'> {
    protected override readonly state = { weight: 0 };
    protected override rule({ weight }: optim.Update<'weight'>) {
      return { weight };
    }
  }
  expectError(make(new Clash()).step, ArgumentError, "Clash: 'weight' is the weight's own name");
  class Disposes extends optim.Optimizer {
    calls = 0;
    protected override rule({ weight }: optim.Update) {
      const moved = weight.add(1) as Tensor;
      if (++this.calls === 2) moved.dispose();
      return { weight: moved };
    }
  }
  const disposing = make(new Disposes());
  disposing.net(random.normal([1, 2]));
  const before = allBits(disposing.net as unknown as nn.Block);
  expect(thrown(disposing.step).message).toMatch(/dispose/);
  expect(allBits(disposing.net as unknown as nn.Block)).toEqual(before);
});

test('frozen parameters, those with lrMult 0 and gradients that add up are as in the native one', () => {
  const run = (optimizer: optim.Optimizer) => {
    random.seed(4);
    const net = new nn.Sequential(new nn.Dense(3), new nn.Dense(3), new nn.Dense(2));
    net.initialize();
    const [x, y] = [random.normal([6, 4]), random.normal([6, 2])];
    net(x);
    net[0].weight.gradReq = 'null';
    net[1].weight.lrMult = 0;
    net[2].weight.gradReq = 'add';
    const trainer = new Trainer(net.collectParams(), optimizer, { clipNorm: 0.5 });
    const l2 = new loss.L2();
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 2; j++) autograd.record(() => l2(net(x), y)).backward();
      trainer.step(6);
      trainer.zeroGrad();
    }
    return [net, optimizer] as const;
  };
  const [a, own] = run(new OwnSGD('OwnSGD', { learningRate: 0.1 }));
  const [b] = run(new optim.SGD({ learningRate: 0.1, momentum: 0.9 }));
  const expected = weights(b as unknown as nn.Block);
  weights(a as unknown as nn.Block).forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i] as number, 5);
  });
  expect(own.stateOf(a[0].weight)).toBe(null);
  expect(own.stateOf(a[1].weight)).toBe(null);
  expect(own.stateOf(a[2].weight)?.steps).toBe(3);
});

test('a rule may answer with what it was given', () => {
  class Swaps extends optim.Optimizer<'other'> {
    protected override readonly state = { other: 7 };
    protected override rule({ weight, gradient, state: { other } }: optim.Update<'other'>) {
      return { weight: other, other: gradient.mul(0).add(weight) as Tensor };
    }
  }
  class Hands extends optim.Optimizer<'other' | 'last'> {
    protected override readonly state = { other: 7, last: 3 };
    protected override rule({ weight, gradient, state: { other } }: optim.Update<'other' | 'last'>) {
      return { weight: other, other: weight, last: gradient };
    }
  }
  for (const make of [() => new Swaps(), () => new Hands()]) {
    const net = new nn.Dense(1, { useBias: false });
    net.initialize({ init: 'ones' });
    const trainer = new Trainer(net.collectParams(), make());
    const x = random.normal([4, 2]);
    const seen = [1, 2, 3].map(() => {
      autograd.record(() => net(x).sum()).backward();
      trainer.step(2);
      return net.weight.data().toArray();
    });
    expect(seen).toEqual([[[7, 7]], [[1, 1]], [[7, 7]]]);
    const { last } = trainer.optimizer.stateOf(net.weight)?.kept ?? {};
    if (last !== undefined) expect(last.toArray()).toEqual(net.weight.grad().mul(0.5).toArray());
  }
});

test('what it needs, and how it prints', () => {
  expectError(() => new (optim.Optimizer as unknown as new () => unknown)(), ArgumentError, 'extend it, or make one');
  class Nothing extends optim.Optimizer {}
  const net = new nn.Dense(1);
  net.initialize();
  const trainer = new Trainer(net.collectParams(), new Nothing());
  autograd.record(() => net(random.normal([2, 3])).sum()).backward();
  expectError(() => trainer.step(2), ArgumentError, 'Nothing has no rule; define rule({ weight, gradient');
  expectError(() => new OwnSGD(undefined, { learningRate: -1 }), ArgumentError, 'OwnSGD: learningRate');
  expectError(() => new OwnSGD('OwnSGD', { learningrate: 1 } as never), ArgumentError, "'learningrate'");
  expectError(() => new OwnSGD({ learningRate: 1 } as never), ArgumentError, 'OwnSGD: its name in messages, before');
  class Told extends OwnSGD {
    protected override get settings() {
      return { momentum: 0.9 };
    }
  }
  expect(`${new Told('Told', { learningRate: 0.5, clipGradient: 2 })}`).toBe(
    'Told(learningRate=0.5, momentum=0.9, weightDecay=0, clipGradient=2)',
  );
  expect(`${trainer}`).toBe('Trainer(Nothing(learningRate=0.01, weightDecay=0), 2 parameters)');
});
