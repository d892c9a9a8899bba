import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { autograd, FormatError, io, loss, nn, optim, random, type Tensor, Trainer } from '../../lib/index.js';
import { full } from '../support/random.js';

const folder = mkdtempSync(join(tmpdir(), 'latent-states-'));
const file = (name: string) => join(folder, `${name}.safetensors`);
afterAll(() => rmSync(folder, { recursive: true }));

const x = random.uniform([8, 3]);
const y = random.uniform([8, 2]);

/** Points at which a run is stopped and resumed. */
const points = full ? 100 : 10;

function makeNet() {
  random.seed(5);
  const net = new nn.Sequential(new nn.Dense(4, { activation: 'tanh' }), new nn.Dense(2));
  net.initialize();
  return net;
}

function train(net: nn.Sequential, trainer: Trainer, steps: number): void {
  const criterion = new loss.L2();
  for (let i = 0; i < steps; i++) {
    autograd.record(() => criterion(net(x), y)).backward();
    trainer.step(8);
  }
}

describe.each([
  ['adam', { learningRate: 0.05 }],
  ['adamw', { learningRate: 0.05, weightDecay: 0.1 }],
  ['sgd', { learningRate: 0.05, momentum: 0.9 }],
  ['sgd', { learningRate: 0.05 }],
  ['rmsprop', { learningRate: 0.01, momentum: 0.5, centered: true }],
  ['adagrad', { learningRate: 0.05, rateDecay: 0.1 }],
  ['lamb', { learningRate: 0.05, scheduler: new optim.CosineScheduler({ maxUpdate: 12, warmupSteps: 3 }) }],
] as const)('states of %s %p', (name, options) => {
  // Stopped at each of the points, it begins the next stretch as a run of its own.
  test(`a run that was stopped at ${points} points goes on bit for bit, also when the states come before the shapes`, () => {
    const whole = makeNet();
    train(whole, new Trainer(whole.collectParams(), name, options), points + 1);

    let net = makeNet();
    let trainer = new Trainer(net.collectParams(), name, options);
    for (let point = 0; point < points; point++) {
      train(net, trainer, 1);
      net.saveParameters(file('net'));
      trainer.saveStates(file('states'));
      net = makeNet();
      trainer = new Trainer(net.collectParams(), name, options);
      trainer.loadStates(file('states'));
      net.loadParameters(file('net'));
    }
    train(net, trainer, 1);
    expect(nn.blockEquals(net, whole)).toBe(true);
  });
});

test.each([
  ['', {}],
  [', with a scheduler', { scheduler: new optim.FactorScheduler({ step: 2, factor: 0.5 }) }],
])('the rate that was set by hand is kept%s', (_, options) => {
  const net = makeNet();
  const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 1, ...options });
  train(net, trainer, 3);
  trainer.learningRate = 0.3;
  trainer.saveStates(file('rate'));
  const other = new Trainer(net.collectParams(), 'sgd', { learningRate: 1, ...options });
  other.loadStates(file('rate'));
  expect(other.learningRate).toBe(trainer.learningRate);
  train(net, trainer, 1);
  expect(io.safetensors.load(file('rate')).metadata.learningRate).toBe('0.3');
});

test('the number of updates is kept, also where each parameter did fewer', () => {
  const nets = [makeNet(), makeNet()] as const;
  const both = new nn.Sequential(...nets);
  const make = () => new Trainer(both.collectParams(), 'sgd', { learningRate: 1 });
  const trainer = make();
  for (const net of nets) train(net, trainer, 1);
  expect(trainer.optimizer.updates).toBe(2);
  trainer.saveStates(file('updates'));
  const other = make();
  other.loadStates(file('updates'));
  expect(other.optimizer.updates).toBe(2);
});

test('what a file has no state of begins anew', () => {
  const nets = [makeNet(), makeNet()];
  const trainers = nets.map(net => new Trainer(net.collectParams(), 'adam', { learningRate: 0.05 }));
  const [trained, fresh] = trainers as [Trainer, Trainer];
  fresh.saveStates(file('fresh'));
  for (const net of nets) net.inferShape(x.shape);
  const values = nets[0]!.toBytes();
  train(nets[0]!, trained, 3);
  trained.loadStates(file('fresh'));
  nets[0]!.fromBytes(values);
  nets.forEach((net, i) => {
    train(net, trainers[i]!, 2);
  });
  expect(nn.blockEquals(nets[0], nets[1])).toBe(true);
});

