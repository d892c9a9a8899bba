import fc from 'fast-check';
import * as latent from '../../lib/index.js';
import { ArgumentError, autograd, norm, ShapeError, std, type Tensor, tensor, zeros } from '../../lib/index.js';
import { expectClose } from '../support/close.js';
import { expectError } from '../support/errors.js';
import { lay, layouts, randomPlain, reduce } from '../support/plain.js';
import { makeRandom, seed } from '../support/random.js';

const variance = latent.var;
const runs = { numRuns: 200, seed };
const forms = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }).chain(shape =>
  fc.record({
    shape: fc.constant(shape),
    axes: fc.subarray(shape.map((_, d) => d)),
    keepdims: fc.boolean(),
    layout: fc.constantFrom(...layouts),
    dtype: fc.constantFrom('uint8' as const, 'int32' as const, 'float32' as const, 'float64' as const),
    salt: fc.nat(),
  }),
);

const spread = (ddof: number) => (list: number[]) => {
  const mean = list.reduce((a, b) => a + b, 0) / list.length;
  return list.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (list.length - ddof);
};

test('var and std', () => {
  fc.assert(
    fc.property(forms, fc.integer({ min: 0, max: 2 }), ({ shape, axes, keepdims, layout, dtype, salt }, ddof) => {
      const [x, plain] = lay(randomPlain(makeRandom(salt), shape, dtype, 0, 9), layout);
      const count = axes.reduce((n, d) => n * shape[d]!, 1);
      const options = { axis: axes, keepdims, ddof };
      if (count <= ddof) {
        expectError(() => variance(x, options), ShapeError, `are too few for ddof ${ddof}`);
        return;
      }
      const want = reduce(plain, axes, keepdims, 'float64', spread(ddof));
      const got = variance(x, options);
      expect({ shape: [...got.shape], dtype: got.dtype }).toEqual({
        shape: [...want.shape],
        dtype: dtype === 'float64' ? dtype : 'float32',
      });
      const scale = dtype === 'float64' ? 1e-12 : 64 * 2 ** -23;
      const values = got.toTypedArray();
      want.data.forEach((value, i) => {
        expect(Math.abs(values[i]! - value)).toBeLessThanOrEqual(scale * 81);
      });
      expectClose(
        std(x, options),
        Array.from(values as Float32Array, value => Math.sqrt(value)),
      );
      expect(x.var(options).toArray()).toEqual(got.toArray());
    }),
    runs,
  );
});

test('a large mean costs a variance nothing', () => {
  const x = tensor([1e6 + 1, 1e6 + 2, 1e6 + 3, 1e6 + 4]);
  expect(x.var().item()).toBe(1.25);
  expect(x.std({ ddof: 1 }).item()).toBeCloseTo(Math.sqrt(5 / 3), 5);
  // Where float32 holds even numbers alone, a mean of 2²⁴ + 4/3 is off by 2/3 in itself.
  const even = tensor([2 ** 24, 2 ** 24 + 2, 2 ** 24 + 2]);
  expect(even.var().item()).toBeCloseTo(8 / 9, 6);
});

test('norm', () => {
  const lengths: Record<string, (list: number[]) => number> = {
    1: list => list.reduce((sum, x) => sum + Math.abs(x), 0),
    2: list => Math.hypot(...list),
    3: list => Math.cbrt(list.reduce((sum, x) => sum + Math.abs(x) ** 3, 0)),
    0.5: list => list.reduce((sum, x) => sum + Math.sqrt(Math.abs(x)), 0) ** 2,
    Infinity: list => Math.max(...list.map(Math.abs)),
    '-Infinity': list => Math.min(...list.map(Math.abs)),
  };
  fc.assert(
    fc.property(
      forms,
      fc.constantFrom(...Object.keys(lengths)),
      ({ shape, axes, keepdims, layout, dtype, salt }, ord) => {
        const [x, plain] = lay(randomPlain(makeRandom(salt), shape, dtype, dtype === 'uint8' ? 0 : -4, 4), layout);
        const want = reduce(plain, axes, keepdims, 'float64', lengths[ord]!);
        const got = norm(x, { ord: Number(ord), axis: axes, keepdims });
        expect([...got.shape]).toEqual([...want.shape]);
        expectClose(got, want.data, { terms: 64 });
      },
    ),
    runs,
  );
  expect(tensor([3, 4]).norm().item()).toBe(5);
});

test('slopes at 0 are 0, not NaN', () => {
  for (const f of [(x: Tensor) => x.norm(), (x: Tensor) => x.std()]) {
    const x = zeros([3]).attachGrad() as Tensor;
    latent.autograd.record(() => f(x)).backward();
    expect(x.grad!.toArray()).toEqual([0, 0, 0]);
  }
});

test('misuse', () => {
  const x = zeros([2, 3]) as Tensor;
  expectError(() => variance(x, { ddof: -1 }), ArgumentError, 'var: ddof takes a finite number from 0');
  expectError(() => std(x, { correction: 1 } as never), ArgumentError, "std has no option 'correction'");
  expectError(() => variance(x, { axis: 2 as never }), ShapeError, 'var: axis 2 is out of range');
  expectError(() => norm(x, { ord: 0 }), ArgumentError, 'norm takes an ord above 0, or -Infinity, but got 0');
  expectError(() => norm(x, { ord: 'fro' as never }), ArgumentError, "norm: ord takes a number, but got 'fro'");
});

test.each<[number, number[], number[]]>([
  [3, [0, 0], [0, 0]],
  [3, [0, 2], [0, 1]],
  [2.5, [0, 0, 0], [0, 0, 0]],
  [0.5, [0, 4], [0, 1]],
  [0.5, [0, 0], [0, 0]],
  [2, [0, 0], [0, 0]],
  [1, [0, -3], [0, -1]],
])('the gradient of norm of order %p at %p is %p', (ord, at, slope) => {
  const x = tensor(at).attachGrad() as Tensor;
  autograd.record(() => x.norm({ ord })).backward();
  expect(x.grad?.toArray()).toEqual(slope.map(s => (s === 0 ? 0 : expect.closeTo(s, 6))));
});

test('norm of other orders along an axis that has a row of zeros', () => {
  const x = tensor([
    [0, 0],
    [3, -4],
  ]).attachGrad() as Tensor;
  const y = autograd.record(() => x.norm({ ord: 3, axis: 1 }));
  y.backward();
  expect(y.toArray()).toEqual([0, expect.closeTo(91 ** (1 / 3), 5)]);
  const rows = x.grad?.toArray() as number[][];
  expect(rows[0]).toEqual([0, 0]);
  expect(rows[1]).toEqual([expect.closeTo(9 / 91 ** (2 / 3), 5), expect.closeTo(-16 / 91 ** (2 / 3), 5)]);
});

test('the slope of 0^b in b is 0, and not 0 times an infinite logarithm', () => {
  const b = tensor([2, 0.5]).attachGrad() as Tensor;
  autograd.record(() => (latent.pow as unknown as (a: number, b: Tensor) => Tensor)(0, b)).backward();
  expect(b.grad?.toArray()).toEqual([0, 0]);
});
