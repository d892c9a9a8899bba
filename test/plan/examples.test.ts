import { autograd, compileStep, loss, nn, random, type Tensor, Trainer } from '../../lib/index.js';
import { allBits, bits } from '../support/nn-helpers.js';
import { difference } from '../support/onnx-models.js';

/** Nets as those of examples/, whose scripts train when they are imported: by plans they do what they do without. */

class Autoencoder extends nn.Block {
  readonly encoder = new nn.Sequential(
    new nn.Conv2D(4, { kernelSize: 3, strides: 2, padding: 1, activation: 'relu' }),
    new nn.Conv2D(8, { kernelSize: 3, strides: 2, padding: 1, activation: 'relu' }),
    new nn.Dense(6),
  );
  readonly seed = new nn.Dense(8 * 3 * 3, { activation: 'relu' });
  readonly decoder = new nn.Sequential(
    new nn.Conv2DTranspose(4, { kernelSize: 4, strides: 2, padding: 1, activation: 'relu' }),
    new nn.Conv2DTranspose(1, { kernelSize: 4, strides: 2, padding: 1 }),
  );
  override forward(x: Tensor): Tensor {
    return this.decoder(this.seed(this.encoder(x)).reshape([-1, 8, 3, 3]));
  }
}

class Forecaster extends nn.Block {
  readonly memory = new nn.LSTM(8, { layout: 'NTC' });
  readonly out = new nn.Dense(1);
  override forward(x: Tensor): Tensor {
    return this.out(this.memory(x).slice(null, -1)).reshape([-1]);
  }
}

class Sorter extends nn.Block {
  readonly digits = new nn.Embedding(10, 8);
  readonly places = new nn.Parameter({ shape: [-1, 8], role: 'weight', init: 'normal' });
  readonly layers = new nn.TransformerEncoderLayer(2, { hiddenUnits: 16, dropout: 0 });
  readonly out = new nn.Dense(10, { flatten: false });
  override forward(x: Tensor): Tensor {
    this.places.shape = [x.shape[1] as number, 8];
    return this.out(this.layers(this.digits(x).add(this.places.data())));
  }
}

class NextLetter extends nn.Block {
  readonly table = new nn.Embedding(10, 8);
  readonly memory = new nn.GRU(8, { layout: 'NTC' });
  readonly out = new nn.Dense(10, { params: this.table.params, useBias: false, flatten: false });
  override forward(x: Tensor): Tensor {
    return this.out(this.memory(this.table(x)));
  }
}

const convolutional = (batchNorm: boolean) =>
  new nn.Sequential(
    new nn.Conv2D(6, { kernelSize: 5, padding: 'same', useBias: !batchNorm }),
    ...(batchNorm ? [new nn.BatchNorm()] : []),
    new nn.Activation('relu'),
    new nn.MaxPool2D(),
    new nn.Dense(12, { activation: 'relu' }),
    new nn.Dense(10),
  );

const pictures = (): Tensor => random.uniform([4, 1, 12, 12]);
const letters = (): Tensor => random.randint(0, 10, [4, 5]);
const classes = (): Tensor => random.randint(0, 10, [4]);

type Criterion = (prediction: Tensor, label: Tensor) => Tensor;
type Example = readonly [string, () => unknown, () => Tensor, (x: Tensor) => Tensor, new () => Criterion];
const nets: readonly Example[] = [
  ['autoencoder', () => new Autoencoder(), pictures, x => x, loss.SigmoidBinaryCrossEntropy],
  ['forecast', () => new Forecaster(), () => random.normal([4, 6, 1]), () => random.normal([4]), loss.L2],
  ['sorting', () => new Sorter(), letters, x => x.sort() as Tensor, loss.SoftmaxCrossEntropy],
  ['tied-embeddings', () => new NextLetter(), letters, x => x, loss.SoftmaxCrossEntropy],
  ['fashion-mnist', () => convolutional(true), pictures, classes, loss.SoftmaxCrossEntropy],
  ['mnist', () => convolutional(false), pictures, classes, loss.SoftmaxCrossEntropy],
  [
    'linear-regression',
    () => new nn.Sequential(new nn.Dense(1)),
    () => random.normal([4, 2]),
    () => random.normal([4, 1]),
    loss.L2,
  ],
  [
    'logistic-regression',
    () => new nn.Sequential(new nn.Dense(1)),
    () => random.normal([4, 2]),
    () => random.randint(0, 2, [4, 1]).cast('float32') as Tensor,
    loss.SigmoidBinaryCrossEntropy,
  ],
];

/** What rounds otherwise: BatchNorm folded into what is before it. */
const rounds: readonly string[] = ['fashion-mnist'];

function run([, make, input, target, Criterion]: Example, how: 'eager' | 'hybridized' | 'compiled', rule: string) {
  random.seed(3);
  const net = make() as nn.Block;
  net.initialize({ init: 'xavier' });
  const first = input();
  net(first);
  if (how === 'hybridized') net.hybridize();
  const seen: Tensor[] = [net(first), autograd.predictMode(() => net(first))];
  const criterion = new Criterion();
  const trainer = new Trainer(net.collectParams(), rule as 'sgd', { learningRate: 0.01 });
  const step = compileStep(net, criterion, trainer);
  for (let i = 0; i < 50; i++) {
    const x = input();
    const y = target(x);
    if (how === 'compiled') {
      seen.push(step(x, y));
    } else {
      const l = autograd.record(() => criterion(net(x), y));
      l.backward();
      trainer.step(4);
      seen.push(l);
    }
    if (i >= 3) continue;
    for (const p of net.collectParams().values()) if (p.gradReq !== 'null') seen.push(p.grad().clone() as Tensor);
  }
  return { seen, parameters: allBits(net) };
}

describe.each(['sgd', 'adam'])('by %s', rule => {
  test.each(nets)('%s does by plans what it does without', (...example) => {
    const eager = run(example, 'eager', rule);
    for (const how of ['hybridized', 'compiled'] as const) {
      const planned = run(example, how, rule);
      expect([how, difference(planned.seen, eager.seen, { float32: 1e-5, float64: 0 })]).toEqual([how, null]);
      if (rounds.includes(example[0])) continue;
      expect(planned.seen.map(bits)).toEqual(eager.seen.map(bits));
      expect(planned.parameters).toEqual(eager.parameters);
    }
  });
});
