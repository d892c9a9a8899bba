import {
  ArgumentError,
  autograd,
  concat,
  init,
  io,
  LatentError,
  metric,
  nn,
  optim,
  pad,
  random,
  repeat,
  stack,
  type Tensor,
  Trainer,
  tensor,
  tile,
  zeros,
} from '../../lib/index.js';
import { thrown } from '../support/nn-helpers.js';

const x = tensor([
  [1, 2],
  [3, 4],
]) as Tensor;
const holes = (n: number) => new Array(n) as never;
const net = new nn.Dense(2);
net.initialize();
net(x);

/** Methods of arrays pass over holes, and a check by one of them lets them through. */
test.each<[string, () => unknown]>([
  ['concat', () => concat(holes(2))],
  ['stack', () => stack(holes(2))],
  ['reshape', () => x.reshape(holes(2))],
  ['transpose', () => x.transpose(holes(2))],
  ['sum', () => x.sum({ axis: holes(1) })],
  ['pad', () => pad(x, holes(2))],
  ['tile', () => tile(x, holes(2))],
  ['repeat', () => repeat(x, holes(2), { axis: 0 })],
  ['split', () => x.split(holes(2))],
  ['set', () => x.set(holes(2), 1)],
  ['zeros', () => zeros(holes(2))],
  ['tensor', () => tensor(holes(2))],
  ['random.normal', () => random.normal(holes(2))],
  ['Conv2D', () => new nn.Conv2D(1, { kernelSize: holes(2) })],
  ['MaxPool2D', () => new nn.MaxPool2D({ poolSize: holes(2) })],
  ['Sequential', () => new nn.Sequential(...(holes(2) as nn.Block[]))],
  ['inferShape', () => net.inferShape(holes(2))],
  ['toOnnx', () => net.toOnnx({ inputShape: holes(2) })],
  ['predictSync', () => net.predictSync(holes(1))],
  ['autograd.backward', () => autograd.backward(holes(2))],
  ['autograd.grad', () => autograd.grad(x.sum() as Tensor, holes(1))],
  ['Trainer', () => new Trainer(holes(2), 'sgd')],
  ['clipGlobalNorm', () => optim.clipGlobalNorm(holes(2), 1)],
  ['MultiFactorScheduler', () => new optim.MultiFactorScheduler({ steps: holes(2) })],
  ['Mixed', () => new init.Mixed(holes(2))],
  ['Composite', () => new metric.Composite(holes(2))],
])('%s refuses an array of holes', (_, call) => {
  expect(thrown(call)).toBeInstanceOf(LatentError);
});

/** A list whose first element is wrong, and which fails when a second one is asked for. */
function* wrongFirst(): Generator<never> {
  yield 1 as never;
  throw new Error('the second element was asked for');
}

test.each<[string, () => unknown]>([
  ['Trainer', () => new Trainer(wrongFirst(), 'sgd')],
  ['clipGlobalNorm', () => optim.clipGlobalNorm(wrongFirst(), 1)],
  ['safetensors.save', () => io.safetensors.toBytes(wrongFirst())],
])('%s reads no more of a list after a wrong element: it may be endless', (_, call) => {
  expect(thrown(call)).toBeInstanceOf(ArgumentError);
});

test('Composite takes metrics that can be updated', () => {
  const Base = metric.Metric as unknown as new (name: string) => metric.Metric;
  expect(() => new metric.Composite([new Base('mine')])).toThrow(/Composite takes an array of metrics/);
});

test('an initializer says what is wrong for whatever name it is given', () => {
  for (const one of [new init.Orthogonal(), new init.Xavier()]) {
    expect(() => one.initWeight(Symbol('s') as never, tensor(1) as Tensor)).toThrow(LatentError);
  }
  const none = new init.Initializer();
  expect(() => none.initWeight(Symbol('s') as never, x, {} as never)).toThrow(
    /Initializer has no initWeight, which Symbol\(s\) needs/,
  );
});
