import { ArgumentError, init, nn, random, ShapeError, type Tensor, tensor } from '../../lib/index.js';
import { bits, thrown, values } from '../support/nn-helpers.js';

beforeEach(() => random.seed(12));

/** A parameter's first values. */
function drawn(
  shape: number[],
  initializer: init.InitializerLike,
  dtype: 'float32' | 'float64' = 'float32',
): Float64Array {
  const holder = new (class extends nn.Block {
    weight = new nn.Parameter({ shape, dtype });
  })();
  holder.initialize({ init: initializer });
  return Float64Array.from(holder.weight.data().toTypedArray());
}

function moments(list: Float64Array): { mean: number; variance: number; fourth: number; min: number; max: number } {
  const mean = list.reduce((a, b) => a + b, 0) / list.length;
  const at = (k: number) => list.reduce((a, b) => a + (b - mean) ** k, 0) / list.length;
  return { mean, variance: at(2), fourth: at(4), min: Math.min(...list), max: Math.max(...list) };
}

const [outputs, inputs, kernel] = [60, 40, 9];
const shape = [outputs, inputs, 3, 3];
const count = outputs * inputs * kernel;
const fans = { in: inputs * kernel, out: outputs * kernel, avg: ((inputs + outputs) * kernel) / 2 };

/** Holds moments to five standard deviations of their own. */
function expectUniform(list: Float64Array, scale: number): void {
  const { mean, variance, min, max } = moments(list);
  const sigma = scale / Math.sqrt(3);
  expect(Math.abs(mean)).toBeLessThan((5 * sigma) / Math.sqrt(count));
  expect(Math.abs(variance / sigma ** 2 - 1)).toBeLessThan(5 * Math.sqrt(0.8 / count));
  expect(min).toBeGreaterThanOrEqual(-scale * (1 + 1e-6));
  expect(max).toBeLessThanOrEqual(scale * (1 + 1e-6));
  expect(Math.min(-min, max)).toBeGreaterThan(0.99 * scale);
}

