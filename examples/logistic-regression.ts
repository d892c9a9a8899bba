/** One unit and a sigmoid tell two classes apart, as well as the rule that made them can be told from their labels. */
import { autograd, data, loss, metric, nn, random, type Tensor, Trainer } from 'latent';
import { percent, reached } from './support/goal.js';

/** Points, labels that are 1 with probability sigmoid(3·Σ w·x), and how often the likelier class is right. */
function draw(count: number, weight: Tensor): { dataset: data.ArrayDataset<[Tensor, Tensor]>; best: number } {
  const points: Tensor = random.normal([count, 10]);
  const chance: Tensor = points.matmul(weight).mul(3).sigmoid();
  const labels: Tensor = random.uniform([count]).less(chance).cast('float32');
  const likelier = chance.greater(0.5).equal(labels.cast('bool')).cast('float32').mean().item();
  return { dataset: new data.ArrayDataset(points, labels), best: likelier };
}

async function main(): Promise<void> {
  const weight = random.normal([10]);
  const train = draw(4000, weight);
  const test = draw(4000, weight);

  const net = new nn.Sequential(new nn.Dense(1));
  net.initialize();
  const criterion = new loss.SigmoidBinaryCrossEntropy();
  const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.05 });
  for (let epoch = 1; epoch <= 5; epoch++) {
    const meanLoss = new metric.Loss();
    for await (const [x, y] of new data.DataLoader(train.dataset, { batchSize: 100, shuffle: true })) {
      const losses = autograd.record(() => criterion(net(x), y));
      losses.backward();
      trainer.step(y.size);
      meanLoss.update(losses);
    }
    console.log(`epoch ${epoch}: loss ${meanLoss.value.toFixed(4)}`);
  }

  const accuracy = new metric.Accuracy();
  for await (const [x, y] of new data.DataLoader(test.dataset, { batchSize: 1000 }))
    accuracy.update(y, net(x).greater(0));
  console.log(`the rule itself is right on ${percent(test.best)}`);
  reached('test accuracy', accuracy.value, { atLeast: test.best - 0.01 }, percent);
}

main();
