import { ArgumentError, add, data, loss, nn, Trainer, tensor, zeros } from '../../lib/index.js';
import { expectError } from '../support/errors.js';

const t = tensor([1, 2]);
const proxy = new Proxy(t, {});

it.each<[string, () => unknown]>([
  ['an operation', () => add(tensor([1, 2]), proxy)],
  ['a method', () => tensor([1, 2]).mul(proxy)],
  ['a loss', () => new loss.L2()(t, proxy)],
  ['a layer', () => new nn.Flatten()(proxy)],
  ['a list', () => tensor([proxy] as never)],
  ['a column', () => new data.ArrayDataset(proxy)],
  ['toArray', () => proxy.toArray()],
  ['toTypedArray', () => proxy.toTypedArray()],
  ['item', () => new Proxy(tensor(1), {}).item()],
  ['copyTo', () => proxy.copyTo(new Float32Array(2))],
  ['copyFrom', () => proxy.copyFrom(t)],
  ['set', () => proxy.set(0, 1)],
  ['dispose', () => proxy.dispose()],
  ['grad', () => proxy.grad],
  ['toString', () => String(proxy)],
  ['JSON', () => JSON.stringify(proxy)],
  ['iteration', () => [...(proxy as unknown as Iterable<unknown>)]],
  ['a trainer', () => new Trainer(proxy as never, 'sgd')],
])('a Proxy of a tensor is called one by %s', (_, call) => {
  expectError(call, ArgumentError, /but got a Proxy/);
});

it('and the message says what to pass', () => {
  expectError(
    () => add(zeros([2]), proxy),
    ArgumentError,
    /but got a Proxy of one; pass the tensor that it was made of/,
  );
});
