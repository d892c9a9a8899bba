import {
  ArgumentError,
  AutogradError,
  autograd,
  DeferredInitializationError,
  DTypeError,
  init,
  memory,
  nn,
  ParameterNotInitializedError,
  random,
  ShapeError,
  type Tensor,
  Trainer,
  tensor,
} from '../../lib/index.js';
import { bits, thrown, values, warningsOf } from '../support/nn-helpers.js';

beforeEach(() => {
  random.seed(1);
  nn.resetNames();
});

class Holder extends nn.Block {
  weight: nn.Parameter;
  other = new nn.Parameter({ shape: [2, -1] });
  constructor(options: nn.ParameterOptions) {
    super();
    this.weight = new nn.Parameter(options);
  }
  forward(x: Tensor): Tensor {
    return x;
  }
}

type State = 'bare' | 'deferred' | 'ready';

function inState(state: State, options: Partial<nn.ParameterOptions> = {}): Holder {
  const holder = new Holder({ shape: [3, -1], ...options });
  if (state !== 'bare') holder.initialize();
  if (state === 'ready') holder.weight.shape = [3, 4];
  expect(holder.weight.state).toBe(state);
  return holder;
}

const given = () => tensor(values(12), { shape: [3, 4] });

describe('data and grad', () => {
  it('of a bare parameter say to initialize', () => {
    const { weight } = inState('bare');
    for (const read of [() => weight.data(), () => weight.grad()]) {
      expect(thrown(read)).toBeInstanceOf(ParameterNotInitializedError);
      expect(thrown(read)).toMatchObject({ code: 'ERR_LATENT_NOT_INITIALIZED' });
      expect(thrown(read).message).toContain('initialize()');
    }
  });

  it('of a deferred one say to pass a batch', () => {
    const { weight } = inState('deferred');
    for (const read of [() => weight.data(), () => weight.grad()]) {
      expect(thrown(read)).toBeInstanceOf(DeferredInitializationError);
      expect(thrown(read)).toMatchObject({ code: 'ERR_LATENT_DEFERRED' });
      expect(thrown(read).message).toMatch(/\[3, -1\].*batch.*inferShape\(/);
    }
  });

  it('of a ready one are lasting tensors', () => {
    const { weight } = inState('ready');
    const data = weight.data();
    expect(data.shape).toEqual([3, 4]);
    expect(weight.data()).toBe(data);
    expect(weight.grad().toArray()).toEqual(Array.from({ length: 3 }, () => [0, 0, 0, 0]));
    autograd.record(() => data.mul(data).sum()).backward();
    expect(bits(weight.grad())).toBe(bits(data.mul(2)));
  });

  it("with gradReq 'null' there is no gradient", () => {
    const { weight } = inState('ready');
    weight.gradReq = 'null';
    expect(thrown(() => weight.grad())).toBeInstanceOf(AutogradError);
  });

  it("gradReq 'null' gives up the gradient that was there, and its memory", () => {
    const { weight } = inState('ready');
    weight.gradReq = 'add';
    autograd.record(() => weight.data().mul(2).sum()).backward();
    memory.collect();
    const before = memory.info().liveBytes;
    weight.gradReq = 'null';
    memory.collect();
    expect(before - memory.info().liveBytes).toBeGreaterThanOrEqual(weight.data().size * 4);
    weight.gradReq = 'add';
    expect(weight.grad().abs().sum().item()).toBe(0);
    autograd.record(() => weight.data().mul(2).sum()).backward();
    expect(weight.grad().mean().item()).toBe(2);
  });

  it('a product sees each new value of a weight, though it keeps the weight packed', () => {
    const layer = new nn.Dense(16, { inUnits: 32, useBias: false });
    layer.initialize();
    const x = random.uniform([64, 32]);
    const holds = () => {
      const y = layer(x);
      const want = x.matmul(layer.weight.data().clone().transpose() as Tensor) as Tensor;
      expect((y.sub(want) as Tensor).abs().max().item()).toBeLessThan(1e-5);
    };
    holds();
    layer.weight.setData(random.uniform([16, 32]));
    holds();
    layer.weight.data().set([3, 5], 9);
    holds();
    autograd.record(() => layer(x).sum()).backward();
    new Trainer(layer.collectParams(), 'sgd', { learningRate: 0.5 }).step();
    holds();
    layer.initialize({ init: 'xavier', forceReinit: true });
    holds();
  });
});

describe('setData', () => {
  it.each(['bare', 'deferred'] as const)('makes a %s parameter ready with these values, and no other', state => {
    const holder = inState(state);
    const source = given();
    holder.weight.setData(source);
    expect(holder.weight.state).toBe('ready');
    expect(holder.weight.shape).toEqual([3, 4]);
    expect(bits(holder.weight.data())).toBe(bits(source));
    expect(holder.other.state).toBe(state);
    source.set([0, 0], 99);
    expect(bits(holder.weight.data())).not.toBe(bits(source));
    const kept = bits(holder.weight.data());
    warningsOf(() => holder.initialize());
    holder.other.shape = [2, 5];
    expect(bits(holder.weight.data())).toBe(kept);
  });

  it.each(['bare', 'deferred'] as const)('refuses sizes that contradict those of a %s one', state => {
    const { weight } = inState(state);
    const error = thrown(() => weight.setData(tensor(values(8), { shape: [2, 4] })));
    expect(error).toBeInstanceOf(ShapeError);
    expect(weight.shape).toEqual([3, -1]);
    expect(weight.state).toBe(state);
  });

  it.each(['bare', 'deferred'] as const)('refuses a size of 0 in a %s one', state => {
    const { weight } = inState(state);
    expect(thrown(() => weight.setData(tensor([], { shape: [3, 0] })))).toBeInstanceOf(ShapeError);
    expect(weight.state).toBe(state);
  });

  it('copies into a ready one, after a check', () => {
    const { weight } = inState('ready');
    const lasting = weight.data();
    weight.setData(given());
    expect(weight.data()).toBe(lasting);
    expect(bits(lasting)).toBe(bits(given()));
    expect(thrown(() => weight.setData(tensor(values(12), { shape: [4, 3] })))).toBeInstanceOf(ShapeError);
    expect(bits(lasting)).toBe(bits(given()));
  });

  it.each(['bare', 'deferred', 'ready'] as const)('refuses another dtype when %s', state => {
    const { weight } = inState(state);
    expect(thrown(() => weight.setData(given().cast('float64')))).toBeInstanceOf(DTypeError);
    expect(weight.state).toBe(state);
    expect(thrown(() => weight.setData([1] as never))).toBeInstanceOf(ArgumentError);
  });
});

describe('initialize', () => {
  it('makes a parameter of known shape ready at once, others wait', () => {
    const holder = new Holder({ shape: [2, 2] });
    holder.initialize();
    expect([holder.weight.state, holder.other.state]).toEqual(['ready', 'deferred']);
  });

  it('replaces what is pending', () => {
    const holder = inState('deferred');
    holder.initialize({ init: new init.Constant(0.75) });
    holder.initialize({ init: new init.Constant(0.5) });
    holder.weight.shape = [3, 2];
    expect(holder.weight.data().toArray()).toEqual(Array.from({ length: 3 }, () => [0.5, 0.5]));
  });

  it('keeps the values of ready ones, with one warning for the call that names them', () => {
    const holder = inState('ready');
    holder.other.shape = [2, 2];
    const before = [bits(holder.weight.data()), bits(holder.other.data())];
    const warnings = warningsOf(() => holder.initialize({ init: 'ones' }));
    expect([bits(holder.weight.data()), bits(holder.other.data())]).toEqual(before);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]!.code).toBe('LATENT_ALREADY_INITIALIZED');
    expect(warnings[0]!.text).toMatch(
      /found nothing to do: weight, .*; other, .* had values, and kept them; leave the call out/,
    );
  });

  it.each([0, 1] as const)('draws what is new beside layer %i, which has values, without a warning', kept => {
    const net = new nn.Sequential(new nn.Dense(2, { inUnits: 2 }), new nn.Dense(1, { inUnits: 2 }));
    net[kept].initialize();
    const before = bits(net[kept].weight.data());
    expect(warningsOf(() => net.initialize())).toEqual([]);
    expect([bits(net[kept].weight.data()), net.get(1 - kept, nn.Dense).weight.state]).toEqual([before, 'ready']);
  });

  it('with forceReinit draws again in place, without a warning', () => {
    const holder = inState('ready');
    const lasting = holder.weight.data();
    const warnings = warningsOf(() => holder.initialize({ init: new init.Constant(0.25), forceReinit: true }));
    expect(warnings).toEqual([]);
    expect(holder.weight.data()).toBe(lasting);
    expect(lasting.toArray()).toEqual(Array.from({ length: 3 }, () => [0.25, 0.25, 0.25, 0.25]));
  });

  it.each(['bare', 'deferred'] as const)('with forceReinit defers a %s one as without', state => {
    const holder = inState(state);
    holder.initialize({ init: 'ones', forceReinit: true });
    expect(holder.weight.state).toBe('deferred');
    holder.weight.shape = [3, 1];
    expect(holder.weight.data().toArray()).toEqual([[1], [1], [1]]);
  });

  it('names the nearest option', () => {
    expect(() => new Holder({ shape: [1] }).initialize({ forceReInit: true } as never)).toThrow(
      /no option 'forceReInit'; did you mean 'forceReinit'/,
    );
    expect(() => new Holder({ shape: [1] }).initialize({ init: 'xaver' as never })).toThrow(/did you mean 'xavier'/);
    expect(() => new Holder({ shape: [1] }).initialize({ init: 3 as never })).toThrow(ArgumentError);
  });
});

