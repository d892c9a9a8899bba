/** One layer without an input size finds the line that noisy points lie on (Dive into Deep Learning 3.3). */
import { autograd, data, loss, nn, random, type Tensor, Trainer, tensor } from 'latent';
import { reached } from './support/goal.js';

const weight = tensor([2, -3.4]);
const bias = 4.2;

async function main(): Promise<void> {
  const features = random.normal([1000, 2]);
  const noise = random.normal([1000], { std: 0.01 });
  const labels = features.matmul(weight).add(bias).add(noise);

  const net = new nn.Sequential(new nn.Dense(1));
  net.initialize({ init: 'normal' });
  const criterion = new loss.L2();
  const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.03 });
  const points = new data.ArrayDataset(features, labels);
  for (let epoch = 1; epoch <= 3; epoch++) {
    for await (const [x, y] of new data.DataLoader(points, { batchSize: 10, shuffle: true })) {
      autograd.record(() => criterion(net(x), y)).backward();
      trainer.step(y.size);
    }
    console.log(`epoch ${epoch}: loss ${(criterion(net(features), labels).mean().item()).toExponential(2)}`);
  }

  const found: Tensor = net[0].weight.data().reshape([2]);
  console.log(`weights ${found}, bias ${net[0].bias?.data()}`);
  reached('largest error of a weight', found.sub(weight).abs().max().item(), { atMost: 0.01 });
}

main();
