import {
  autograd,
  compileStep,
  LatentError,
  nn,
  OutOfMemoryError,
  random,
  type Tensor,
  Trainer,
  tensor,
} from '../../lib/index.js';
import { session } from '../../lib/native/register.js';
import { generators, programGenerator } from '../../lib/random/generator.js';
import { initializeCount } from '../../lib/random/initialize-count.js';
import { runWell } from '../support/child.js';
import { bits, thrown, values } from '../support/nn-helpers.js';
import {
  buildNet,
  type Fault,
  planNet,
  statisticsOf,
  ThrowingInit,
  UserError,
  withFault,
} from '../support/nn-random-nets.js';
import { full, makeRandom } from '../support/random.js';

const streamPlace = () => `${programGenerator().seed}@${generators.position(programGenerator())}`;

/** Everything that a failed call must leave as it was. */
function stateOf(net: nn.Block): unknown {
  return {
    parameters: [...net.collectParams()].map(([path, p]) => [
      path,
      p.name,
      p.state,
      [...p.shape],
      p.state === 'ready' ? bits(p.data()) : null,
      p.state === 'ready' && p.gradReq !== 'null' ? bits(p.grad()) : null,
    ]),
    statistics: statisticsOf(net).map(bits),
    count: initializeCount(),
    stream: streamPlace(),
  };
}

const faults = [
  'narrow',
  'operands',
  'throw in the pass',
  'throw in the forward',
  'read and throw',
  'initializer',
  'memory',
  'dtype',
] as const;

function runCase(n: number): string {
  const r = makeRandom(n);
  const kind = faults[n % faults.length]!;
  const inNet = kind === 'initializer' || kind === 'memory' || kind === 'dtype' ? 'none' : kind;
  const fault: Fault = { active: false, kind: inNet };
  const plan = withFault(planNet(r), r.int(0, 9), fault);
  const seed = r.int(0, 2 ** 30);
  const recorded = r.next() < 0.5;
  const throwAt = r.int(1, 4);
  const refuseAt = r.int(1, 40);
  const x = tensor(
    values(
      plan.input.reduce((a, b) => a * b, 1),
      n,
    ),
    { shape: plan.input },
  );
  const call = (net: nn.Sequential, input: Tensor): Tensor =>
    recorded ? autograd.record(() => net(input)) : autograd.trainMode(() => net(input));

  const start = () => {
    random.seed(seed);
    const initializer = new ThrowingInit();
    const net = buildNet(plan, fault);
    net.initialize({ init: initializer });
    for (const p of net.collectParams().values()) {
      if (p.state === 'ready') autograd.record(() => p.data().mul(p.data()).sum()).backward();
    }
    random.uniform([3]);
    return { net, initializer };
  };

  const { net, initializer } = start();
  const before = stateOf(net);
  if (kind === 'initializer') initializer.throwAt = initializer.calls + throwAt;
  fault.active = true;
  let failed: unknown = null;
  try {
    if (kind === 'memory') session.refuseAllocation(refuseAt, 1);
    call(net, kind === 'dtype' ? x.cast('float64') : x);
  } catch (error) {
    failed = error;
  } finally {
    session.refuseAllocation(0, 0);
    fault.active = false;
    initializer.throwAt = 0;
  }
  if (failed === null) return 'no error';
  if (!(failed instanceof LatentError || failed instanceof UserError)) throw failed;
  if (kind === 'memory') expect(failed).toBeInstanceOf(OutOfMemoryError);
  expect(stateOf(net)).toEqual(before);

  const y = call(net, x);
  const corrected = { y: bits(y), ...(stateOf(net) as object) };
  const fresh = start();
  const z = call(fresh.net, x);
  expect(corrected).toEqual({ y: bits(z), ...(stateOf(fresh.net) as object) });
  return kind;
}

it('a call that fails anywhere leaves everything as it was, and a corrected one works', () => {
  const reached = new Map<string, number>();
  for (let n = 0; n < (full ? 1000 : 150); n++) {
    let outcome: string;
    try {
      outcome = runCase(n);
    } catch (cause) {
      throw new Error(`case ${n} with LATENT_TEST_SEED=${process.env.LATENT_TEST_SEED}: ${(cause as Error).message}`, {
        cause,
      });
    }
    reached.set(outcome, (reached.get(outcome) ?? 0) + 1);
  }
  // A sweep whose faults never fire would prove nothing.
  for (const kind of faults) expect([kind, (reached.get(kind) ?? 0) >= 2]).toEqual([kind, true]);
});

