import { inspect } from 'node:util';
import {
  DeferredInitializationError,
  init,
  nn,
  ParameterNotInitializedError,
  random,
  type Tensor,
} from '../../../lib/index.js';

beforeEach(() => {
  nn.resetNames();
  random.seed(0);
});

const printedNet = (first: number, second: number) =>
  `Sequential(\n  (0): Dense(${first} -> 256, Activation(relu))\n  (1): Dense(${second} -> 10, linear)\n)`;

const printedParams = (first: number, second: number) =>
  [
    'sequential0_ (',
    `  Parameter dense0_weight (shape=(256, ${first}), dtype=float32)`,
    '  Parameter dense0_bias (shape=(256,), dtype=float32)',
    `  Parameter dense1_weight (shape=(10, ${second}), dtype=float32)`,
    '  Parameter dense1_bias (shape=(10,), dtype=float32)',
    ')',
  ].join('\n');

const ways: [string, () => nn.Sequential][] = [
  [
    'layers in the constructor',
    () => new nn.Sequential(new nn.Dense(256, { activation: 'relu' }), new nn.Dense(10)) as nn.Sequential,
  ],
  [
    'layers added one by one',
    () => {
      const net = new nn.Sequential();
      net.add(new nn.Dense(256, { activation: 'relu' }));
      net.add(new nn.Dense(10));
      return net;
    },
  ],
  ['layers added together', () => new nn.Sequential().add(new nn.Dense(256, { activation: 'relu' }), new nn.Dense(10))],
];

describe.each(ways)('the walk with %s', (_, build) => {
  it('prints unknown sizes as -1 until the first batch', () => {
    const net = build();
    expect(inspect(net)).toBe(printedNet(-1, -1));
    expect(inspect(net.collectParams())).toBe(printedParams(-1, -1));
    net.initialize();
    expect(inspect(net)).toBe(printedNet(-1, -1));
    expect(inspect(net.collectParams())).toBe(printedParams(-1, -1));
    const y = net(random.uniform([2, 20]));
    expect(y.shape).toEqual([2, 10]);
    expect(inspect(net)).toBe(printedNet(20, 256));
    expect(inspect(net.collectParams())).toBe(printedParams(20, 256));
  });

  it('says before each stage what to do', () => {
    const net = build();
    const { weight } = net.get(0, nn.Dense);
    expect(() => weight.data()).toThrow(ParameterNotInitializedError);
    expect(() => weight.data()).toThrow(/initialize\(\)/);
    net.initialize();
    expect(() => weight.data()).toThrow(DeferredInitializationError);
    expect(() => weight.data()).toThrow(/pass a batch.*inferShape\(/);
    net(random.uniform([2, 20]));
    expect(weight.data().shape).toEqual([256, 20]);
    expect(net.get(1, nn.Dense).weight.data().shape).toEqual([10, 256]);
  });
});

it("prints through console.log's own formatting, also inside an object", () => {
  const net = ways[0]![1]();
  expect(inspect({ net })).toContain('(0): Dense(-1 -> 256, Activation(relu))');
  expect(`${net}`).toBe(printedNet(-1, -1));
  expect(String(net.collectParams())).toBe(printedParams(-1, -1));
});

describe("a user's own initializer", () => {
  let log: string[] = [];
  class MyInit extends init.Initializer {
    override initWeight(name: string, data: Tensor): void {
      log.push(`Init ${name} (${data.shape.join(', ')})`);
    }
  }
  beforeEach(() => {
    log = [];
  });

  it('runs at the first forward, once, for weights alone', () => {
    ways[0]![1]();
    const net = ways[0]![1]();
    net.initialize({ init: new MyInit() });
    expect(log).toEqual([]);
    const x = random.uniform([2, 20]);
    net(x);
    expect(log).toEqual(['Init dense2_weight (256, 20)', 'Init dense3_weight (10, 256)']);
    net(x);
    expect(log).toHaveLength(2);
    net.initialize({ init: new MyInit(), forceReinit: true });
    expect(log.slice(2)).toEqual(['Init dense2_weight (256, 20)', 'Init dense3_weight (10, 256)']);
    expect(net.get(0, nn.Dense).weight.data().sum().item()).toBe(0);
  });

  it('runs at initialize where every input size is given', () => {
    ways[0]![1]();
    ways[0]![1]();
    const net = new nn.Sequential(
      new nn.Dense(256, { activation: 'relu', inUnits: 20 }),
      new nn.Dense(10, { inUnits: 256 }),
    );
    net.initialize({ init: new MyInit() });
    expect(log).toEqual(['Init dense4_weight (256, 20)', 'Init dense5_weight (10, 256)']);
    net(random.uniform([2, 20]));
    expect(log).toHaveLength(2);
  });

  it('runs at initialize for the layers that are known, later for the others', () => {
    const net = new nn.Sequential(new nn.Dense(256, { inUnits: 20 }), new nn.Dense(10));
    net.initialize({ init: new MyInit() });
    expect(log).toEqual(['Init dense0_weight (256, 20)']);
    expect([net[0].weight.state, net[0].bias!.state, net[1].weight.state, net[1].bias!.state]).toEqual([
      'ready',
      'ready',
      'deferred',
      'ready',
    ]);
    net(random.uniform([2, 20]));
    expect(log).toEqual(['Init dense0_weight (256, 20)', 'Init dense1_weight (10, 256)']);
  });

  it('gets zeros to fill, and the parameter', () => {
    const seen: unknown[] = [];
    class Look extends init.Initializer {
      override initWeight(name: string, data: Tensor, parameter: init.InitializedParameter): void {
        seen.push(name, data.sum().item(), parameter.path, parameter.name, parameter.role, [...parameter.shape]);
        data.set([0, 0], 7);
      }
    }
    const net = new nn.Sequential(new nn.Dense(3, { inUnits: 2 }));
    net.initialize({ init: new Look() });
    expect(seen).toEqual(['dense0_weight', 0, '0.weight', 'dense0_weight', 'weight', [3, 2]]);
    expect(net[0].weight.data().toArray()).toEqual([
      [7, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  it('may not return values', () => {
    class Returns extends init.Initializer {
      override initWeight(_name: string, data: Tensor): void {
        const filled: unknown = data.add(1);
        // biome-ignore lint/correctness/noVoidTypeReturn: the mistake that is tested
        return filled as never;
      }
    }
    const net = new nn.Sequential(new nn.Dense(3, { inUnits: 2 }));
    expect(() => net.initialize({ init: new Returns() })).toThrow(/copyFrom\(\) or set\(\)/);
    expect(net[0].weight.state).toBe('bare');
  });
});
