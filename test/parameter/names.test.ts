import { join } from 'node:path';
import { inspect } from 'node:util';
import { ArgumentError, autograd, io, nn, random, ShapeError, type Tensor, Trainer, tensor } from '../../lib/index.js';
import { allBits, bits, inFolder, thrown, values } from '../support/nn-helpers.js';

beforeEach(() => {
  random.seed(1);
  nn.resetNames();
});

const x = (columns = 4) => tensor(values(2 * columns), { shape: [2, columns] });

class Body extends nn.Block {
  hidden = new nn.Dense(3);
  forward(h: Tensor): Tensor {
    return this.hidden(h);
  }
}

class Net extends nn.Block {
  body = new Body();
  heads = [new nn.Dense(2), new nn.Dense(2, { useBias: false })];
  byName = { left: new nn.Dense(2) };
  scale = new nn.Parameter({ shape: [1] });
  table = new Map<string, nn.Block>([['a', new Body()]]);
  forward(h: Tensor): Tensor {
    const b = this.body(h);
    const parts = [...this.heads, this.byName.left].map(head => head(b));
    const sum = parts.reduce((a, c) => a.add(c));
    return sum.mul(this.scale.data()).add((this.table.get('a')!(b) as Tensor).sum());
  }
}

it('paths are attribute names from the outermost block, in definition order', () => {
  const net = new Net();
  expect([...net.collectParams().keys()]).toEqual([
    'scale',
    'body.hidden.weight',
    'body.hidden.bias',
    'heads.0.weight',
    'heads.0.bias',
    'heads.1.weight',
    'byName.left.weight',
    'byName.left.bias',
    'table.a.hidden.weight',
    'table.a.hidden.bias',
  ]);
  expect([...net.children.keys()]).toEqual(['body', 'heads.0', 'heads.1', 'byName.left', 'table.a']);
});

it("names have Gluon's running prefixes, and go on from net to net", () => {
  const build = () => new nn.Sequential(new nn.Dense(3), new nn.Dense(2));
  const [a, b] = [build(), build()];
  expect([...a.collectParams().values()].map(p => p.name)).toEqual([
    'dense0_weight',
    'dense0_bias',
    'dense1_weight',
    'dense1_bias',
  ]);
  expect([...b.collectParams().values()][0]!.name).toBe('dense2_weight');
  expect([a.prefix, b.prefix]).toEqual(['sequential0_', 'sequential1_']);
  nn.resetNames();
  expect(build()[0].weight.name).toBe('dense0_weight');
});

it('a parameter is found by path or name; an unknown key says what there is', () => {
  const net = new nn.Sequential(new nn.Dense(3));
  const params = net.collectParams();
  expect(params.get('0.weight')).toBe(net[0].weight);
  expect(params.get('dense0_weight')).toBe(net[0].weight);
  expect(params.has('0.bias')).toBe(true);
  expect(params.has('1.bias')).toBe(false);
  const error = thrown(() => params.get('0.wieght'));
  expect(error).toBeInstanceOf(ArgumentError);
  expect(error.message).toContain('0.weight');
});

it('is Map-like by path', () => {
  const params = new nn.Sequential(new nn.Dense(3)).collectParams();
  expect(params.size).toBe(2);
  expect([...params].map(([path]) => path)).toEqual(['0.weight', '0.bias']);
  expect([...params.entries()].map(([, p]) => p.path)).toEqual(['0.weight', '0.bias']);
  const seen: string[] = [];
  params.forEach((p, path) => {
    seen.push(`${path} ${p.name}`);
  });
  expect(seen).toEqual(['0.weight dense0_weight', '0.bias dense0_bias']);
  expect(inspect(params)).not.toContain('Function');
});

it('patterns are matched against paths', () => {
  const net = new Net();
  expect([...net.collectParams(/bias$/).keys()]).toHaveLength(4);
  expect([...net.collectParams('^heads\\.').keys()]).toEqual(['heads.0.weight', 'heads.0.bias', 'heads.1.weight']);
  expect([...net.collectParams(/dense/).keys()]).toEqual([]);
  // A pattern with a place of its own would skip every other parameter.
  expect([...net.collectParams(/weight/g).keys()]).toEqual([...net.collectParams(/weight/).keys()]);
});