describe('a call after the first that fails', () => {
  /** A net with running statistics, random numbers and a buffer of the user's own, whose last layer may throw. */
  function build(): { net: nn.Sequential; fault: { active: boolean }; cache: Tensor } {
    random.seed(6);
    const fault = { active: false };
    const cache = tensor(values(12, 5), { shape: [4, 3] });
    let row = 0;
    const net = new nn.Sequential(
      new nn.Dense(3),
      new nn.BatchNorm(),
      new nn.Dropout(0.5),
      new nn.BatchNorm({ momentum: 0.5 }),
      new nn.Lambda(x => {
        if (!nn.isShapePass()) {
          // One row of a larger buffer, another one each time.
          cache.set([row++ % 4], x.mean({ axis: 0 }));
          cache.slice([0, 2]).copyFrom(cache.slice([0, 2]).mul(0.5));
        }
        return x;
      }),
      new nn.Lambda(x => {
        if (fault.active) throw new UserError('after all the others');
        return x;
      }),
    ) as nn.Sequential;
    net.initialize();
    net(x());
    return { net, fault, cache };
  }
  const x = () => tensor(values(8), { shape: [2, 4] });
  const runs: [string, (net: nn.Sequential) => unknown][] = [
    ['recorded', net => autograd.record(() => net(x()))],
    ['training', net => autograd.trainMode(() => net(x()))],
    ['predicting', net => net(x())],
  ];

  it.each(runs)('leaves running statistics, random streams and buffers as they were (%s)', (_, run) => {
    const { net, fault, cache } = build();
    const before = { state: stateOf(net), cache: bits(cache) };
    fault.active = true;
    expect(thrown(() => run(net))).toBeInstanceOf(UserError);
    expect({ state: stateOf(net), cache: bits(cache) }).toEqual(before);
    fault.active = false;
    run(net);
    expect(bits(cache)).not.toEqual(before.cache);
  });

  it.each(['eager', 'hybridized', 'compiled'] as const)('for want of memory at any place (%s)', how => {
    const make = () => {
      random.seed(6);
      nn.resetNames();
      const net = new nn.Sequential(new nn.Dense(3), new nn.BatchNorm(), new nn.Dropout(0.5), new nn.Dense(2));
      net.initialize();
      const trainer = new Trainer(net.collectParams(), 'adam');
      const step = compileStep(net, (y: Tensor) => y.square().sum() as Tensor, trainer);
      if (how === 'hybridized') net.hybridize();
      const input = x();
      const run = (): Tensor =>
        how === 'compiled' ? (step(input) as Tensor) : autograd.record(() => net(input) as Tensor);
      run();
      return { net, run };
    };
    const undisturbed = make();
    const expected = { value: bits(undisturbed.run()), state: stateOf(undisturbed.net) };
    let refused = 0;
    for (let k = 1; ; k++) {
      const { net, run } = make();
      const before = stateOf(net) as { parameters: unknown[][] };
      session.refuseAllocation(k, 1);
      let y: Tensor | null = null;
      try {
        y = run();
      } catch (error) {
        session.refuseAllocation(0, 0);
        expect(error).toBeInstanceOf(OutOfMemoryError);
        refused++;
        const withoutGradients = (state: { parameters: unknown[][] }) => ({
          ...state,
          parameters: state.parameters.map(list => list.slice(0, -1)),
        });
        const after = stateOf(net) as { parameters: unknown[][] };
        // Gradients that a compiled step had begun to overwrite are gone.
        if (how === 'compiled') expect(withoutGradients(after)).toEqual(withoutGradients(before));
        else expect(after).toEqual(before);
        expect({ value: bits(run()), state: stateOf(net) }).toEqual(expected);
        continue;
      } finally {
        session.refuseAllocation(0, 0);
      }
      expect({ value: bits(y), state: stateOf(net) }).toEqual(expected);
      break;
    }
    expect(refused).toBeGreaterThan(2);
  });

  it('is part of what a call outside of it takes back', () => {
    const { net, cache } = build();
    class Outer extends nn.Block {
      readonly inner = net;
      fails = false;
      override forward(x: Tensor): Tensor {
        const y = this.inner(x) as Tensor;
        if (this.fails) throw new UserError('after the other net');
        return y;
      }
    }
    const outer = new Outer();
    outer(x());
    const before = { state: stateOf(net), cache: bits(cache) };
    outer.fails = true;
    expect(thrown(() => autograd.record(() => outer(x())))).toBeInstanceOf(UserError);
    expect({ state: stateOf(net), cache: bits(cache) }).toEqual(before);
  });
});

