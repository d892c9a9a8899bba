import { autograd, type nn, random, type Tensor } from '../../lib/index.js';
import { plansOf } from '../../lib/nn/block/plans.js';
import { type Entry, inputOf, layers } from '../support/layers.js';
import { allBits, bits } from '../support/nn-helpers.js';

const everyBit = (output: unknown): unknown => (Array.isArray(output) ? output.map(everyBit) : bits(output as Tensor));

/** Batch sizes in turn: that of the trace comes again after others. */
const batches = [4, 2, 4, 9, 1, 0, 4];

function make(entry: Entry): nn.Block {
  random.seed(3);
  const layer = entry.make() as nn.Block;
  layer.initialize({ init: 'uniform' });
  return layer;
}

/** What calls with other batch sizes give one after the other, and what they leave after. */
function answers(layer: nn.Block, entry: Entry): unknown[] {
  random.seed(5);
  const given = batches.map(batch => inputOf(entry, [batch, ...entry.input.slice(1)]));
  return [...given.map(x => attempt(() => everyBit(layer(x)))), allBits(layer), bits(random.uniform([3]))];
}

function attempt(body: () => unknown): unknown {
  try {
    return body();
  } catch (error) {
    return String(error);
  }
}

describe.each(Object.entries(layers))('%s', (name, entry) => {
  test.each(['predictMode', 'trainMode'] as const)('gives by plans what it gives without, in %s', mode => {
    const run = (hybridized: boolean) => {
      const layer = make(entry);
      if (hybridized) layer.hybridize();
      const given = autograd[mode](() => answers(layer, entry));
      plans = plansOf(layer)?.made ?? 0;
      return given;
    };
    let plans = 0;
    const planned = run(true);
    // States of zeros are as long as the batch, and at a batch of 1 less is copied; one sample has no unbiased variance.
    const most = /RNN|LSTM|GRU/.test(name) ? 3 : name === 'BatchNorm' && mode === 'trainMode' ? 2 : 1;
    expect([name, plans]).toEqual([name, Math.min(plans, most)]);
    expect(plans).toBeGreaterThan(0);
    expect(planned).toEqual(run(false));
  });
});
