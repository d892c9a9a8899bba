import {
  ArgumentError,
  autograd,
  BlockError,
  DTypeError,
  init,
  nn,
  ParameterNotInitializedError,
  random,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from '../../../lib/index.js';
import { allBits, bits, thrown, values, warningsOf } from '../../support/nn-helpers.js';

beforeEach(() => {
  random.seed(1);
  nn.resetNames();
});

const x = (columns = 4, rows = 2) => tensor(values(rows * columns), { shape: [rows, columns] });

describe('hooks', () => {
  it('see inputs and outputs of the real forward alone, in order', () => {
    const net = new nn.Sequential(new nn.Dense(3));
    const seen: unknown[] = [];
    const input = x();
    net.registerForwardPreHook((block, inputs) => {
      seen.push('pre', block === net, inputs[0] === input, nn.isShapePass());
    });
    net[0].registerForwardHook((_block, inputs, output: Tensor) => {
      seen.push('layer', inputs.length, [...output.shape], output.toArray() !== undefined);
    });
    net.registerForwardHook((_block, _inputs, output: Tensor) => {
      seen.push('post', [...output.shape]);
    });
    net.initialize();
    net(input);
    expect(seen).toEqual(['pre', true, true, false, 'layer', 1, [2, 3], true, 'post', [2, 3]]);
    seen.length = 0;
    net.forward(input);
    expect(seen[0]).toBe('layer');
  });

  it('are removed by their handle, once', () => {
    const net = new nn.Identity();
    let calls = 0;
    const hook = () => {
      calls++;
    };
    const first = net.registerForwardHook(hook);
    net.registerForwardHook(hook);
    net(x());
    expect(calls).toBe(2);
    first.remove();
    first.remove();
    net(x());
    expect(calls).toBe(3);
  });

  it('may return nothing', () => {
    const net = new nn.Identity();
    net.registerForwardHook(((_b: unknown, _i: unknown, output: Tensor) => output.mul(2)) as never);
    expect(() => net(x())).toThrow(/hooks watch and return nothing/);
    expect(() => net.registerForwardHook(3 as never)).toThrow(ArgumentError);
  });

  it('that throw on the first call take it back', () => {
    const net = new nn.Sequential(new nn.Dense(3));
    const handle = net.registerForwardHook(() => {
      throw new RangeError('hook');
    });
    net.initialize();
    expect(() => net(x())).toThrow(RangeError);
    expect(net[0].weight.state).toBe('deferred');
    handle.remove();
    expect(net(x()).shape).toEqual([2, 3]);
  });

  it('are not cloned', () => {
    const net = new nn.Sequential(new nn.Identity());
    let calls = 0;
    net.registerForwardHook(() => {
      calls++;
    });
    net.clone()(x());
    expect(calls).toBe(0);
  });
});

describe('outputShape', () => {
  it('answers without touching any parameter, also before initialize', () => {
    const net = new nn.Sequential(new nn.Dense(8), new nn.Dropout(0.5), new nn.Dense(3));
    for (const prepare of [() => {}, () => net.initialize()]) {
      prepare();
      const states = [...net.collectParams().values()].map(p => `${p.state} ${p.shape.join()}`);
      expect(net.outputShape([-1, 784])).toEqual([-1, 3]);
      expect(net.outputShape([32, 28, 28])).toEqual([32, 3]);
      expect([...net.collectParams().values()].map(p => `${p.state} ${p.shape.join()}`)).toEqual(states);
    }
    net(x());
    const before = allBits(net);
    expect(net.outputShape([-1, 4])).toEqual([-1, 3]);
    expect(allBits(net)).toEqual(before);
    expect(() => net.outputShape([-1, 5])).toThrow(ShapeError);
  });

  it("follows the batch where it goes, in the forward's own structure", () => {
    class Parts extends nn.Block {
      layer = new nn.Dense(6);
      forward(a: Tensor, b: Tensor): { joint: Tensor; list: Tensor[] } {
        const h = this.layer(a);
        return { joint: h.reshape([-1, 2]), list: [h.transpose(), b.sum(), b] };
      }
    }
    expect(new Parts().outputShape([-1, 4], [3, 5])).toEqual({ joint: [-1, 2], list: [[6, -1], [], [3, 5]] });
  });

  it('takes dtypes, and -1 for the batch alone', () => {
    const net = new nn.Sequential(new nn.Lambda(t => t.cast('float32')), new nn.Dense(3));
    expect(net.outputShape([-1, 4], { dtype: 'int32' })).toEqual([-1, 3]);
    expect(() => new nn.Dense(3).outputShape([-1, 4], { dtype: 'float64' })).toThrow(DTypeError);
    expect(() => net.outputShape([2, -1])).toThrow(ShapeError);
    expect(() => net.inferShape([-1, 4])).toThrow(ShapeError);
    expect(() => net.outputShape()).toThrow(ArgumentError);
    expect(() => net.outputShape([2, 4], { dtypes: 'int32' } as never)).toThrow(/did you mean 'dtype'/);
    expect(() => net.outputShape([2, 4], { dtype: ['int32', 'int32'] })).toThrow(/2 dtypes for 1 input/);
  });

  it('needs a forward that reads no values', () => {
    const net = new nn.Lambda(t => t.mul(t.sum().item() as number));
    expect(() => net.outputShape([2, 3])).toThrow(/reads values/);
  });
});

describe('summary', () => {
  let printed: string[] = [];
  let spy: jest.SpyInstance;
  beforeEach(() => {
    printed = [];
    spy = jest.spyOn(console, 'log').mockImplementation(text => {
      printed.push(String(text));
    });
  });
  afterEach(() => spy.mockRestore());

  it('is the same before initialize and after the first batch, but for what has no values yet', () => {
    const net = new nn.Sequential(new nn.Dense(256, { activation: 'relu' }), new nn.Dropout(0.5), new nn.Dense(10));
    const table = net.summary([2, 20]);
    expect(net[0].weight.state).toBe('bare');
    expect(net[0].weight.shape).toEqual([256, -1]);
    expect(printed).toEqual([String(table)]);
    expect(
      table.rows.map(row => [row.path, row.layer, row.outputShape, row.parameters, row.multiplyAdds, row.bytes]),
    ).toEqual([
      ['0', 'Dense', '[2, 256]', 256 * 21, 2 * 256 * 20, 4 * 256 * 21],
      ['1', 'Dropout', '[2, 256]', 0, 0, 0],
      ['2', 'Dense', '[2, 10]', 2570, 2 * 256 * 10, 4 * 2570],
      ['', 'Sequential', '[2, 10]', 0, 0, 0],
    ]);
    expect([table.parameters, table.multiplyAdds, table.bytes]).toEqual([7946, 15360, 31784]);
    net.initialize();
    net(x(20));
    const later = net.summary([2, 20]);
    expect(later.rows).toEqual(table.rows.map(row => ({ ...row, deferred: false })));
    expect(printed[1]).not.toContain('*');
    expect(printed[1]).toMatch(/\nTotal\s+7,946\s+15,360\s+31,784$/);
    expect(table.rows.map(row => row.deferred)).toEqual([true, false, true, false]);
    expect(printed[0]).toMatch(/ 5,376\* .* 2,570\* /s);
    expect(printed[0]).toMatch(/^Path\s+Layer\s+Output shape\s+Parameters\s+Multiply-adds\s+Bytes\n-+\n/);
    expect(printed[0]).toMatch(/\nTotal\s+7,946\s+15,360\s+31,784\n\* without values yet; .*$/);
  });

  it('marks a layer of which only a part has values', () => {
    const net = new nn.Sequential(new nn.Dense(3), new nn.Dense(2, { inUnits: 3 }));
    net.initialize();
    expect(net.summary([2, 20]).rows.map(row => row.deferred)).toEqual([true, false, false]);
  });

  it('counts the products of every kind of layer', () => {
    const adds = (layer: nn.Block, ...shape: number[]) => layer.summary(shape).multiplyAdds;
    expect(adds(new nn.Conv2D(6, { kernelSize: [3, 5], groups: 2 }), 2, 4, 8, 9)).toBe(2 * 6 * 6 * 5 * (2 * 3 * 5));
    expect(adds(new nn.Conv1D(6, { kernelSize: 3, strides: 2 }), 2, 4, 9)).toBe(2 * 6 * 4 * (4 * 3));
    // Each input meets each place of its filters.
    expect(adds(new nn.Conv2DTranspose(6, { kernelSize: 3, strides: 2 }), 2, 4, 5, 7)).toBe(2 * 4 * 35 * (6 * 9));
    for (const [layer, gates] of [
      [new nn.LSTM(8), 4],
      [new nn.GRU(8), 3],
      [new nn.RNN(8), 1],
      [new nn.LSTM(8, { bidirectional: true }), 8],
    ] as const)
      expect(adds(layer as never, 5, 2, 3)).toBe(5 * 2 * gates * 8 * (3 + 8));
    const [n, places, units] = [2, 7, 12];
    expect(adds(new nn.MultiHeadAttention(3), n, places, units)).toBe(
      n * places * units * (4 * units) + 2 * n * places * places * units,
    );
  });

  it('counts products for the block that computes them', () => {
    class Projects extends nn.Block {
      weight = new nn.Parameter({ shape: [4, 3] });
      inner = new nn.Dense(5);
      forward(t: Tensor): Tensor {
        return this.inner(t.matmul(this.weight.data()));
      }
    }
    const { rows } = new Projects().summary([2, 4]);
    expect(rows.map(row => [row.path, row.multiplyAdds])).toEqual([
      ['inner', 2 * 5 * 3],
      ['', 2 * 3 * 4],
    ]);
  });
});

describe('a net that was never initialized', () => {
  it.each<[string, (net: nn.Sequential) => unknown]>([
    ['a call', net => net(x())],
    ['inferShape', net => net.inferShape([2, 4])],
  ])('refuses %s, and keeps its shapes', (_, act) => {
    for (const inUnits of [undefined, 4]) {
      const net = new nn.Sequential(new nn.Dense(3, { inUnits })) as nn.Sequential;
      const error = thrown(() => act(net));
      expect(error).toBeInstanceOf(ParameterNotInitializedError);
      expect(error.message).toMatch(/0\.weight, dense\d_weight.*initialize\(\)/);
      expect(net.get(0, nn.Dense).weight.shape).toEqual([3, inUnits ?? -1]);
    }
  });

  it('refuses a call also where only some of its layers are', () => {
    const net = new nn.Sequential(new nn.Dense(3), new nn.Dense(2)) as nn.Sequential;
    net.get(0, nn.Dense).initialize();
    expect(thrown(() => net(x()))).toBeInstanceOf(ParameterNotInitializedError);
    expect(net.get(0, nn.Dense).weight.state).toBe('deferred');
    expect(net.get(1, nn.Dense).weight.shape).toEqual([2, -1]);
  });
});

describe('forwards that misbehave', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['nothing', () => undefined, /returned nothing/],
    ['a promise', () => Promise.resolve(1), /returned a promise/],
  ])('one that returns %s raises and leaves the net as it was', (_, result, message) => {
    class Odd extends nn.Block {
      layer = new nn.Dense(2);
      forward(t: Tensor): unknown {
        this.layer(t);
        return result();
      }
    }
    const net = new Odd();
    net.initialize();
    const error = thrown(() => net(x()));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toMatch(message);
    expect(error.message).toContain('Odd');
    expect(net.layer.weight.state).toBe('deferred');
  });

  it('one that throws halfway can be called again', () => {
    let fail = true;
    const net = new nn.Sequential(
      new nn.Dense(3),
      new nn.Lambda(t => {
        if (fail) throw new RangeError('halfway');
        return t;
      }),
    );
    net.initialize();
    for (let i = 0; i < 3; i++) expect(() => net(x())).toThrow(RangeError);
    fail = false;
    expect(net(x()).shape).toEqual([2, 3]);
    fail = true;
    const before = allBits(net);
    expect(() => net(x())).toThrow(RangeError);
    expect(allBits(net)).toEqual(before);
  });

  it('a net called inside its own forward raises', () => {
    class Recursive extends nn.Block {
      layer = new nn.Dense(2);
      forward(t: Tensor): Tensor {
        return (this as unknown as (h: Tensor) => Tensor)(this.layer(t));
      }
    }
    const net = new Recursive();
    net.initialize();
    expect(() => net(x())).toThrow(/Recursive was called inside its own forward/);
    expect(net.layer.weight.state).toBe('deferred');
  });

  it.each<[string, (net: nn.Block) => unknown]>([
    ['initialize', net => net.initialize()],
    ['inferShape', net => net.inferShape([2, 4])],
    ['outputShape', net => net.outputShape([2, 4])],
  ])('%s inside a forward raises', (_, act) => {
    class Acts extends nn.Block {
      layer = new nn.Dense(2);
      forward(t: Tensor): Tensor {
        act(this as unknown as nn.Block);
        return this.layer(t);
      }
    }
    const net = new Acts();
    net.initialize();
    expect(() => net(x())).toThrow(BlockError);
    expect(net.layer.weight.state).toBe('deferred');
    expect(net.layer.weight.shape).toEqual([2, -1]);
  });

  it.each<[string, (net: nn.Block) => unknown]>([
    ['called', net => net(x())],
    ['initialized', net => net.initialize()],
  ])('a net %s inside its own initializer raises', (_, act) => {
    const net = new nn.Sequential(new nn.Dense(2), new nn.Dense(3)) as nn.Sequential;
    class Acts extends init.Initializer {
      override initWeight(): void {
        act(net as unknown as nn.Block);
      }
    }
    net.initialize({ init: new Acts() });
    const error = thrown(() => net(x()));
    expect(error).toBeInstanceOf(BlockError);
    expect(error.message).toContain('from inside the initializer of 0.weight, dense0_weight');
    expect(net.get(0, nn.Dense).weight.state).toBe('deferred');
    warningsOf(() => net.initialize());
    expect(net(x()).shape).toEqual([2, 3]);
  });
});

