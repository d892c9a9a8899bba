import { inspect } from 'node:util';
import { data, metric, tensor } from '../../lib/index.js';

const one = new data.ArrayDataset([1]);
const two = new data.ArrayDataset(tensor([1, 2]), [3, 4]);
const order = new data.SequentialSampler(4);
const accuracy = new metric.Accuracy();
accuracy.update(tensor([1, 2, 3]), tensor([1, 2, 4]));

it.each<[string, object]>([
  ['ArrayDataset(1 sample, 1 column)', one],
  ['ArrayDataset(2 samples, 2 columns)', two],
  ['DataLoader(2 samples, batches of 128)', new data.DataLoader(two, { batchSize: 128 })],
  ['DataLoader(2 samples, batches of 8, shuffled)', new data.DataLoader(two, { batchSize: 8, shuffle: true })],
  ['DataLoader(2 samples, batches of 8, own sampler)', new data.DataLoader(two, { batchSize: 8, sampler: order })],
  ['SequentialSampler(4 samples)', order],
  ['RandomSampler(1 sample)', new data.RandomSampler(1)],
  ['BatchSampler(4 samples, batches of 3)', new data.BatchSampler(order, 3)],
  ['Accuracy(0.666667 over 3)', accuracy],
  ['Accuracy(top: nothing yet)', new metric.Accuracy({ name: 'top' })],
  ['Loss(nothing yet)', new metric.Loss()],
])('%s', (text, value) => {
  expect([String(value), inspect(value)]).toEqual([text, text]);
});