describe('shape', () => {
  it.each(['bare', 'deferred'] as const)('merges while %s', state => {
    const holder = inState(state, { shape: [3, -1, -1] });
    const { weight } = holder;
    weight.shape = [-1, 5, -1];
    expect(weight.shape).toEqual([3, 5, -1]);
    weight.shape = [3, -1, -1];
    expect(weight.shape).toEqual([3, 5, -1]);
    for (const wrong of [
      [4, 5, 6],
      [3, 4, 6],
      [3, 5],
      [3, 5, 6, 1],
    ]) {
      expect(
        thrown(() => {
          weight.shape = wrong;
        }),
      ).toBeInstanceOf(ShapeError);
      expect(weight.shape).toEqual([3, 5, -1]);
    }
    weight.shape = [-1, -1, 2];
    expect(weight.shape).toEqual([3, 5, 2]);
    expect(weight.state).toBe(state === 'bare' ? 'bare' : 'ready');
  });

  it('of a ready one is an assertion', () => {
    const { weight } = inState('ready');
    const before = bits(weight.data());
    weight.shape = [3, 4];
    weight.shape = [-1, 4];
    expect(
      thrown(() => {
        weight.shape = [3, 5];
      }),
    ).toBeInstanceOf(ShapeError);
    expect(bits(weight.data())).toBe(before);
  });

  it.each([[[3, 0]], [[3, -2]], [[3, 1.5]], [[3, Number.NaN]], ['x'], [[3, '4']]])('refuses %p', wrong => {
    expect(() => new nn.Parameter({ shape: wrong as never })).toThrow(ShapeError);
    const { weight } = inState('deferred');
    expect(
      thrown(() => {
        weight.shape = wrong as never;
      }),
    ).toBeInstanceOf(ShapeError);
    expect(weight.shape).toEqual([3, -1]);
  });

  it('cannot be changed from outside by the array that was given', () => {
    const sizes = [3, -1];
    const parameter = new nn.Parameter({ shape: sizes });
    sizes[0] = 8;
    expect(parameter.shape).toEqual([3, -1]);
    expect(Object.isFrozen(parameter.shape)).toBe(true);
  });
});

