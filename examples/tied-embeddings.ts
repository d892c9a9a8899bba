/**
 * Inputs of any length, by tied parameters. A table holds a vector for each letter; a recurrent net reads as many of them as
 * there are; and the same table, as the last layer's weight, says which letter comes next. It is one parameter, which gets
 * the gradients of both its uses.
 */
import { autograd, loss, nn, random, type Tensor, Trainer, tensor } from 'latent';
import { percent, reached } from './support/goal.js';

const LETTERS = 26;
const UNITS = 32;
const BATCH = 64;
const STEPS = 600;

class NextLetter extends nn.Block {
  readonly table = new nn.Embedding(LETTERS, UNITS);
  readonly memory = new nn.GRU(UNITS, { layout: 'NTC' });
  readonly out = new nn.Dense(LETTERS, { params: this.table.params, useBias: false, flatten: false });
  override forward(x: Tensor): Tensor {
    return this.out(this.memory(this.table(x)));
  }
}

/** Words that go through the alphabet by equal steps, one to three letters, round and round: [count, length]. */
function words(count: number, length: number): Tensor<[number, number], 'int32'> {
  const first = random.randint(0, LETTERS, [count, 1]);
  const step = random.randint(1, 4, [count, 1]);
  const places = tensor(Int32Array.from({ length }, (_, i) => i));
  const walked = first.add(step.mul(places)).toTypedArray();
  return tensor(Int32Array.from(walked, letter => letter % LETTERS)).reshape([count, length]);
}

const text = (word: Tensor): string => String.fromCharCode(...[...word.toTypedArray()].map(letter => 97 + letter));

const net = new NextLetter();
net.initialize({ init: 'xavier' });
const criterion = new loss.SoftmaxCrossEntropy();
const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.01, clipNorm: 1 });
for (let step = 1; step <= STEPS; step++) {
  const length = 4 + Math.floor(12 * (step / STEPS));
  const seen = words(BATCH, length + 1);
  const losses = autograd.record(() =>
    criterion(net(seen.slice(null, [0, length])), seen.slice(null, [1, length + 1])),
  );
  losses.backward();
  trainer.step(BATCH);
  if (step % 100 === 0) console.log(`step ${step}, words of ${length}: loss ${(losses.mean().item()).toFixed(4)}`);
}
console.log(net.collectParams());

const length = 40;
const seen = words(1000, length + 1);
const guesses = net(seen.slice(null, [0, length])).argmax({ axis: 2 });
// The first guess can't know the step.
const right = guesses.slice(null, [1, length]).equal(seen.slice(null, [2, length + 1]));
console.log(`after ${text(seen.slice(0, [0, length]))} comes ${text(guesses.slice(0, [length - 1, length]))}`);
reached(`right in words of ${length}`, right.cast('float32').mean().item(), { atLeast: 0.99 }, percent);
