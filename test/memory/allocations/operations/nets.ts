import { autograd, loss, nn, random, type Tensor, Trainer, tensor } from '../../../../lib/index.js';
import { values } from '../../../support/nn-helpers.js';

/** A batch. */
export const x = (): Tensor => tensor(values(48, 3), { shape: [4, 1, 3, 4] });
export const labels = (): Tensor => tensor([0, 2, 1, 2], { dtype: 'int32' });

/** A net with parameters, running statistics and random numbers; its sizes come with the first batch. */
export function makeNet(): nn.Sequential {
  nn.resetNames();
  random.seed(5);
  const net = new nn.Sequential(
    new nn.Conv2D(3, { kernelSize: 2, activation: 'relu' }),
    new nn.BatchNorm(),
    new nn.Flatten(),
    new nn.Dropout(0.25),
    new nn.Dense(6, { activation: 'tanh' }),
    new nn.BatchNorm(),
    new nn.Dense(3),
  ) as nn.Sequential;
  return net;
}

/** The same with values. */
export function ready(hybridized = false): nn.Sequential {
  const net = makeNet();
  net.initialize({ init: 'xavier' });
  net(x());
  if (hybridized) net.hybridize();
  return net;
}

export const softmaxLoss = new loss.SoftmaxCrossEntropy();
export const lossOf = (net: nn.Sequential): Tensor => softmaxLoss(net(x()) as Tensor, labels()) as Tensor;

/** A trainer that has done a step. */
export function trained(net: nn.Sequential, steps = 1): { net: nn.Sequential; trainer: Trainer } {
  const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.01, clipNorm: 1 });
  for (let i = 0; i < steps; i++) {
    autograd.record(() => lossOf(net)).backward();
    trainer.step(4);
  }
  return { net, trainer };
}