describe('each allocation of a first call refused in turn', () => {
  it.each([false, true])('leaves the net as it was (recorded: %s)', recorded => {
    const build = () => {
      random.seed(4);
      const net = new nn.Sequential(
        new nn.Dense(6, { activation: 'gelu' }),
        new nn.Dropout(0.25),
        new nn.Sequential(new nn.Dense(5, { inUnits: 6 }), new nn.Dense(2)),
      );
      net.initialize();
      return net;
    };
    const x = tensor(values(12), { shape: [3, 4] });
    const call = (net: ReturnType<typeof build>) =>
      recorded ? autograd.record(() => net(x)) : autograd.trainMode(() => net(x));
    const expected = bits(call(build()));
    const net = build();
    const before = stateOf(net);
    let refused = 0;
    for (let k = 1; ; k++) {
      session.refuseAllocation(k, 1);
      let y: Tensor;
      try {
        y = call(net);
      } catch (error) {
        session.refuseAllocation(0, 0);
        expect(error).toBeInstanceOf(OutOfMemoryError);
        expect(stateOf(net)).toEqual(before);
        refused++;
        continue;
      } finally {
        session.refuseAllocation(0, 0);
      }
      expect(bits(y)).toBe(expected);
      break;
    }
    expect(refused).toBeGreaterThan(6);
  });
});

describe('initialize is all or nothing', () => {
  const build = () =>
    new nn.Sequential(new nn.Dense(3, { inUnits: 2 }), new nn.Dense(4), new nn.Dense(2, { inUnits: 4 }));

  it('when an initializer throws at a later parameter', () => {
    random.seed(2);
    const net = build();
    const before = stateOf(net);
    const initializer = new ThrowingInit();
    initializer.throwAt = 2;
    expect(() => net.initialize({ init: initializer })).toThrow(UserError);
    expect(stateOf(net)).toEqual(before);
    net.initialize({ init: initializer });
    random.seed(2);
    const fresh = build();
    fresh.initialize({ init: new ThrowingInit() });
    expect(bits(net[0].weight.data())).toBe(bits(fresh[0].weight.data()));
  });

  it('also with forceReinit over values that exist', () => {
    const net = build();
    net.initialize();
    net(tensor(values(4), { shape: [2, 2] }));
    const before = stateOf(net);
    const initializer = new ThrowingInit();
    initializer.throwAt = 3;
    expect(() => net.initialize({ init: initializer, forceReinit: true })).toThrow(UserError);
    expect(stateOf(net)).toEqual(before);
    for (let k = 1; ; k++) {
      session.refuseAllocation(k, 1);
      try {
        net.initialize({ init: new ThrowingInit(), forceReinit: true });
        break;
      } catch (error) {
        expect(error).toBeInstanceOf(OutOfMemoryError);
      } finally {
        session.refuseAllocation(0, 0);
      }
      expect(stateOf(net)).toEqual(before);
    }
    expect(stateOf(net)).not.toEqual(before);
  });
});

it('a shape that an initializer then fails on is not kept', () => {
  const parameter = new nn.Parameter({
    shape: [2, -1],
    init: new (class extends ThrowingInit {
      override throwAt = 1;
    })(),
  });
  const holder = new (class extends nn.Block {
    weight = parameter;
  })();
  holder.initialize();
  expect(
    thrown(() => {
      parameter.shape = [2, 3];
    }),
  ).toBeInstanceOf(UserError);
  expect(parameter.state).toBe('deferred');
  expect([...parameter.shape]).toEqual([2, -1]);
});