describe.each(['bare', 'deferred', 'ready'] as const)('attributes set while %s', state => {
  const finish = (holder: Holder) => {
    if (state === 'bare') holder.initialize();
    if (state !== 'ready') holder.weight.shape = [3, 4];
    return holder.weight;
  };

  it('lrMult and wdMult are kept', () => {
    const holder = inState(state);
    holder.weight.lrMult = 0.5;
    holder.weight.wdMult = 0;
    const weight = finish(holder);
    expect([weight.lrMult, weight.wdMult]).toEqual([0.5, 0]);
    expect(() => {
      weight.lrMult = -1;
    }).toThrow(ArgumentError);
  });

  it("gradReq 'null' stops gradients, 'add' accumulates", () => {
    const holder = inState(state);
    holder.weight.gradReq = 'add';
    const weight = finish(holder);
    for (let i = 0; i < 3; i++) autograd.record(() => weight.data().mul(2).sum()).backward();
    expect(weight.grad().mean().item()).toBe(6);
    weight.gradReq = 'null';
    expect(thrown(() => weight.grad())).toBeInstanceOf(AutogradError);
    weight.gradReq = 'write';
    autograd.record(() => weight.data().mul(3).sum()).backward();
    expect(weight.grad().mean().item()).toBe(3);
    expect(() => {
      weight.gradReq = 'no' as never;
    }).toThrow(/'write', 'add', 'null'/);
  });

  it('cast is applied', () => {
    const holder = inState(state);
    const before = state === 'ready' ? holder.weight.data() : null;
    holder.weight.cast('float64');
    expect(holder.weight.dtype).toBe('float64');
    const weight = finish(holder);
    expect(weight.data().dtype).toBe('float64');
    if (before !== null) {
      expect(weight.data()).not.toBe(before);
      expect(bits(weight.data())).toBe(bits(before.cast('float64')));
    }
    expect(weight.grad().dtype).toBe('float64');
    expect(() => weight.cast('int32' as never)).toThrow(DTypeError);
  });

  it('identity never changes', () => {
    const holder = inState(state);
    const { weight } = holder;
    expect(finish(holder)).toBe(weight);
    expect(holder.collectParams().get('weight')).toBe(weight);
  });
});