it('the path stays that of the outermost block', () => {
  const net = new nn.Sequential(new nn.Dense(3));
  net.collectParams();
  expect(net[0].weight.path).toBe('0.weight');
  expect([...net[0].params.keys()]).toEqual(['weight', 'bias']);
  expect(net[0].weight.path).toBe('0.weight');
});

it('setAttr sets all of them', () => {
  const net = new Net();
  net.collectParams(/^heads/).setAttr('lrMult', 0);
  expect([...net.collectParams().values()].filter(p => p.lrMult === 0)).toHaveLength(3);
  net.collectParams().setAttr('gradReq', 'add');
  expect([...net.collectParams().values()].every(p => p.gradReq === 'add')).toBe(true);
  net.collectParams(/scale/).setAttr('wdMult', 2);
  expect(net.scale.wdMult).toBe(2);
  expect(() => net.collectParams().setAttr('shape' as never, [1] as never)).toThrow(ArgumentError);
  expect(() => net.collectParams().setAttr('lrMult', Number.NaN)).toThrow(ArgumentError);
});

it('the dict of a pattern initializes those parameters alone, under their paths', () => {
  random.seed(3);
  const net = new nn.Sequential(new nn.Dense(3, { inUnits: 2 }), new nn.Dense(2, { inUnits: 3 }));
  net.collectParams(/^1/).initialize();
  expect([net[0].weight.state, net[1].weight.state]).toEqual(['bare', 'ready']);
  random.seed(3);
  const whole = new nn.Sequential(new nn.Dense(3, { inUnits: 2 }), new nn.Dense(2, { inUnits: 3 }));
  whole.initialize();
  expect(bits(net[1].weight.data())).toBe(bits(whole[1].weight.data()));
});

describe('messages', () => {
  it('name the layer by path and class, the parameter by path and name', () => {
    const net = new nn.Sequential(new nn.Dense(256), new nn.Dense(10, { inUnits: 256 }) as nn.Block) as nn.Sequential;
    net.initialize();
    const other = tensor(values(2 * 128), { shape: [2, 128] });
    const wrong = new nn.Sequential(new nn.Dense(128), new nn.Dense(10, { inUnits: 256 }) as nn.Block) as nn.Sequential;
    nn.resetNames();
    const exact = new nn.Sequential(new nn.Dense(128), new nn.Dense(10, { inUnits: 256 }) as nn.Block) as nn.Sequential;
    exact.initialize();
    wrong.initialize();
    const error = thrown(() => exact(other));
    expect(error).toBeInstanceOf(ShapeError);
    expect(error.name).toBe('ShapeError');
    expect(error.message).toBe(
      "Dense '1' in Sequential (1.weight, dense1_weight) takes 256 input units, but its input has shape [2, 128]",
    );
    expect(thrown(() => wrong(other)).message).toContain('dense3_weight');
  });

  it('name a block that is called on its own by its class', () => {
    const layer = new nn.Dense(10, { inUnits: 256 }) as nn.Dense;
    layer.initialize();
    expect(thrown(() => layer(tensor(values(256), { shape: [2, 128] }))).message).toBe(
      'Dense (weight, dense0_weight) takes 256 input units, but its input has shape [2, 128]',
    );
  });

  it('name nested blocks by the whole path', () => {
    const net = new nn.Sequential(new nn.Sequential(new nn.Flatten(), new nn.Dense(2, { inUnits: 3 })));
    net.initialize();
    expect(thrown(() => (net as nn.Sequential)(x(4))).message).toContain("Dense '0.1' in Sequential (0.1.weight, ");
  });
});