describe('several inputs and outputs', () => {
  it('pass through, with their types', () => {
    class Cell extends nn.Block {
      input = new nn.Dense(4);
      state = new nn.Dense(4);
      forward(t: Tensor, s: Tensor | null, scale = 2): [Tensor, { state: Tensor }] {
        const h = s === null ? this.input(t) : this.input(t).add(this.state(s));
        return [h.mul(scale), { state: h }];
      }
    }
    const cell = new Cell();
    cell.initialize();
    const [a, { state }] = cell(x(6), null);
    expect(bits(a)).toBe(bits(state.mul(2)));
    expect(cell.state.weight.state).toBe('deferred');
    const [b] = cell(x(6), state, 3);
    expect(b.shape).toEqual([2, 4]);
    expect(cell.state.weight.state).toBe('ready');
  });
});

describe('cast', () => {
  it.each(['bare', 'deferred', 'ready'])('applies to a %s net', state => {
    const net = new nn.Sequential(new nn.Dense(3, { activation: 'tanh' }), new nn.Dense(2));
    if (state !== 'bare') net.initialize();
    if (state === 'ready') net(x());
    const before = state === 'ready' ? net(x()) : null;
    expect(net.cast('float64')).toBe(net);
    if (state === 'bare') net.initialize();
    const y = net(x().cast('float64'));
    expect(y.dtype).toBe('float64');
    if (before !== null) {
      const difference = y.sub(before.cast('float64')).abs().max().item() as number;
      expect(difference).toBeLessThan(1e-6);
    }
    expect(() => net(x())).toThrow(DTypeError);
    expect(() => net.cast('int32' as never)).toThrow(DTypeError);
  });

  it('a float64 batch into float32 parameters names the cast', () => {
    const net = new nn.Sequential(new nn.Dense(3));
    net.initialize();
    const error = thrown(() => net(x().cast('float64')));
    expect(error).toBeInstanceOf(DTypeError);
    expect(error.message).toContain("Dense '0' in Sequential (0.weight, dense0_weight)");
    expect(error.message).toContain("cast('float64')");
    expect(net[0].weight.state).toBe('deferred');
    expect(net[0].weight.shape).toEqual([3, -1]);
  });
});

