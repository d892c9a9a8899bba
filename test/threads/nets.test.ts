import { autograd, compileStep, loss, nn, random, type Tensor, Trainer } from '../../lib/index.js';
import { digests, expectSameBits } from '../support/same-bits.js';

type Net = nn.Block & ((x: Tensor) => Tensor);
type Criterion = (prediction: Tensor, label: Tensor) => Tensor;

interface Work {
  readonly make: () => unknown;
  readonly input: () => Tensor;
  readonly label: () => Tensor;
  readonly loss: () => Criterion;
  /** Where a plan rounds otherwise than a call (docs/plans.md). */
  readonly roundsOtherwise?: 'by plans';
}

const mlp = (): nn.Sequential => new nn.Sequential(new nn.Dense(256, { activation: 'relu' }), new nn.Dense(10));
const deep = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Dense(512, { activation: 'gelu' }),
    new nn.Dense(512, { activation: 'tanh' }),
    new nn.Dense(10),
  );
const lenet = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2D(6, { kernelSize: 5, padding: 2, activation: 'sigmoid' }),
    new nn.AvgPool2D({ poolSize: 2, strides: 2 }),
    new nn.Conv2D(16, { kernelSize: 5, activation: 'sigmoid' }),
    new nn.AvgPool2D({ poolSize: 2, strides: 2 }),
    new nn.Dense(120, { activation: 'sigmoid' }),
    new nn.Dense(84, { activation: 'sigmoid' }),
    new nn.Dense(10),
  );
const bottleneck = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Residual(
      new nn.Sequential(
        new nn.Conv2D(64, { kernelSize: 1, useBias: false }),
        new nn.BatchNorm(),
        new nn.Activation('relu'),
        new nn.Conv2D(64, { kernelSize: 3, padding: 1, useBias: false }),
        new nn.BatchNorm(),
        new nn.Activation('relu'),
        new nn.Conv2D(256, { kernelSize: 1, useBias: false }),
        new nn.BatchNorm(),
      ),
    ),
    new nn.GlobalAvgPool2D(),
    new nn.Dense(10),
  );

class Patches extends nn.Block {
  readonly embed = new nn.Conv2D(192, { kernelSize: 16, strides: 16 });
  readonly layer = new nn.TransformerEncoderLayer(3, { hiddenUnits: 768, dropout: 0 });
  readonly out = new nn.Dense(10);
  override forward(x: Tensor): Tensor {
    const patches = this.embed(x);
    const [batch, units] = [patches.shape[0] as number, patches.shape[1] as number];
    const places = patches.reshape([batch, units, -1]).transpose([0, 2, 1]) as Tensor;
    return this.out((this.layer(places) as Tensor).mean({ axis: 1 }));
  }
}

class Words extends nn.Block {
  readonly table = new nn.Embedding(30_522, 96);
  readonly memory = new nn.LSTM(650, { layout: 'NTC' });
  readonly out = new nn.Dense(10);
  override forward(x: Tensor): Tensor {
    return this.out((this.memory(this.table(x)) as Tensor).slice(null, -1));
  }
}

const classes = (batch: number) => (): Tensor => random.randint(0, 10, [batch]);
const entropy = (): Criterion => new loss.SoftmaxCrossEntropy() as unknown as Criterion;
const works: Record<string, Work> = {
  ...Object.fromEntries(
    [128, 1024].map(batch => [
      `784-256-10 at batch ${batch}`,
      { make: mlp, input: () => random.normal([batch, 784]), label: classes(batch), loss: entropy },
    ]),
  ),
  'a deep one at batch 300': { make: deep, input: () => random.normal([300, 429]), label: classes(300), loss: entropy },
  'one of few columns at batch 1024': {
    make: () => new nn.Dense(3, { activation: 'sigmoid' }),
    input: () => random.normal([1024, 2000]),
    label: () => random.normal([1024, 3]),
    loss: () => new loss.L2() as unknown as Criterion,
  },
  ...Object.fromEntries(
    [64, 256].map(batch => [
      `LeNet at batch ${batch}`,
      { make: lenet, input: () => random.normal([batch, 1, 28, 28]), label: classes(batch), loss: entropy },
    ]),
  ),
  "ResNet's bottleneck": {
    make: bottleneck,
    input: () => random.normal([4, 256, 28, 28]),
    label: classes(4),
    loss: entropy,
    roundsOtherwise: 'by plans',
  },
  "ViT's patches and a layer over 196 places": {
    make: () => new Patches(),
    input: () => random.normal([2, 3, 224, 224]),
    label: classes(2),
    loss: entropy,
  },
  'an LSTM of 650 over 30,522 words': {
    make: () => new Words(),
    input: () => random.randint(0, 30_522, [8, 12]),
    label: classes(8),
    loss: entropy,
  },
};

const modes = ['called', 'by plans', 'compiled'] as const;

/** A prediction, two steps of Adam with the losses before them, and all that they left. */
function train(work: Work, mode: (typeof modes)[number]): string[] {
  nn.resetNames();
  random.seed(11);
  const net = work.make() as Net;
  net.initialize({ init: 'xavier' } as never);
  const [x, y] = [work.input(), work.label()];
  net(x);
  if (mode === 'by plans') net.hybridize();
  const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 1e-3 });
  const criterion = work.loss();
  const batch = x.shape[0] as number;
  const all = digests([net(x)]);
  const step = mode === 'compiled' ? compileStep(net, criterion as never, trainer) : null;
  for (let i = 0; i < 2; i++) {
    if (step !== null) {
      all.push(...digests([(step as unknown as (x: Tensor, y: Tensor) => Tensor)(x, y)]));
      continue;
    }
    const error = autograd.record(() => criterion(net(x), y));
    error.backward();
    trainer.step(batch);
    all.push(...digests([error]));
  }
  return [...all, ...digests([...net.collectParams().values()].map(p => p.data()))];
}

describe.each(Object.keys(works))('%s', name => {
  const work = works[name] as Work;
  test.each(modes)('gives the same bits with any number of threads, %s', mode => {
    expectSameBits(() => train(work, mode));
  });
  test('gives the same bits called, by plans and compiled', () => {
    const [called, planned, compiled] = modes.map(mode => train(work, mode));
    if (work.roundsOtherwise === undefined) expect(planned).toEqual(called);
    expect(compiled!.slice(1)).toEqual(called!.slice(1));
  });
});
