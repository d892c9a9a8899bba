import {
  autograd,
  compileStep,
  getNumThreads,
  loss,
  nn,
  random,
  setNumThreads,
  type Tensor,
  Trainer,
} from '../../lib/index.js';
import { runWell } from '../support/child.js';
import { inputOf, layers } from '../support/layers.js';
import { allBits, bits } from '../support/nn-helpers.js';
import { flat } from '../support/onnx-models.js';

/** More runs than it takes until a plan has tried its branches one after the other and side by side, and has chosen. */
const RUNS = 120;

const threads = getNumThreads();
afterEach(() => setNumThreads(threads));

function branches(): nn.Block {
  random.seed(2);
  const branch = () =>
    new nn.Sequential(new nn.Dense(16, { activation: 'relu' }), new nn.Dense(8), new nn.Activation('tanh'));
  const net = new nn.Sequential(
    new nn.Dense(16),
    new nn.Concurrent(branch(), branch(), branch(), { axis: 1 }),
    new nn.Residual(branch(), { shortcut: new nn.Dense(8) }),
  );
  net.initialize();
  return net as unknown as nn.Block;
}

test('every run gives the same, whichever way the branches run', () => {
  const net = branches();
  const x = random.uniform([9, 7]);
  const want = bits(net(x));
  net.hybridize();
  for (const count of [4, 1, 2]) {
    setNumThreads(count);
    for (let i = 0; i < RUNS; i++) expect(bits(net(x))).toBe(want);
  }
});

test.each(Object.entries(layers))('%s gives the same in every run, on three threads', (_, entry) => {
  setNumThreads(3);
  const net = entry.make() as nn.Block;
  net.initialize({ init: 'uniform' });
  const x = inputOf(entry);
  const want = flat(net(x)).map(bits);
  net.hybridize();
  for (let i = 0; i < RUNS; i++) expect(flat(net(x)).map(bits)).toEqual(want);
});

test('training goes the same way on one thread and on several', () => {
  const train = (count: number) => {
    setNumThreads(count);
    const net = branches();
    const step = compileStep(net, new loss.L2(), new Trainer(net.collectParams(), 'adam'));
    random.seed(6);
    for (let i = 0; i < RUNS; i++) step(random.uniform([5, 7]), random.uniform([5, 8]));
    return allBits(net);
  };
  const want = train(1);
  expect(train(3)).toEqual(want);
});

test('a branch that fails names its layer, as without a plan', () => {
  class Picks extends nn.Block {
    readonly table = new nn.Embedding(5, 3);
    readonly other = new nn.Embedding(50, 3);
    override forward(x: Tensor): Tensor {
      return this.other(x).add(this.table(x)) as Tensor;
    }
  }
  setNumThreads(2);
  const net = new Picks();
  net.initialize();
  net.hybridize();
  const good = random.randint(0, 5, [4]);
  const bad = random.randint(7, 9, [4]);
  const worse = random.randint(60, 70, [4]);
  for (let i = 0; i < RUNS; i++) {
    net(good);
    expect(() => net(bad)).toThrow(/Embedding 'table' in Picks: index [78].*lies outside axis 0 of size 5/);
    // Both fail, and the first of them would have without the other.
    expect(() => net(worse)).toThrow(/Embedding 'other' in Picks: index 6\d.*lies outside axis 0 of size 50/);
  }
});

test('predictions of a net with branches, several at once', async () => {
  setNumThreads(2);
  const net = branches();
  const x = random.uniform([300, 7]);
  const want = bits(net.predictSync(x) as Tensor);
  for (let i = 0; i < RUNS; i++) net.predictSync(x);
  const answers = await Promise.all(Array.from({ length: 40 }, () => net.predict(x) as Promise<Tensor>));
  expect(new Set(answers.map(bits))).toEqual(new Set([want]));
  expect(autograd.isTraining()).toBe(false);
});

test('branches side by side take no more memory than there is', () => {
  // In a process of its own, for the limit counts all tensors of a process: those of tests before this one as well.
  const script = `
    const { memory, nn, random, setNumThreads } = latent;
    (async () => {
      setNumThreads(2);
      const net = new nn.LSTM(64, { bidirectional: true });
      net.initialize();
      const x = random.uniform([50, 64, 32]);
      const bytes = y => Buffer.from(y.toTypedArray().buffer);
      const want = bytes(net(x));
      memory.collect();
      const before = memory.info().liveBytes;
      net.predictSync(x);
      const alone = memory.info().peakBytes - before;
      memory.collect();
      memory.setLimit(before + alone + 2 * x.size * 4);
      let wrong = 0;
      for (let i = 0; i < ${RUNS}; i++) if (!bytes(net.predictSync(x)).equals(want)) wrong++;
      for (let i = 0; i < 3; i++) if (!bytes(await net.predict(x)).equals(want)) wrong++;
      console.log(wrong);
    })();`;
  expect(runWell(script)).toBe('0');
});