describe('sharing', () => {
  const build = () => {
    const first = new nn.Dense(4);
    return new nn.Sequential(
      first,
      new nn.Activation('tanh'),
      new nn.Dense(4, { params: first.params }),
    ) as nn.Sequential;
  };

  it('resolves a shared parameter once for all its users', () => {
    const net = build();
    net.initialize();
    expect(net.collectParams().size).toBe(2);
    net(x(4));
    expect(net.get(2, nn.Dense).weight).toBe(net.get(0, nn.Dense).weight);
    expect(net.get(2, nn.Dense).weight.shape).toEqual([4, 4]);
  });

  it('raises where the users need different sizes, and creates nothing', () => {
    const net = build();
    net.initialize();
    expect(thrown(() => net(x(5)))).toBeInstanceOf(ShapeError);
    expect(net.get(0, nn.Dense).weight.state).toBe('deferred');
    expect(net.get(0, nn.Dense).weight.shape).toEqual([4, -1]);
    const first = new nn.Dense(4);
    expect(() => new nn.Dense(5, { params: first.params })).toThrow(ShapeError);
    expect(() => new nn.Dense(4, { params: {} as never })).toThrow(ArgumentError);
  });

  it('counts once in a summary, and is saved once', () => {
    const net = build();
    net.initialize();
    net(x(4));
    const log = jest.spyOn(console, 'log').mockImplementation(() => {});
    expect(net.summary([2, 4]).parameters).toBe(20);
    log.mockRestore();
    inFolder(folder => {
      const path = join(folder, 'tied.safetensors');
      net.saveParameters(path);
      expect([...io.safetensors.load(path).tensors.keys()]).toEqual(['0.weight', '0.bias']);
      const twin = build();
      twin.loadParameters(path);
      expect(bits(twin.get(2, nn.Dense).weight.data())).toBe(bits(net.get(0, nn.Dense).weight.data()));
    });
  });

  it('trains once per step, with the gradients of all uses added up', () => {
    const net = build();
    net.initialize({ init: 'xavier' });
    net(x(4));
    const before = net.get(0, nn.Dense).weight.data().clone();
    autograd.record(() => net(x(4)).square().sum()).backward();
    const gradient = net.get(0, nn.Dense).weight.grad().clone();
    new Trainer(net.collectParams(), 'sgd', { learningRate: 0.5 }).step(1);
    expect(bits(net.get(2, nn.Dense).weight.data())).toBe(bits(before.sub(gradient.mul(0.5))));
  });

  it('shares a weight that was given sizes later, in both directions', () => {
    const first = new nn.Dense(4);
    const second = new nn.Dense(4, { params: first.params, inUnits: 6 });
    expect(first.weight).toBe(second.weight);
    expect(first.weight.shape).toEqual([4, 6]);
    expect(inspect(first)).toBe('Dense(6 -> 4, linear)');
  });
});

describe('clone', () => {
  it('copies values, keeps ties, takes new names', () => {
    const first = new nn.Dense(4);
    const net = new nn.Sequential(first, new nn.Dense(4, { params: first.params })) as nn.Sequential;
    net.initialize();
    net(x(4));
    const twin = net.clone();
    expect(allBits(twin)).toEqual(allBits(net));
    expect(twin.collectParams().size).toBe(2);
    expect(twin.get(0, nn.Dense).weight).toBe(twin.get(1, nn.Dense).weight);
    expect(twin.get(0, nn.Dense).weight).not.toBe(net.get(0, nn.Dense).weight);
    expect(twin.get(0, nn.Dense).weight.name).toBe('dense2_weight');
    twin.get(0, nn.Dense).weight.setData(tensor(values(16, 9), { shape: [4, 4] }));
    expect(allBits(twin)).not.toEqual(allBits(net));
  });

  it('computes what its original computes', () => {
    const net = new nn.Sequential(new nn.Dense(4, { activation: 'gelu' }), new nn.Dropout(0.5), new nn.Dense(2));
    net.initialize();
    const y = net(x(4));
    expect(bits(net.clone()(x(4)))).toBe(bits(y));
  });

  it('of a deferred net has the same pending state', () => {
    const net = new nn.Sequential(new nn.Dense(4), new nn.Dense(2));
    net.initialize({ init: 'xavier' });
    net[0].weight.lrMult = 0.5;
    net[1].weight.gradReq = 'null';
    const twin = net.clone();
    expect([twin[0].weight.state, twin[0].weight.lrMult, twin[1].weight.gradReq]).toEqual(['deferred', 0.5, 'null']);
    net(x(4));
    expect(twin[0].weight.state).toBe('deferred');
    twin(x(4));
    expect(allBits(twin)).toEqual(allBits(net));
  });

  it('has a name as soon as it exists', () => {
    const net = new nn.Sequential(new nn.Dense(4));
    expect(inspect(net.clone()[0].weight)).toBe('Parameter dense1_weight (shape=(4, -1), dtype=float32)');
  });
});
