import { autograd, nn, random, type Tensor } from '../../lib/index.js';
import { plansOf } from '../../lib/nn/block/plans.js';
import { runWell } from '../support/child.js';
import { inputOf, layers } from '../support/layers.js';

/** Some small buffers more or less don't count. */
const PAGE = 4096;

const lenet = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2D(6, { kernelSize: 5, padding: 2, activation: 'relu' }),
    new nn.MaxPool2D(),
    new nn.Conv2D(16, { kernelSize: 5, activation: 'relu' }),
    new nn.MaxPool2D(),
    new nn.Flatten(),
    new nn.Dense(120, { activation: 'relu' }),
    new nn.Dense(10),
  ) as nn.Sequential;

describe("a plan's arena is hardly larger than what is alive at once", () => {
  const check = (net: nn.Block, x: unknown) => {
    for (const mode of ['predictMode', 'trainMode'] as const) autograd[mode](() => net(x as Tensor));
    for (const plan of plansOf(net)?.sizedPlans ?? []) {
      const { arena, least } = plan.bytes();
      expect(arena).toBeGreaterThanOrEqual(least);
      expect(arena).toBeLessThanOrEqual(Math.max(1.05 * least, least + PAGE));
    }
  };
  test.each(Object.entries(layers))('%s', (_, entry) => {
    const layer = entry.make() as nn.Block;
    layer.initialize({ init: 'uniform' });
    layer.hybridize();
    check(layer, inputOf(entry, [64, ...entry.input.slice(1)]));
  });
  test('LeNet', () => {
    const net = lenet();
    net.initialize();
    net.hybridize();
    check(net as unknown as nn.Block, random.uniform([64, 1, 28, 28]));
  });
});

test('a compiled step of LeNet takes far less memory than one by hand', () => {
  const peak = (step: string) =>
    Number(
      runWell(`
        const { autograd, compileStep, loss, memory, nn, random, Trainer } = latent;
        const net = new nn.Sequential(
          new nn.Conv2D(20, { kernelSize: 5, activation: 'relu' }), new nn.MaxPool2D(), new nn.Conv2D(50, { kernelSize: 5, activation: 'relu' }),
          new nn.MaxPool2D(), new nn.Flatten(), new nn.Dense(500, { activation: 'relu' }), new nn.Dense(10));
        net.initialize();
        const x = random.uniform([512, 1, 28, 28]), t = random.randint(0, 10, [512]);
        const trainer = new Trainer(net.collectParams(), 'sgd');
        const lossFn = new loss.SoftmaxCrossEntropy();
        const compiled = compileStep(net, lossFn, trainer);
        const byHand = (x, t) => {
          autograd.record(() => lossFn(net(x), t)).backward();
          trainer.step(512);
        };
        for (let i = 0; i < 6; i++) ${step}(x, t);
        console.log(memory.info().peakBytes);`),
    );
  expect(peak('compiled')).toBeLessThan(0.6 * peak('byHand'));
});

test('what only leads to prepared weights is freed as soon as it was read, one layer after the other', () => {
  const layers = 6;
  const weight = 256 * 256 * 9 * 4;
  const [peak, kept] = runWell(`
    const { autograd, memory, nn, random } = latent;
    const net = new nn.Sequential();
    for (let i = 0; i < ${layers}; i++) net.add(new nn.Conv2D(256, { kernelSize: 3, padding: 1 }), new nn.BatchNorm());
    net.initialize();
    const x = random.uniform([1, 256, 6, 6]);
    net(x).dispose();
    net.hybridize();
    const before = memory.info().liveBytes;
    net(x).dispose();
    console.log(memory.info().peakBytes - before, memory.info().liveBytes - before);`)
    .split(' ')
    .map(Number) as [number, number];
  expect(kept).toBeGreaterThan(layers * weight);
  expect(peak - kept).toBeLessThan(3 * weight);
});
