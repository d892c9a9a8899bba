import {
  autograd,
  compileStep,
  loss,
  memory,
  nn,
  OutOfMemoryError,
  random,
  type Tensor,
  Trainer,
} from '../../lib/index.js';
import { PlanCache } from '../../lib/plan/cache.js';
import { SizedPlan } from '../../lib/plan/sized-plan.js';
import { runWell } from '../support/child.js';
import { inputOf as layerInput, layers } from '../support/layers.js';
import { allBits, bits } from '../support/nn-helpers.js';
import { makeProgram, programInput, programNet } from '../support/programs.js';
import { full, makeRandom } from '../support/random.js';

afterEach(() => jest.restoreAllMocks());

/** Has the first runs of each kind of inputs fail for want of memory; tells how many plans went on with less. */
function lacking(times: number): { savingMore: number } {
  const seen = { savingMore: 0 };
  const failed = new WeakMap<PlanCache, number>();
  const { run } = SizedPlan.prototype;
  const { savingMore, find } = PlanCache.prototype;
  let cache: PlanCache | null = null;
  jest.spyOn(PlanCache.prototype, 'find').mockImplementation(function (this: PlanCache, ...args) {
    cache = this;
    return find.apply(this, args);
  });
  jest.spyOn(SizedPlan.prototype, 'lackedMemory', 'get').mockReturnValue(true);
  jest.spyOn(SizedPlan.prototype, 'run').mockImplementation(function (this: SizedPlan, ...args) {
    const count = failed.get(cache as PlanCache) ?? 0;
    if (count < times && cache !== null) {
      failed.set(cache, count + 1);
      throw new OutOfMemoryError('no memory for a plan');
    }
    return run.apply(this, args);
  });
  jest.spyOn(PlanCache.prototype, 'savingMore').mockImplementation(function (this: PlanCache, found) {
    // Where less cannot be kept, the plan that there is runs.
    const other = savingMore.call(this, found);
    if (other !== null) seen.savingMore++;
    return other ?? found;
  });
  return seen;
}

const rounds = full ? 1000 : 60;

function trained(salt: number): { text: string; given: unknown[] } {
  random.seed(1);
  const r = makeRandom(salt);
  const { net, program, outside } = programNet(o => makeProgram(r, r.int(4, 20), o));
  net.initialize();
  const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 1e-3 });
  const lossOf = (outputs: Tensor[]): Tensor =>
    [...outputs, outside.parameter.data()].map(y => y.square().mean() as Tensor).reduce((a, b) => a.add(b) as Tensor);
  const step = compileStep(net, lossOf, trainer);
  const given: unknown[] = [];
  for (const batch of [3, 5, 1]) {
    const x = programInput(program, batch, salt);
    given.push(bits(step(x)), bits(outside.parameter.data()), bits(outside.buffer), bits(random.uniform([1])));
  }
  return { text: program.text, given };
}

test.each([1, 2])(
  `${rounds} random programs train the same to the last bit with less of them kept, %d times less`,
  times => {
    const wrong: string[] = [];
    let savingMore = 0;
    for (let salt = 0; salt < rounds && wrong.length < 3; salt++) {
      const want = trained(salt);
      const seen = lacking(times);
      const got = trained(salt);
      savingMore += seen.savingMore;
      jest.restoreAllMocks();
      if (JSON.stringify(got.given) !== JSON.stringify(want.given)) wrong.push(`${salt} ${want.text}`);
    }
    expect(wrong).toEqual([]);
    expect(savingMore).toBeGreaterThan(0);
  },
);

test.each(Object.entries(layers))(
  'a net around %s trains the same to the last bit with less of it kept',
  (name, entry) => {
    if (entry.ids !== undefined) return;
    const train = () => {
      random.seed(2);
      class Net extends nn.Block {
        readonly before = entry.make() as nn.Block;
        override forward(x: Tensor): Tensor {
          const y = this.before(x.sin().mul(2)) as unknown;
          return (Array.isArray(y) ? (y[0] as Tensor) : (y as Tensor)).tanh().mul(3).sigmoid() as Tensor;
        }
      }
      const net = new Net() as unknown as nn.Block;
      net.initialize({ init: 'uniform' });
      const x = layerInput(entry);
      net(x);
      if (net.collectParams().size === 0) return null;
      const step = compileStep(
        net,
        (y: Tensor) => y.square().mean() as Tensor,
        new Trainer(net.collectParams(), 'adam'),
      );
      const losses = [0, 1, 2].map(() => bits(step(x)));
      return [losses, allBits(net)];
    };
    const want = train();
    for (const times of [1, 2]) {
      lacking(times);
      expect([name, train()]).toEqual([name, want]);
      jest.restoreAllMocks();
    }
  },
);