describe('onReady', () => {
  it('runs once the value exists, in order, once', () => {
    const holder = inState('deferred');
    const seen: string[] = [];
    holder.weight.onReady(() => seen.push(`a ${holder.weight.data().shape.join()}`));
    holder.weight.onReady(() => seen.push('b'));
    expect(seen).toEqual([]);
    holder.weight.shape = [3, 2];
    expect(seen).toEqual(['a 3,2', 'b']);
    holder.initialize({ forceReinit: true });
    expect(seen).toHaveLength(2);
    holder.weight.onReady(() => seen.push('at once'));
    expect(seen.at(-1)).toBe('at once');
    expect(() => holder.weight.onReady(3 as never)).toThrow(ArgumentError);
  });
});

describe('options', () => {
  it('an unknown one names the nearest', () => {
    expect(() => new nn.Parameter({ shape: [1], lrmult: 2 } as never)).toThrow(/did you mean 'lrMult'/);
    expect(() => new nn.Parameter({ shape: [1], role: 'wieght' } as never)).toThrow(/did you mean 'weight'/);
    expect(() => new nn.Parameter({ shape: [1], dtype: 'int32' } as never)).toThrow(DTypeError);
  });

  it('the role chooses the initializer, an own initializer wins', () => {
    class Named extends nn.Block {
      list = {
        gamma: new nn.Parameter({ shape: [2], role: 'gamma' }),
        beta: new nn.Parameter({ shape: [2], role: 'beta' }),
        mean: new nn.Parameter({ shape: [2], role: 'runningMean' }),
        variance: new nn.Parameter({ shape: [2], role: 'runningVar' }),
        bias: new nn.Parameter({ shape: [2], role: 'bias' }),
        mine: new nn.Parameter({ shape: [2], role: 'bias', init: new init.Constant(4) }),
        weight: new nn.Parameter({ shape: [2] }),
      };
      forward(x: Tensor): Tensor {
        return x;
      }
    }
    const block = new Named();
    block.initialize({ init: new init.Constant(3) });
    expect(Object.values(block.list).map(p => (p.data().toArray() as number[])[0])).toEqual([1, 0, 0, 1, 0, 4, 3]);
  });
});
