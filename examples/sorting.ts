/** A small transformer learns to sort: it reads eight digits, and says at each place which one belongs there. */
import { autograd, loss, nn, optim, random, type Tensor, Trainer } from 'latent';
import { percent, reached } from './support/goal.js';

const LENGTH = 8;
const UNITS = 64;
const BATCH = 128;
const STEPS = 700;

class Sorter extends nn.Block {
  readonly digits = new nn.Embedding(10, UNITS);
  /** What tells one place from another. */
  readonly places = new nn.Parameter({ shape: [-1, UNITS], role: 'weight', init: 'normal' });
  readonly layers = new nn.Sequential(
    new nn.TransformerEncoderLayer(4, { hiddenUnits: 128, dropout: 0 }),
    new nn.TransformerEncoderLayer(4, { hiddenUnits: 128, dropout: 0 }),
  );
  readonly out = new nn.Dense(10, { flatten: false });
  override forward(x: Tensor<[number, number]>): Tensor {
    this.places.shape = [x.dims()[1], UNITS];
    return this.out(this.layers(this.digits(x).add(this.places.data())));
  }
}

const net = new Sorter();
net.initialize({ init: 'xavier' });
const criterion = new loss.SoftmaxCrossEntropy();
const scheduler = new optim.CosineScheduler({ maxUpdate: STEPS, warmupSteps: 50 });
const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.003, scheduler, clipNorm: 1 });
for (let step = 1; step <= STEPS; step++) {
  const x = random.randint(0, 10, [BATCH, LENGTH]);
  const losses = autograd.record(() => criterion(net(x), x.sort()));
  losses.backward();
  trainer.step(BATCH);
  if (step % 100 === 0) console.log(`step ${step}: loss ${(losses.mean().item()).toFixed(4)}`);
}

const x = random.randint(0, 10, [4000, LENGTH]);
const answers: Tensor = net(x).argmax({ axis: 2 });
console.log(`${x.slice(0)} sorted is ${answers.slice(0)}`);
const right = answers.equal(x.sort()).cast('int32').min({ axis: 1 });
reached('sorted without a fault', right.mean().item(), { atLeast: 0.99 }, percent);