it('random.seed inside a forward that fails is taken back', () => {
  random.seed(21);
  random.uniform([4]);
  const net = new nn.Sequential(
    new nn.Dense(3),
    new nn.Lambda(x => {
      random.seed(1);
      return x;
    }),
    new nn.Dense(2, { inUnits: 9 }),
  ) as nn.Sequential;
  net.initialize();
  const before = stateOf(net);
  expect(() => net(tensor(values(4), { shape: [2, 2] }))).toThrow(/9 input units/);
  expect(stateOf(net)).toEqual(before);
});

it('sizes that fit nowhere raise before anything is created', () => {
  const net = new nn.Sequential(new nn.Dense(256), new nn.Dense(10, { inUnits: 128 }) as nn.Block) as nn.Sequential;
  nn.resetNames();
  net.initialize();
  expect(() => net(tensor(values(40), { shape: [2, 20] }))).toThrow(/takes 128 input units/);
  expect(net.get(0, nn.Dense).weight.state).toBe('deferred');
  expect([...net.get(0, nn.Dense).weight.shape]).toEqual([256, -1]);
});

it('one layer called twice with different sizes fails at the second, and nothing is created', () => {
  class Twice extends nn.Block {
    layer = new nn.Dense(3);
    forward(x: Tensor, y: Tensor): Tensor {
      return this.layer(x).add(this.layer(y));
    }
  }
  const net = new Twice();
  net.initialize();
  const [a, b] = [tensor(values(8), { shape: [2, 4] }), tensor(values(10), { shape: [2, 5] })];
  expect(() => net(a, b)).toThrow(/takes 4 input units, but its input has shape \[2, 5\]/);
  expect([...net.layer.weight.shape]).toEqual([3, -1]);
  expect(net(a, a).shape).toEqual([2, 3]);
});

test('calls of other nets that failed do not have a net that waits taken for ready', () => {
  // In a process of its own: in this one parameters of other tests wait.
  const output = runWell(`
    const { nn, tensor } = latent;
    class Growing extends nn.Block {
      first = new nn.Dense(2);
      grows = false;
      forward(x) {
        const y = this.first(x);
        return this.grows ? hidden(y) : y;
      }
    }
    // A first call finds out that the net does not own it.
    const hidden = new nn.Dense(2);
    hidden.initialize();
    class Failing extends nn.Block {
      layer = new nn.Dense(2);
      forward(x) {
        if (this.layer(x).sum().item() !== Infinity) throw new Error('after the layer');
        return x;
      }
    }
    const x = tensor([1, 2, 3, 4], { shape: [2, 2] });
    const net = new Growing();
    net.initialize();
    net(x);
    const other = new Failing();
    other.initialize();
    const failure = call => { try { call(); } catch (error) { return error.message; } };
    for (let i = 0; i < 8; i++) console.log(failure(() => other(x)));
    net.grows = true;
    console.log(failure(() => net(x)), hidden.weight.state);
  `);
  const lines = output.split('\n');
  expect(lines.slice(0, -1)).toEqual(Array.from({ length: 8 }, () => 'after the layer'));
  expect(lines.at(-1)).toMatch(/is not among its descendants.* deferred$/);
});

test('a cast that fails leaves each parameter the owner of its values', () => {
  const net = new nn.Sequential(new nn.Dense(3, { inUnits: 2 }), new nn.Dense(2, { inUnits: 3 }));
  net.initialize();
  const parameters = [...net.collectParams().values()];
  let refused = 0;
  for (let k = 1; ; k++) {
    session.refuseAllocation(k, 1);
    try {
      net.cast('float64');
    } catch (error) {
      session.refuseAllocation(0, 0);
      expect(error).toBeInstanceOf(OutOfMemoryError);
      for (const p of parameters) {
        expect(p.dtype).toBe('float32');
        expect(thrown(() => p.data().attachGrad()).message).toMatch(/belongs to/);
      }
      refused++;
      continue;
    } finally {
      session.refuseAllocation(0, 0);
    }
    break;
  }
  expect(refused).toBeGreaterThan(3);
});
