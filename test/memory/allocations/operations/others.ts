import {
  arange,
  autograd,
  concat,
  data,
  metric,
  nn,
  optim,
  random,
  type Tensor,
  tensor,
  zeros,
} from '../../../../lib/index.js';
import { bits, values } from '../../../support/nn-helpers.js';
import { lossOf, ready, x } from './nets.js';
import { type Operation, shown } from './operation.js';

export function others(): Operation[] {
  return [
    {
      name: 'a tensor that is written',
      prepare: () => {
        const t = x();
        return { tensors: [t], act: () => t.copyFrom(t.mul(2).transpose().transpose()) };
      },
    },
    {
      name: 'one element that is written',
      prepare: () => {
        const t = x();
        return { tensors: [t], act: () => t.set([0, 0, 0, 1], 4) };
      },
    },
    {
      name: 'setData',
      prepare: () => {
        const net = ready();
        return { nets: [net], act: () => net.get(6, nn.Dense).weight.setData(zeros([3, 6])) };
      },
    },
    {
      name: 'many tensors at once',
      prepare: () => {
        const t = x();
        // More than a table of tensors has room for without growing.
        return { act: () => bits(concat(Array.from({ length: 3000 }, (_, i) => t.add(i)).slice(-2) as [Tensor])) };
      },
    },
    {
      name: 'metrics',
      prepare: () => {
        const [accuracy, mae, f1] = [new metric.Accuracy(), new metric.MAE(), new metric.F1()];
        const all = new metric.Composite([accuracy, mae]);
        const [given, expected] = [
          tensor([
            [0.2, 0.8],
            [0.7, 0.3],
          ]),
          tensor([1, 1], { dtype: 'int32' }),
        ];
        accuracy.update(expected, given);
        const act = () => {
          f1.update(expected, given.slice(null, 1));
          return f1.get();
        };
        return { metrics: [accuracy, f1, mae, all], act };
      },
    },
    {
      name: 'several metrics at once',
      prepare: () => {
        const [mae, mse] = [new metric.MAE(), new metric.MSE()];
        const all = new metric.Composite([mae, mse]);
        const [given, expected] = [tensor(values(8)), tensor(values(8, 4))];
        all.update(expected, given);
        return { metrics: [mae, mse], act: () => all.update(expected, given) };
      },
    },
    {
      name: 'batches of data',
      prepare: () => {
        random.seed(5);
        const set = new data.ArrayDataset(tensor(values(60), { shape: [12, 5] }), arange(12));
        const act = async () => {
          const batches: unknown[] = [];
          for await (const batch of new data.DataLoader(set, { batchSize: 5 })) batches.push(shown(batch));
          return batches;
        };
        return { act };
      },
    },
    {
      name: 'clipping of gradients',
      prepare: () => {
        const net = ready();
        autograd.record(() => lossOf(net)).backward();
        return { nets: [net], act: () => optim.clipGlobalNorm(net.collectParams(), 0.01) };
      },
    },
    {
      name: 'zeroGrad',
      prepare: () => {
        const net = ready();
        autograd.record(() => lossOf(net)).backward();
        return { nets: [net], act: () => net.zeroGrad() };
      },
    },
  ];
}