it('refuses inputs that contain themselves', () => {
  class First extends nn.Block {
    fc = new nn.Dense(2);
    forward(list: unknown[]): Tensor {
      return this.fc(list[0] as Tensor);
    }
  }
  const cyclic = (t: Tensor) => {
    const list: unknown[] = [t];
    list.push({ list });
    return list;
  };
  const net = new First();
  net.initialize();
  expect(() => net(cyclic(x(3)))).toThrow(/nested more than \d+ deep, or contains itself/);
  expect(net.fc.weight.shape).toEqual([2, -1]);
  expect(net([x(3)]).shape).toEqual([2, 2]);
});

describe('an empty first batch', () => {
  it('settles shapes and initializes', () => {
    const net = new nn.Sequential(new nn.Dense(5, { activation: 'relu' }), new nn.Dropout(0.5), new nn.Dense(2));
    net.initialize();
    expect(net(zeros([0, 7])).shape).toEqual([0, 2]);
    expect(net[0].weight.data().shape).toEqual([5, 7]);
    expect(net(x(7)).shape).toEqual([2, 2]);
    autograd.record(() => net(zeros([0, 7])).sum()).backward();
    expect(net[0].weight.grad().abs().sum().item()).toBe(0);
  });

  it('with no inputs at all raises', () => {
    const net = new nn.Sequential(new nn.Dense(5));
    net.initialize();
    expect(() => net(zeros([3, 0]))).toThrow(/at least 1 input unit/);
    expect(net[0].weight.shape).toEqual([5, -1]);
  });
});
