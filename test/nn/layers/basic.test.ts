import {
  ArgumentError,
  autograd,
  DTypeError,
  gelu,
  nn,
  random,
  relu,
  ShapeError,
  sigmoid,
  silu,
  softplus,
  softsign,
  type Tensor,
  tanh,
  tensor,
} from '../../../lib/index.js';
import { expectClose } from '../../support/close.js';
import { bits, thrown, values } from '../../support/nn-helpers.js';

beforeEach(() => random.seed(1));

const make = (...shape: number[]) => tensor(values(shape.reduce((a, b) => a * b, 1)), { shape });

/** x·Wᵀ + b in plain numbers. */
function plainDense(x: Tensor, weight: Tensor, bias: Tensor | null): number[] {
  const [units, inputs] = weight.shape as [number, number];
  const [a, w, b] = [x.toTypedArray(), weight.toTypedArray(), bias?.toTypedArray()];
  return Array.from({ length: (a.length / inputs) * units }, (_, k) => {
    const [row, unit] = [Math.floor(k / units), k % units];
    let sum = b === undefined ? 0 : (b[unit] as number);
    for (let i = 0; i < inputs; i++) sum += (a[row * inputs + i] as number) * (w[unit * inputs + i] as number);
    return sum;
  });
}

describe('Dense', () => {
  const shapes: [string, { flatten?: boolean }, number[], number, number[]][] = [
    ['rank 2', {}, [3, 5], 5, [3, 4]],
    ['rank 4, flattened', {}, [2, 3, 2, 2], 12, [2, 4]],
    ['rank 3, last axis', { flatten: false }, [2, 3, 5], 5, [2, 3, 4]],
    ['rank 1, last axis', { flatten: false }, [5], 5, [4]],
    ['rank 4, last axis', { flatten: false }, [2, 1, 3, 5], 5, [2, 1, 3, 4]],
  ];
  it.each(shapes)('%s', (_, options, shape, inputs, expected) => {
    for (const useBias of [true, false]) {
      const layer = new nn.Dense(4, { ...options, useBias, biasInitializer: 'normal', weightInitializer: 'xavier' });
      layer.initialize();
      const x = make(...shape);
      const y: Tensor = layer(x as Tensor);
      expect(y.shape).toEqual(expected);
      expect(layer.weight.shape).toEqual([4, inputs]);
      expect(layer.bias === null).toBe(!useBias);
      expectClose(y, plainDense(x, layer.weight.data(), layer.bias?.data() ?? null), { terms: inputs });
    }
  });

  it.each(['relu', 'sigmoid', 'tanh', 'softrelu', 'softsign', 'gelu', 'silu'] as const)('with %s', activation => {
    const layer = new nn.Dense(6, { activation, weightInitializer: 'xavier' });
    const plain = new nn.Dense(6, { params: layer.params });
    layer.initialize();
    const x = make(3, 5);
    const y = layer(x);
    expectClose(y, new nn.Activation(activation)(plain(x)).toTypedArray());
  });

  it('takes no scalar, and no rank 1 unless the last axis alone counts', () => {
    const layer = new nn.Dense(3) as nn.Dense;
    layer.initialize();
    expect(thrown(() => layer(make(5) as Tensor))).toBeInstanceOf(ShapeError);
    expect(() => layer(make(5) as Tensor)).toThrow(/2 or more dimensions.*\[5\]/);
    expect(layer.weight.shape).toEqual([3, -1]);
    const last = new nn.Dense(3, { flatten: false }) as nn.Dense;
    last.initialize();
    expect(() => last(tensor(3) as Tensor)).toThrow(ShapeError);
  });

  it('fixes its sizes at the first input', () => {
    const layer = new nn.Dense(3) as nn.Dense;
    layer.initialize();
    layer(make(2, 5));
    expect(() => layer(make(2, 6))).toThrow(ShapeError);
    expect(layer(make(7, 5)).shape).toEqual([7, 3]);
  });

  it.each<[unknown[], RegExp | typeof ArgumentError]>([
    [[0], ArgumentError],
    [[-1], ArgumentError],
    [[2.5], ArgumentError],
    [['3'], ArgumentError],
    [[], ArgumentError],
    [[3, { inUnit: 4 }], /no option 'inUnit'; did you mean 'inUnits'/],
    [[3, { inUnits: 0 }], ArgumentError],
    [[3, { activation: 'rellu' }], /did you mean 'relu'/],
    [[3, { useBias: 1 }], ArgumentError],
    [[3, 'relu'], ArgumentError],
    [[3, { weightInitializer: 'xavir' }], /did you mean 'xavier'/],
    [[3, { dtype: 'int32' }], DTypeError as never],
  ])('refuses %p', (args, expected) => {
    expect(() => new (nn.Dense as unknown as new (...a: unknown[]) => nn.Dense)(...args)).toThrow(expected);
  });

  it('takes tensors alone, of its own dtype', () => {
    const layer = new nn.Dense(3, { inUnits: 2, dtype: 'float64' }) as nn.Dense;
    layer.initialize();
    expect(layer(make(4, 2).cast('float64')).dtype).toBe('float64');
    expect(() => layer([[1, 2]] as never)).toThrow(ArgumentError);
    expect(() => layer(make(4, 2).cast('int32') as Tensor)).toThrow(DTypeError);
  });
});

