import {
  ArgumentError,
  autograd,
  DTypeError,
  nn,
  random,
  ShapeError,
  type Tensor,
  tensor,
  ValueError,
} from '../../../lib/index.js';
import { expectClose } from '../../support/close.js';
import { thrown, values } from '../../support/nn-helpers.js';
import { erf } from '../../support/plain.js';

const points = [...values(40).map(v => 6 * v), 0, -0, 1e-20, -1e-20, 90, -90, Infinity, -Infinity];
const x = tensor(points);
const sigma = (v: number) => 1 / (1 + Math.exp(-v));
const exponential = (v: number, alpha: number) => (v > 0 ? v : alpha * Math.expm1(v));

const cases: Record<string, { make: () => nn.BlockBase; f: (v: number) => number }> = {
  'LeakyReLU()': { make: () => new nn.LeakyReLU(), f: v => (v > 0 ? v : 0.01 * v) },
  'LeakyReLU(1.5)': { make: () => new nn.LeakyReLU(1.5), f: v => (v > 0 ? v : 1.5 * v) },
  'ELU()': { make: () => new nn.ELU(), f: v => exponential(v, 1) },
  'ELU(0.3)': { make: () => new nn.ELU(0.3), f: v => exponential(v, 0.3) },
  'SELU()': { make: () => new nn.SELU(), f: v => 1.0507009873554805 * exponential(v, 1.6732632423543772) },
  'GELU()': { make: () => new nn.GELU(), f: v => (v === -Infinity ? 0 : 0.5 * v * (1 + erf(v / Math.SQRT2))) },
  'SiLU()': { make: () => new nn.SiLU(), f: v => (v === -Infinity ? 0 : v * sigma(v)) },
  'Swish()': { make: () => new nn.Swish(), f: v => (v === -Infinity ? 0 : v * sigma(v)) },
};

test.each(Object.entries(cases))('%s', (_, { make, f }) => {
  const layer = make() as nn.Block;
  const y = layer(x) as Tensor;
  const finite = points.map(v => Number.isFinite(v) && Math.abs(v) < 50);
  expectClose(
    tensor([...y.toTypedArray()].filter((_, i) => finite[i])),
    points.map(f).filter((_, i) => finite[i]),
  );
  // The ends, where something could overflow into NaN.
  [...y.toTypedArray()].forEach((v, i) => {
    if (!finite[i]) expect(Math.abs(v - f(points[i]!)) < 1e-5 * Math.abs(v) || v === f(points[i]!)).toBe(true);
  });
  const inner = tensor(
    values(12).map(v => 3 * v),
    { dtype: 'float64' } as never,
  );
  autograd.gradCheck(t => layer(t) as Tensor, [inner.cast('float64') as Tensor]);
});

test('GELU by a tanh, Swish with another slope', () => {
  const some = tensor([-2, -0.5, 0.3, 3]);
  const approximate = new nn.GELU({ approximate: 'tanh' });
  expect(String(approximate)).toBe('GELU(tanh)');
  expectClose(approximate(some) as Tensor, some.gelu({ approximate: 'tanh' }).toTypedArray());
  expectClose(
    new nn.Swish(2)(some) as Tensor,
    [-2, -0.5, 0.3, 3].map(v => v * sigma(2 * v)),
  );
});

describe('PReLU', () => {
  it('has one slope for all, or one for each channel, and learns them', () => {
    const input = tensor([
      [
        [-1, 2],
        [-3, 4],
      ],
      [
        [5, -6],
        [7, -8],
      ],
    ]);
    const one = new nn.PReLU();
    one.initialize();
    expect(one.alpha.data().toArray()).toEqual([0.25]);
    expect((one(input) as Tensor).toArray()).toEqual([
      [
        [-0.25, 2],
        [-0.75, 4],
      ],
      [
        [5, -1.5],
        [7, -2],
      ],
    ]);
    autograd.record(() => one(input).sum()).backward();
    expect(one.alpha.grad().toArray()).toEqual([-18]);
    const each = new nn.PReLU({ inChannels: -1, alphaInitializer: 'ones' });
    each.initialize({ init: 'xavier' });
    autograd.record(() => each(input).sum()).backward();
    expect(each.alpha.data().toArray()).toEqual([1, 1]);
    expect(each.alpha.grad().toArray()).toEqual([-7, -11]);
  });

  it('refuses what has no channels, and odd numbers of them', () => {
    const each = new nn.PReLU({ inChannels: -1 });
    each.initialize();
    expect(thrown(() => each(tensor([1, 2])))).toBeInstanceOf(ShapeError);
    expect(thrown(() => each(tensor([[]] as never, { shape: [1, 0] })))).toBeInstanceOf(ShapeError);
    expect(thrown(() => new nn.PReLU({ inChannels: 0 }))).toBeInstanceOf(ArgumentError);
    expect(thrown(() => new nn.LeakyReLU(-1))).toBeInstanceOf(ArgumentError);
  });
});