function expectNormal(list: Float64Array, sigma: number): void {
  const { mean, variance, fourth, max } = moments(list);
  expect(Math.abs(mean)).toBeLessThan((5 * sigma) / Math.sqrt(count));
  expect(Math.abs(variance / sigma ** 2 - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
  expect(Math.abs(fourth / variance ** 2 - 3)).toBeLessThan(5 * Math.sqrt(24 / count));
  expect(max).toBeGreaterThan(3 * sigma);
}

describe.each(['float32', 'float64'] as const)('moments in %s', dtype => {
  it('Uniform', () => {
    expectUniform(drawn(shape, new init.Uniform(), dtype), 0.07);
    expectUniform(drawn(shape, new init.Uniform(2), dtype), 2);
  });

  it('Normal', () => {
    expectNormal(drawn(shape, new init.Normal(), dtype), 0.01);
    expectNormal(drawn(shape, new init.Normal(3), dtype), 3);
  });

  it('TruncatedNormal', () => {
    const list = drawn(shape, new init.TruncatedNormal(3), dtype);
    const { mean, variance, min, max } = moments(list);
    // A normal distribution cut at two deviations has the variance 1 - 4φ(2)/(2Φ(2) - 1).
    const wanted = 1 - (4 * Math.exp(-2)) / Math.sqrt(2 * Math.PI) / 0.9544997361036416;
    expect(Math.abs(mean)).toBeLessThan((5 * 3) / Math.sqrt(count));
    expect(Math.abs(variance / 9 / wanted - 1)).toBeLessThan(0.05);
    expect(Math.max(-min, max)).toBeLessThanOrEqual(6);
    expect(Math.min(-min, max)).toBeGreaterThan(5.9);
  });

  it('Orthogonal: rows, or columns where they are fewer, of one length and at right angles', () => {
    for (const sizes of [
      [40, 70],
      [70, 40],
      [33, 33],
      [1, 5],
      [5, 1],
      [20, 3, 3, 3],
      [3, 2, 2],
    ]) {
      const [rows, columns] = [sizes[0]!, sizes.slice(1).reduce((a, b) => a * b, 1)];
      const list = drawn(sizes, new init.Orthogonal({ scale: 2 }), dtype);
      const w = (i: number, j: number) => list[i * columns + j]!;
      const wide = rows <= columns;
      const [least, most] = wide ? [rows, columns] : [columns, rows];
      for (let a = 0; a < least; a++) {
        for (let b = 0; b <= a; b++) {
          let dot = 0;
          for (let k = 0; k < most; k++) dot += wide ? w(a, k) * w(b, k) : w(k, a) * w(k, b);
          expect(Math.abs(dot - (a === b ? 4 : 0))).toBeLessThan(dtype === 'float32' ? 2e-5 : 1e-13);
        }
      }
    }
    const first = drawn([8, 8], 'orthogonal', dtype);
    expect(first).not.toEqual(drawn([8, 8], 'orthogonal', dtype));
  });

  it.each(['avg', 'in', 'out'] as const)('Xavier over the fan %s', factorType => {
    expectUniform(drawn(shape, new init.Xavier({ factorType }), dtype), Math.sqrt(3 / fans[factorType]));
    expectUniform(drawn(shape, new init.Xavier({ factorType, magnitude: 6 }), dtype), Math.sqrt(6 / fans[factorType]));
    expectNormal(
      drawn(shape, new init.Xavier({ factorType, rndType: 'gaussian', magnitude: 2 }), dtype),
      Math.sqrt(2 / fans[factorType]),
    );
  });

  it.each(['avg', 'in', 'out'] as const)('Kaiming over the fan %s', factorType => {
    expectNormal(drawn(shape, new init.Kaiming({ factorType, slope: 0 }), dtype), Math.sqrt(2 / fans[factorType]));
    expectNormal(drawn(shape, new init.Kaiming({ factorType }), dtype), Math.sqrt(2 / 1.0625 / fans[factorType]));
  });

  it('Zero, One and Constant', () => {
    expect(new Set(drawn([3, 2], new init.Zero(), dtype))).toEqual(new Set([0]));
    expect(new Set(drawn([3, 2], new init.One(), dtype))).toEqual(new Set([1]));
    expect(new Set(drawn([3, 2], new init.Constant(-0.5), dtype))).toEqual(new Set([-0.5]));
  });
});

it.each<[init.InitializerName, () => init.Initializer]>([
  ['zeros', () => new init.Zero()],
  ['ones', () => new init.One()],
  ['uniform', () => new init.Uniform()],
  ['normal', () => new init.Normal()],
  ['xavier', () => new init.Xavier()],
  ['kaiming', () => new init.Kaiming()],
])("the name '%s' stands for its defaults", (name, make) => {
  const a = drawn([5, 4], name);
  random.seed(12);
  expect(drawn([5, 4], make())).toEqual(a);
});

describe('what wins', () => {
  const x = tensor(values(8), { shape: [2, 4] });
  const first = (t: Tensor) => t.toTypedArray()[0];

  it('nothing given: Uniform(0.07) for weights, zeros for biases', () => {
    const layer = new nn.Dense(200, { inUnits: 50 });
    layer.initialize();
    const { min, max } = moments(Float64Array.from(layer.weight.data().toTypedArray()));
    expect([min, max].map(v => Math.abs(v) > 0.069 && Math.abs(v) <= 0.07)).toEqual([true, true]);
    expect(layer.bias!.data().abs().sum().item()).toBe(0);
  });

  it("a layer's own initializer wins over initialize's, also with forceReinit, deferred or not", () => {
    const net = new nn.Sequential(
      new nn.Dense(3, { weightInitializer: new init.Constant(0.25), biasInitializer: 'ones' }),
      new nn.Dense(2, { inUnits: 3, weightInitializer: 'ones' }),
      new nn.Dense(2),
    );
    net.initialize({ init: new init.Constant(7) });
    net(x);
    const look = () => [...net.collectParams().values()].map(p => first(p.data()));
    expect(look()).toEqual([0.25, 1, 1, 0, 7, 0]);
    net[0].weight.setData(tensor(values(12), { shape: [3, 4] }));
    net.initialize({ init: new init.Constant(9), forceReinit: true });
    expect(look()).toEqual([0.25, 1, 1, 0, 9, 0]);
  });

  it("biases get zeros whatever weights get, unless a user's initializer says otherwise", () => {
    class Both extends init.Initializer {
      override initWeight(_name: string, data: Tensor): void {
        data.copyFrom(random.uniform([...data.shape], { low: 1, high: 2 }));
      }
      override initBias(_name: string, data: Tensor): void {
        data.set(0, -3);
      }
    }
    const layer = new nn.Dense(2, { inUnits: 2 });
    layer.initialize({ init: new Both() });
    expect(layer.bias!.data().toArray()).toEqual([-3, 0]);
    layer.initialize({ init: 'ones', forceReinit: true });
    expect(layer.bias!.data().toArray()).toEqual([0, 0]);
  });

  it('an initializer without the method that is needed says so', () => {
    class Nothing extends init.Initializer {}
    const layer = new nn.Dense(2, { inUnits: 2 });
    expect(() => layer.initialize({ init: new Nothing() })).toThrow(/Nothing has no initWeight/);
    expect(layer.weight.state).toBe('bare');
  });
});

describe('Mixed', () => {
  const net = (rules: ConstructorParameters<typeof init.Mixed>[0]) => {
    const n = new nn.Sequential(new nn.Dense(2, { inUnits: 2 }), new nn.Dense(2, { inUnits: 2 }));
    n.initialize({ init: new init.Mixed(rules) });
    return [...n.collectParams().values()].map(p => p.data().toTypedArray()[0]);
  };

  it('takes the first pattern that matches the path, for biases too', () => {
    expect(
      net([
        [/^1\.weight$/, new init.Constant(5)],
        [/bias$/, 'ones'],
        ['weight', new init.Constant(3)],
        [/./, new init.Constant(9)],
      ]),
    ).toEqual([3, 1, 5, 1]);
    expect(
      net([
        [/./, new init.Constant(9)],
        [/bias$/, 'ones'],
      ]),
    ).toEqual([9, 9, 9, 9]);
  });

  it('does not depend on where a pattern with a place of its own stands', () => {
    expect(net([[/weight/g, new init.Constant(3)]])).toEqual([3, 0, 3, 0]);
    expect(
      net([
        [/weight/y, new init.Constant(3)],
        [/./, new init.Constant(4)],
      ]),
    ).toEqual([4, 4, 4, 4]);
  });

  it('leaves biases that nothing matches zero, and raises for weights', () => {
    expect(net([[/weight/, 'ones']])).toEqual([1, 0, 1, 0]);
    const error = thrown(() => net([[/^0/, 'ones']]));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toContain("no pattern for '1.weight'");
  });

  it('refuses what is no list of rules', () => {
    expect(() => new init.Mixed({} as never)).toThrow(ArgumentError);
    expect(() => new init.Mixed([[3 as never, 'ones']])).toThrow(ArgumentError);
    expect(() => new init.Mixed([[/./, 'one' as never]])).toThrow(/did you mean 'ones'/);
    expect(() => new init.Mixed([3 as never])).toThrow(ArgumentError);
  });
});

it('refuses arguments that cannot be meant', () => {
  expect(() => new init.Constant(Number.NaN)).toThrow(ArgumentError);
  expect(() => new init.Uniform(-1)).toThrow(ArgumentError);
  expect(() => new init.Normal('1' as never)).toThrow(ArgumentError);
  expect(() => new init.Xavier({ factor: 'in' } as never)).toThrow(/did you mean 'factorType'/);
  expect(() => new init.Xavier({ rndType: 'normal' as never })).toThrow(ArgumentError);
  expect(() => new init.Kaiming({ slop: 1 } as never)).toThrow(/did you mean 'slope'/);
  expect(thrown(() => drawn([4], 'xavier'))).toBeInstanceOf(ShapeError);
});

it('values of one parameter are different from those of the next', () => {
  const net = new nn.Sequential(new nn.Dense(4, { inUnits: 4 }), new nn.Dense(4, { inUnits: 4 }));
  net.initialize({ init: 'xavier' });
  expect(bits(net[0].weight.data())).not.toBe(bits(net[1].weight.data()));
});
