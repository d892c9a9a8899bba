import { autograd, nn, random, type Tensor, Trainer, tensor } from '../../../../lib/index.js';
import { values } from '../../../support/nn-helpers.js';
import { lossOf, ready } from './nets.js';
import type { Operation } from './operation.js';

export function backwards(): Operation[] {
  return [false, true]
    .flatMap((hybridized): Operation[] => [
      {
        name: `backward${hybridized ? ', hybridized' : ''}`,
        prepare: () => {
          const net = ready(hybridized);
          const l = autograd.record(() => lossOf(net));
          return { nets: [net], act: () => l.backward() };
        },
      },
      {
        name: `backward into gradients that add up${hybridized ? ', hybridized' : ''}`,
        prepare: () => {
          const net = ready(hybridized);
          net.collectParams(/weight|bias|gamma|beta/).setAttr('gradReq', 'add');
          autograd.record(() => lossOf(net)).backward();
          const l = autograd.record(() => lossOf(net));
          return { nets: [net], act: () => l.backward() };
        },
      },
    ])
    .concat([
      {
        name: 'autograd.grad with createGraph',
        prepare: () => {
          const at = tensor(values(6), { shape: [2, 3] }).attachGrad();
          const y = autograd.record(() => at.square().mul(at.tanh()).sum());
          const act = () =>
            autograd.record(() => {
              const [first] = autograd.grad(y, [at], { createGraph: true }) as [Tensor];
              return first.square().sum();
            });
          return { tensors: [at], act };
        },
      },
      {
        name: 'backward of rows of a table',
        prepare: () => {
          const table = new nn.Embedding(50, 3);
          random.seed(5);
          table.initialize();
          const ids = tensor([3, 4, 3, 49], { dtype: 'int32' });
          const trainer = new Trainer(table.collectParams(), 'sgd', { learningRate: 0.1 });
          autograd.record(() => (table(ids) as Tensor).square().sum()).backward();
          trainer.step(1);
          const l = autograd.record(() => (table(ids) as Tensor).square().sum());
          return { nets: [table], trainers: [trainer], act: () => l.backward() };
        },
      },
      {
        name: 'backward of many rows of a table',
        prepare: () => {
          const table = new nn.Embedding(50, 3);
          random.seed(5);
          table.initialize();
          // So many that sums take room of their own.
          const ids = tensor(Int32Array.from({ length: 1000 }, (_, i) => i % 7));
          autograd.record(() => (table(ids) as Tensor).square().sum()).backward();
          const l = autograd.record(() => (table(ids) as Tensor).square().sum());
          return { nets: [table], act: () => l.backward() };
        },
      },
      {
        name: 'a step of rows of a table',
        prepare: () => {
          const table = new nn.Embedding(50, 3);
          random.seed(5);
          table.initialize();
          const ids = tensor([3, 4, 3, 49], { dtype: 'int32' });
          const trainer = new Trainer(table.collectParams(), 'adagrad', { learningRate: 0.1 });
          autograd.record(() => (table(ids) as Tensor).square().sum()).backward();
          return { nets: [table], trainers: [trainer], act: () => trainer.step(1) };
        },
      },
    ]);
}