describe('Concurrent and Residual', () => {
  const doubled = () => new nn.Lambda((t: Tensor) => t.mul(2) as Tensor);
  it('join and add', () => {
    const input = tensor([[1, 2]]);
    const side = new nn.Concurrent(doubled(), new nn.Identity(), { axis: 0 });
    expect(side(input).toArray()).toEqual([
      [2, 4],
      [1, 2],
    ]);
    expect(new nn.Concurrent(doubled(), new nn.Identity())(input).toArray()).toEqual([[2, 4, 1, 2]]);
    expect(new nn.Residual(doubled(), doubled())(input).toArray()).toEqual([[5, 10]]);
    expect(new nn.Residual(doubled(), { shortcut: doubled() })(input).toArray()).toEqual([[4, 8]]);
  });

  it('name what does not fit', () => {
    const wide = new nn.Residual(new nn.Dense(3));
    wide.initialize();
    const error = thrown(() => wide(tensor([[1, 2]])));
    expect(error).toBeInstanceOf(ShapeError);
    expect(error.message).toContain('of shape [1, 2], to a result of shape [1, 3]; give it a { shortcut }');
    for (const make of [
      () => new nn.Concurrent(),
      () => new nn.Residual(),
      () => new nn.Residual(1 as never, doubled()),
      () => new nn.Concurrent(doubled(), { axes: 1 } as never),
      () => new nn.Residual(doubled(), { shortcut: 1 as never }),
    ])
      expect(thrown(make)).toBeInstanceOf(ArgumentError);
  });
});

describe('Embedding', () => {
  it('looks rows up, and adds what comes back to those it gave', () => {
    random.seed(4);
    const table = new nn.Embedding(5, 3);
    table.initialize();
    const ids = tensor(
      [
        [4, 0],
        [4, 2],
      ],
      { dtype: 'int32' },
    );
    const rows = table.weight.data().toArray() as number[][];
    expect(table(ids).toArray()).toEqual([
      [rows[4], rows[0]],
      [rows[4], rows[2]],
    ]);
    expect(table(ids.cast('uint8') as Tensor).toArray()).toEqual(table(ids).toArray());
    autograd.record(() => table(ids).sum()).backward();
    expect(table.weight.grad().toArray()).toEqual([
      [1, 1, 1],
      [0, 0, 0],
      [1, 1, 1],
      [0, 0, 0],
      [2, 2, 2],
    ]);
  });

  it('shares its table', () => {
    const first = new nn.Embedding(5, 3);
    const second = new nn.Embedding(5, 3, { params: first.params });
    expect(second.weight).toBe(first.weight);
    expect(thrown(() => new nn.Embedding(6, 3, { params: first.params }))).toBeInstanceOf(ShapeError);
  });

  it('refuses indices outside, also below 0, and fractions', () => {
    const table = new nn.Embedding(5, 3);
    table.initialize();
    for (const id of [5, -1, 2 ** 31 - 1, -(2 ** 31)]) {
      const error = thrown(() => table(tensor([0, id], { dtype: 'int32' })));
      expect(error).toBeInstanceOf(ValueError);
      expect(error.message).toContain(`Embedding: index ${id} (number 1 of 2) lies outside axis 0 of size 5`);
    }
    expect(thrown(() => table(tensor([0.5])))).toBeInstanceOf(DTypeError);
    expect(table(tensor([], { dtype: 'int32' })).shape).toEqual([0, 3]);
    expect(thrown(() => new nn.Embedding(0, 3))).toBeInstanceOf(ArgumentError);
    expect(thrown(() => new nn.Embedding(5, { outputDim: 3 } as never))).toBeInstanceOf(ArgumentError);
  });
});