describe('Dropout', () => {
  const ones = tensor(new Float32Array(20000).map((_, i) => 1 + (i % 7)));

  it('is the input itself outside training', () => {
    const layer = new nn.Dropout(0.5);
    expect(layer(ones)).toBe(ones);
    expect(autograd.record(() => layer(ones), { trainMode: false })).toBe(ones);
    expect(autograd.record(() => autograd.predictMode(() => layer(ones)))).toBe(ones);
    expect(autograd.trainMode(() => new nn.Dropout(0)(ones))).toBe(ones);
  });

  it.each([0.1, 0.5, 0.9])('drops a share of %p and keeps the mean', rate => {
    const y = autograd.trainMode(() => new nn.Dropout(rate)(ones)).toTypedArray();
    const x = ones.toTypedArray();
    const dropped = y.filter(v => v === 0).length / y.length;
    // Four standard deviations of a binomial share.
    expect(Math.abs(dropped - rate)).toBeLessThan(4 * Math.sqrt((rate * (1 - rate)) / y.length));
    const kept = Array.from(y, (v, i) => (v === 0 ? 0 : Math.abs(v * (1 - rate) - (x[i] as number))));
    expect(Math.max(...kept)).toBeLessThan(1e-4);
  });

  it('drops everything at rate 1', () => {
    expect(
      autograd
        .trainMode(() => new nn.Dropout(1)(ones))
        .abs()
        .sum()
        .item(),
    ).toBe(0);
  });

  it("takes the next numbers of the program's stream at each call", () => {
    const layer = new nn.Dropout(0.5);
    const [a, b] = autograd.trainMode(() => [bits(layer(ones)), bits(layer(ones))]);
    expect(a).not.toBe(b);
    random.seed(1);
    const [c, d] = autograd.trainMode(() => [bits(new nn.Dropout(0.5)(ones)), bits(new nn.Dropout(0.5)(ones))]);
    expect([c, d]).toEqual([a, b]);
  });

  it('sends gradients through what it kept', () => {
    const x = make(50).attachGrad();
    const y = autograd.record(() => new nn.Dropout(0.4)(x));
    y.backward();
    expectClose(
      x.grad as Tensor,
      Array.from(y.toTypedArray(), (v, i) => v / (x.toTypedArray()[i] as number)),
    );
  });

  it('refuses rates outside 0 to 1, and integers', () => {
    for (const rate of [-0.1, 1.1, Number.NaN, '0.5'])
      expect(() => new nn.Dropout(rate as number)).toThrow(ArgumentError);
    expect(() => new nn.Dropout(0.5)(make(3).cast('int32'))).toThrow(DTypeError);
  });
});

describe('layers without parameters', () => {
  it('Flatten keeps the first axis', () => {
    const x = make(2, 3, 4);
    const y: Tensor = new nn.Flatten()(x);
    expect(y.shape).toEqual([2, 12]);
    expect([...y.toTypedArray()]).toEqual([...x.toTypedArray()]);
    expect((new nn.Flatten()(make(5)) as Tensor).shape).toEqual([5, 1]);
    expect((new nn.Flatten()(tensor([], { shape: [0, 3, 2] })) as Tensor).shape).toEqual([0, 6]);
    expect(() => new nn.Flatten()(tensor(2))).toThrow(ShapeError);
  });

  it('Identity is its input, and takes tensors alone', () => {
    const x = make(2);
    expect(new nn.Identity()(x)).toBe(x);
    expect(() => new nn.Identity()(3 as never)).toThrow(ArgumentError);
  });

  it('Lambda runs a function', () => {
    expect(new nn.Lambda(t => t.reshape([-1, 2]))(make(2, 3)).shape).toEqual([3, 2]);
    expect(String(new nn.Lambda(relu))).toBe('Lambda(relu)');
    expect(() => new nn.Lambda(new nn.Identity() as never)).toThrow(/in place of the Lambda/);
    expect(() => new nn.Lambda(3 as never)).toThrow(ArgumentError);
  });

  it.each([
    ['relu', relu],
    ['sigmoid', sigmoid],
    ['tanh', tanh],
    ['softrelu', softplus],
    ['softsign', softsign],
    ['gelu', (x: Tensor) => gelu(x)],
    ['silu', silu],
  ] as const)('Activation %s is the function', (name, f) => {
    const x = make(3, 4).mul(4);
    expect(bits(new nn.Activation(name)(x))).toBe(bits(f(x)));
    expect(String(new nn.Activation(name))).toBe(`Activation(${name})`);
  });

  it('Activation names the nearest', () => {
    expect(() => new nn.Activation('sigmod' as never)).toThrow(/did you mean 'sigmoid'/);
  });
});

test.each(['softmax', 'logSoftmax'])('%s as an activation is refused with what to do instead', name => {
  for (const make of [
    () => new nn.Dense(3, { activation: name as 'relu' }),
    () => new nn.Activation(name as 'relu'),
    () => new nn.Conv2D(3, { kernelSize: 1, activation: name as 'relu' }),
  ])
    expect(make).toThrow(
      `${name} is no activation of a layer. Leave the layer without one: loss.SoftmaxCrossEntropy takes`,
    );
});
