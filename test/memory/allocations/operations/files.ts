import { join } from 'node:path';
import { autograd, io, type Tensor } from '../../../../lib/index.js';
import { labels, lossOf, makeNet, ready, trained, x } from './nets.js';
import type { Operation } from './operation.js';

export function files(): Operation[] {
  const options = { inputShape: [-1, 1, 3, 4] };
  return [
    {
      name: 'saveParameters',
      prepare: folder => {
        const path = join(folder, 'net');
        const net = ready();
        net.saveParameters(path);
        trained(net);
        return { nets: [net], act: () => net.saveParameters(path) };
      },
    },
    {
      name: 'loadParameters',
      prepare: folder => {
        const path = join(folder, 'net');
        const net = ready();
        net.saveParameters(path);
        trained(net);
        return { nets: [net], act: () => net.loadParameters(path) };
      },
    },
    {
      name: 'loadParameters of a net that waits for its shapes',
      prepare: folder => {
        const path = join(folder, 'net');
        ready().saveParameters(path);
        const net = makeNet();
        return { nets: [net], act: () => net.loadParameters(path) };
      },
    },
    {
      name: 'toBytes',
      prepare: () => {
        const net = ready();
        return { nets: [net], act: () => net.toBytes() };
      },
    },
    {
      name: 'saveStates',
      prepare: folder => {
        const { net, trainer } = trained(ready());
        return { nets: [net], trainers: [trainer], act: () => trainer.saveStates(join(folder, 'states')) };
      },
    },
    {
      name: 'loadStates',
      prepare: folder => {
        const { net, trainer } = trained(ready());
        const path = join(folder, 'states');
        trainer.saveStates(path);
        autograd.record(() => lossOf(net)).backward();
        trainer.step(4);
        return { nets: [net], trainers: [trainer], act: () => trainer.loadStates(path) };
      },
    },
    {
      name: 'safetensors',
      prepare: () => {
        const tensors = { a: x(), b: labels(), c: x().cast('float64'), d: x().greater(0) };
        return {
          tensors: Object.values(tensors) as Tensor[],
          act: () => io.safetensors.fromBytes(io.safetensors.toBytes(tensors)).tensors,
        };
      },
    },
    {
      name: 'toOnnx',
      prepare: () => {
        const net = ready();
        return { nets: [net], act: () => net.toOnnx(options) };
      },
    },
    {
      name: 'export',
      prepare: folder => {
        const net = ready();
        return { nets: [net], act: () => net.export(join(folder, 'net.onnx'), options) };
      },
    },
    {
      name: 'onnx.fromBytes',
      prepare: () => {
        const bytes = ready().toOnnx(options);
        const input = x();
        return { act: () => io.onnx.fromBytes(bytes)(input) };
      },
    },
  ];
}
