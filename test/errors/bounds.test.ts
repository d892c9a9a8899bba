import {
  ArgumentError,
  data,
  LatentError,
  nn,
  OutOfMemoryError,
  ones,
  pad,
  random,
  repeat,
  tensor,
  zeros,
} from '../../lib/index.js';
import { expectError } from '../support/errors.js';

/** Larger than an int32, and what JavaScript still counts in. */
const huge = 2 ** 40;
const size = 'an integer from 1 to 2147483647';

const sizes: readonly [string, () => unknown][] = [
  ['Dense: units', () => new nn.Dense(huge)],
  ['Dense: inUnits', () => new nn.Dense(1, { inUnits: huge })],
  ['Embedding: inputDim', () => new nn.Embedding(huge, 2)],
  ['Embedding: outputDim', () => new nn.Embedding(2, huge)],
  ['Conv2D: channels', () => new nn.Conv2D(huge, { kernelSize: 3 })],
  ['Conv2D: groups', () => new nn.Conv2D(4, { kernelSize: 3, groups: huge })],
  ['Conv2D: inChannels', () => new nn.Conv2D(4, { kernelSize: 3, inChannels: huge })],
  ['Conv2D: kernelSize', () => new nn.Conv2D(4, { kernelSize: huge })],
  ['Conv2D: strides', () => new nn.Conv2D(4, { kernelSize: 3, strides: [1, huge] })],
  ['Conv2D: dilation', () => new nn.Conv2D(4, { kernelSize: 3, dilation: huge })],
  ['MaxPool2D: poolSize', () => new nn.MaxPool2D({ poolSize: huge })],
  ['MaxPool2D: strides', () => new nn.MaxPool2D({ strides: huge })],
  ['LSTM: hiddenSize', () => new nn.LSTM(huge)],
  ['GRU: inputSize', () => new nn.GRU(2, { inputSize: huge })],
  ['LSTMCell: hiddenSize', () => new nn.LSTMCell(huge)],
  ['MultiHeadAttention: numHeads', () => new nn.MultiHeadAttention(huge)],
  ['BatchNorm: inChannels', () => new nn.BatchNorm({ inChannels: huge })],
  ['GroupNorm: numGroups', () => new nn.GroupNorm({ numGroups: huge })],
  ['DataLoader: batchSize', () => new data.DataLoader(new data.ArrayDataset(zeros([4, 1])), { batchSize: huge })],
  ['BatchSampler: batchSize', () => new data.BatchSampler(new data.SequentialSampler(4), huge)],
  ['random.multinomial: count', () => random.multinomial(ones([3]), { count: huge })],
];

it.each(sizes)('%s is no larger than an int32', (name, call) => {
  expectError(call, ArgumentError, `${name} takes ${size}, but got ${huge}`);
});

it('other options that have a bound', () => {
  for (const Class of [nn.RNN, nn.LSTM, nn.GRU]) {
    const message = /: numLayers takes an integer from 1 to 1024, but got 1000000000/;
    expectError(() => new Class(2, { numLayers: 1e9 }), ArgumentError, message);
  }
  expect(new nn.LSTM(1, { numLayers: 1024 }).numLayers).toBe(1024);
  expectError(() => new nn.LSTM(1).beginState(huge), ArgumentError, 'beginState: batchSize takes an integer from 0 to');
  const dense = new nn.Dense(1, { inUnits: 1 });
  dense.initialize();
  expectError(() => dense.predictSync(ones([2, 1]), { batchSize: huge }), ArgumentError, 'predict: batchSize');
});

describe('what would fill the heap is refused before it is made', () => {
  const heap = /would take about [\d,]+ MB of JavaScript heap/;
  const cases: readonly [string, () => unknown, RegExp][] = [
    ['pad', () => pad(ones([2]), 2e9, { mode: 'edge' }), /widths \[2000000000, 2000000000\] with mode 'edge'/],
    [
      'pad',
      () =>
        pad(
          ones([2, 3]),
          [
            [0, 0],
            [0, 4e9],
          ],
          { mode: 'reflect' },
        ),
      /widths \[0, 4000000000\]/,
    ],
    ['repeat', () => repeat(tensor([1, 2]), [4e9, 5]), /times that add up to 4000000005/],
    [
      'batches',
      () => new data.BatchSampler(new data.SequentialSampler(huge), 2 ** 31 - 1)[Symbol.iterator]().next(),
      /batchSize/,
    ],
    [
      'predictions in single rows',
      () => {
        const net = new nn.Dense(1, { inUnits: 1 });
        net.initialize();
        return net.predictSync(ones([1, 1]).broadcastTo([50e6, 1]), { batchSize: 1 });
      },
      /50000000 parts of 50000000 samples \(batchSize 1\)/,
    ],
  ];
  it.each(cases)('%s', (_, call, message) => {
    expectError(call, OutOfMemoryError, heap);
    expect(call).toThrow(message);
  });

  it('a prediction beside the program too', async () => {
    const net = new nn.Dense(1, { inUnits: 1 });
    net.initialize();
    await expect(net.predict(ones([1, 1]).broadcastTo([50e6, 1]), { batchSize: 1 })).rejects.toThrow(LatentError);
  });
});

it('convolutions and windows with the largest steps count in wide integers', () => {
  const most = 2 ** 31 - 1;
  const net = new nn.Conv2D(1, { kernelSize: 3, strides: most });
  net.initialize({ init: 'ones' });
  expect(net(ones([1, 1, 4, 4])).toArray()).toEqual([[[[9]]]]);
  expect(new nn.MaxPool2D({ poolSize: 2, strides: most })(ones([1, 1, 4, 4])).shape).toEqual([1, 1, 1, 1]);
});