test('a rate that is none is refused, and a file without one leaves it', () => {
  const net = makeNet();
  const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.5 });
  train(net, trainer, 2);
  trainer.saveStates(file('rates'));
  const { tensors, metadata } = io.safetensors.load(file('rates'));
  for (const learningRate of ['-1', 'NaN', 'Infinity', '', 'fast']) {
    io.safetensors.save(file('bad'), tensors, { metadata: { ...metadata, learningRate } });
    const other = new Trainer(makeNet().collectParams(), 'adam', { learningRate: 0.25 });
    expect(() => other.loadStates(file('bad'))).toThrow(FormatError);
    expect([other.learningRate, other.optimizer.updates]).toEqual([0.25, 0]);
  }
  const { learningRate: _, ...rest } = metadata;
  io.safetensors.save(file('old'), tensors, { metadata: rest });
  const other = new Trainer(net.collectParams(), 'adam', { learningRate: 0.25 });
  other.loadStates(file('old'));
  expect([other.learningRate, other.optimizer.updates]).toEqual([0.25, 2]);
});

describe('files that do not fit', () => {
  const net = makeNet();
  const trainer = new Trainer(net.collectParams(), 'adam');
  train(net, trainer, 2);
  trainer.saveStates(file('adam'));

  test.each([
    [
      'another optimizer',
      () => new Trainer(makeNet().collectParams(), 'sgd').loadStates(file('adam')),
      /is of Adam, but the trainer's optimizer is SGD/,
    ],
    [
      'parameters instead of states',
      () => {
        net.saveParameters(file('parameters'));
        trainer.loadStates(file('parameters'));
      },
      /holds no optimizer's states/,
    ],
    [
      'states of parameters that are not there',
      () => new Trainer(new nn.Dense(1).collectParams(), 'adam').loadStates(file('adam')),
      /states for 0.weight, which the trainer has not/,
    ],
    [
      'other shapes',
      () =>
        new Trainer(new nn.Sequential(new nn.Dense(7), new nn.Dense(2)).collectParams(), 'adam').loadStates(
          file('adam'),
        ),
      /float32 of shape \[4, 3\] as 0.weight.first, for a float32 parameter of shape \[7, -1\]/,
    ],
    [
      'no steps',
      () => {
        io.safetensors.save(
          file('odd'),
          {},
          { metadata: { format: 'latent.optimizer', version: '1', optimizer: 'Adam', steps: '{"0.weight":-1}' } },
        );
        trainer.loadStates(file('odd'));
      },
      /no whole number of steps/,
    ],
    [
      'a later version',
      () => {
        io.safetensors.save(
          file('late'),
          {},
          { metadata: { format: 'latent.optimizer', version: '2', optimizer: 'Adam', steps: '{}' } },
        );
        trainer.loadStates(file('late'));
      },
      /has version 2/,
    ],
  ])('%s raise FormatError, and the states stay', (_, load, message) => {
    const twin = net.clone();
    expect(load).toThrow(FormatError);
    expect(load).toThrow(message);
    const before = net[0].weight.data().toArray();
    train(net, trainer, 1);
    expect(net[0].weight.data().toArray()).not.toEqual(before);
    expect(nn.blockEquals(twin, net)).toBe(false);
  });
});

test('a ParameterDict saves and loads its own part of a net', () => {
  const net = makeNet();
  net(x);
  net.collectParams(/^0\./).save(file('first'));
  const other = makeNet();
  other.initialize();
  other.collectParams(/^0\./).load(file('first'));
  expect(other[0].weight.data().toArray()).toEqual(net[0].weight.data().toArray());
  expect(other[1].weight.state).toBe('deferred');
  expect(() => other.collectParams(/^1\./).load(file('first'))).toThrow(/lacks 1.weight, 1.bias/);
});

test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
  'a parameter called %s keeps its states',
  name => {
    class Named extends nn.Block {
      readonly held = new Map([[name, new nn.Dense(1, { inUnits: 3, weightInitializer: 'ones' })]]);
      constructor() {
        super();
        Object.defineProperty(this, name === 'constructor' || name === 'toString' ? 'kept' : name, {
          value: new nn.Parameter({ shape: [3], init: 'ones' }),
          enumerable: true,
        });
      }
      override forward(input: Tensor): Tensor {
        const own = [...this.params.values()][0] as nn.Parameter;
        return (this.held.get(name) as nn.Dense)(input.mul(own.data())) as Tensor;
      }
    }
    const step = (net: nn.Block, trainer: Trainer) => {
      autograd.record(() => (net(x) as Tensor).sum()).backward();
      trainer.step(8);
    };
    const made = (): [nn.Block, Trainer] => {
      const net = new Named() as unknown as nn.Block;
      net.initialize();
      return [net, new Trainer(net.collectParams(), 'adam', { learningRate: 0.1 })];
    };
    const [net, trainer] = made();
    step(net, trainer);
    net.saveParameters(file('named'));
    trainer.saveStates(file('named-states'));
    const [resumed, second] = made();
    resumed.loadParameters(file('named'));
    second.loadStates(file('named-states'));
    step(net, trainer);
    step(resumed, second);
    const values = (of: nn.Block) => [...of.collectParams()].map(([path, p]) => [path, p.data().toArray()]);
    expect(values(resumed)).toEqual(values(net));
    expect(values(net).length).toBe(3);
  },
);
