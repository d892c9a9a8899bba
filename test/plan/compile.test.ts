import { autograd, compileStep, loss, nn, random, type Tensor, Trainer } from '../../lib/index.js';
import { type Entry, inputOf, layers } from '../support/layers.js';
import { allBits, bits } from '../support/nn-helpers.js';

const outputsOf = (output: unknown): Tensor[] => (Array.isArray(output) ? output.flatMap(outputsOf) : [output as Tensor]);

/** Something of each element of what a layer gives, for each sample. */
function lossOf(output: unknown): Tensor {
  return outputsOf(output)
    .map(y => y.mul(y.add(0.5)).mean() as Tensor)
    .reduce((a, b) => a.add(b) as Tensor);
}

function make(entry: Entry): { net: nn.Block; trainer: Trainer } {
  random.seed(3);
  // Something to train in front of layers without parameters, where they take floats.
  const layer = entry.make() as nn.Block;
  const net = entry.ids === undefined ? (new nn.Sequential(new nn.PReLU(), layer) as nn.Block) : layer;
  net.initialize({ init: 'uniform' });
  return { net, trainer: new Trainer(net.collectParams(), 'adam', { learningRate: 0.05, clipNorm: 3 }) };
}

const gradients = (net: nn.Block): Record<string, string> =>
  Object.fromEntries(
    [...net.collectParams()].flatMap(([path, p]) => (p.gradReq === 'null' ? [] : [[path, bits(p.grad())]])),
  );

function train(entry: Entry, compiled: boolean): unknown[] {
  const { net, trainer } = make(entry);
  const seen: unknown[] = [];
  random.seed(5);
  const step = compileStep(net, lossOf, trainer);
  for (const n of [4, 4, 6, 4, 1, 4]) {
    const x = inputOf(entry, [n, ...entry.input.slice(1)]);
    let l: Tensor;
    if (compiled) {
      l = step(x);
    } else {
      l = autograd.record(() => lossOf(net(x)));
      l.backward();
      trainer.step(n);
    }
    seen.push(bits(l), allBits(net), gradients(net), trainer.gradientNorm);
  }
  return [...seen, bits(random.uniform([2]))];
}

describe.each(Object.entries(layers))('%s', (_, entry) => {
  test('trains by a compiled step as by record, backward and step', () => {
    expect(train(entry, true)).toEqual(train(entry, false));
  });
});
void loss;