test("a net of a user's functions trains the same to the last bit with less of it kept", () => {
  class Gated extends autograd.Function {
    factor?: Tensor;
    override forward(x: Tensor, w: Tensor): Tensor {
      this.factor = x.mul(w).sigmoid() as Tensor;
      return this.factor.mul(random.uniform(x.shape)).add(x) as Tensor;
    }
    override backward(g: Tensor): Tensor[] {
      const inner = (this.factor as Tensor).mul(g) as Tensor;
      return [inner.add(g), inner.sum({ axis: 0 })] as Tensor[];
    }
  }
  class Deep extends nn.Block {
    readonly w = new nn.Parameter({ shape: [5], init: 'ones' });
    override forward(x: Tensor): Tensor {
      let h = x;
      for (let i = 0; i < 12; i++) h = new Gated().apply(h.sin().mul(2) as Tensor, this.w.data() as Tensor);
      return h;
    }
  }
  const train = () => {
    random.seed(2);
    const net = new Deep();
    net.initialize();
    const trainer = new Trainer(net.collectParams(), 'adam');
    const step = compileStep(net, (y: Tensor) => y.square().mean() as Tensor, trainer);
    const x = random.normal([4, 5]);
    return [[0, 1, 2].map(() => bits(step(x))), bits(net.w.data()), bits(random.uniform([1]))];
  };
  const want = train();
  for (const times of [1, 2]) {
    const seen = lacking(times);
    expect(train()).toEqual(want);
    expect(seen.savingMore).toBeGreaterThan(0);
    jest.restoreAllMocks();
  }
});

describe('a deep net in little memory', () => {
  const script = (limit: string) => `
    const { compileStep, loss, memory, nn, random, Trainer } = latent;
    random.seed(1);
    const net = new nn.Sequential();
    for (let i = 0; i < 24; i++) net.add(new nn.Dense(64), new nn.BatchNorm(), new nn.Activation('tanh'), new nn.GELU());
    net.add(new nn.Dense(4));
    net.initialize();
    const x = random.uniform([4096, 64]);
    const t = random.randint(0, 4, [4096]);
    net.inferShape(x.shape);
    const step = compileStep(net, new loss.SoftmaxCrossEntropy(), new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 }));
    const before = memory.info().liveBytes;
    ${limit}
    const losses = [];
    for (let i = 0; i < 3; i++) losses.push(step(x, t).mean().item());
    console.log(JSON.stringify({ losses, peak: memory.info().peakBytes - before }));`;
  const run = (limit = '') => JSON.parse(runWell(script(limit))) as { losses: number[]; peak: number };

  test('keeps less until it fits, gives the same, and says so where nothing helps', () => {
    const whole = run();
    const half = run(`memory.setLimit(before + ${Math.floor(whole.peak / 2)});`);
    expect(half.losses).toEqual(whole.losses);
    expect(half.peak).toBeLessThan(0.5 * whole.peak);
    const quarter = run(`memory.setLimit(before + ${Math.floor(whole.peak / 4)});`);
    expect(quarter.losses).toEqual(whole.losses);
    expect(quarter.peak).toBeLessThan(0.25 * whole.peak);
    expect(() => run(`memory.setLimit(before + ${Math.floor(whole.peak / 50)});`)).toThrow(/no memory for/);
  });
});

test('a chain of thousands of operations is made again from one end to the other', () => {
  const links = full ? 4000 : 1500;
  const train = () => {
    random.seed(4);
    class Chain extends nn.Block {
      readonly layer = new nn.Dense(4);
      override forward(x: Tensor): Tensor {
        let y = this.layer(x) as Tensor;
        for (let i = 0; i < links; i++) y = y.mul(1.001).tanh() as Tensor;
        return y;
      }
    }
    const net = new Chain() as unknown as nn.Block;
    net.initialize();
    const x = random.uniform([2, 3]);
    net(x);
    const step = compileStep(net, (y: Tensor) => y.square().mean() as Tensor, new Trainer(net.collectParams(), 'sgd'));
    return [bits(step(x)), allBits(net)];
  };
  const want = train();
  const seen = lacking(2);
  expect(train()).toEqual(want);
  expect(seen.savingMore).toBeGreaterThan(0);
});

test('a gradient that adds up is added to once, whatever had to be tried', () => {
  const make = () => {
    random.seed(3);
    const net = new nn.Sequential(
      new nn.Dense(4, { activation: 'tanh' }),
      new nn.GELU(),
      new nn.Dense(2),
    ) as unknown as nn.Block;
    net.initialize();
    net.inferShape([5, 3]);
    for (const parameter of net.collectParams().values()) parameter.gradReq = 'add';
    const step = compileStep(net, new loss.L2(), new Trainer(net.collectParams(), 'sgd'));
    for (let i = 0; i < 2; i++) step.backward(random.uniform([5, 3]), random.uniform([5, 2]));
    return [...net.collectParams().values()].map(parameter => bits(parameter.grad()));
  };
  const want = make();
  const seen = lacking(1);
  expect(make()).toEqual(want);
  expect(seen.savingMore).toBe(1);
  expect(autograd.isRecording()).toBe(false);
  expect(memory.info().tensors).toBeGreaterThan(0);
});
