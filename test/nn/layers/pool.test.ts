import fc from 'fast-check';
import {
  ArgumentError,
  autograd,
  DTypeError,
  nn,
  random,
  ShapeError,
  setNumThreads,
  type Tensor,
  tensor,
  zeros,
} from '../../../lib/index.js';
import { expectClose } from '../../support/close.js';
import { bits, thrown, values } from '../../support/nn-helpers.js';
import { at, build, lay, layouts, randomPlain } from '../../support/plain.js';
import { makeRandom, seed } from '../../support/random.js';

const runs = { numRuns: 200, seed };
const forms = fc
  .record({
    rank: fc.constantFrom(1, 2),
    front: fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 3 })),
    sizes: fc
      .tuple(
        fc.integer({ min: 1, max: 12 }),
        fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 13, max: 90 })),
      )
      .map(([h, w]) => [h, w]),
    poolSize: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 2 }),
    strides: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 2 }),
    pad: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 2 }),
    ceilMode: fc.boolean(),
    countIncludePad: fc.boolean(),
    layout: fc.constantFrom(...layouts),
    dtype: fc.constantFrom('float32' as const, 'float64' as const),
    salt: fc.nat(1e6),
  })
  .map(form => {
    const cut = <V>(list: V[]) => list.slice(0, form.rank);
    const poolSize = cut(form.poolSize);
    return {
      ...form,
      sizes: cut(form.sizes),
      poolSize,
      strides: cut(form.strides),
      padding: poolSize.map((size, d) => Math.floor((form.pad[d]! * size) / 2)),
    };
  });

type Form = typeof forms extends fc.Arbitrary<infer F> ? F : never;

/** The windows of a dimension, each as the places inside the input and how many it has with its padding. */
function windowsAlong(
  { sizes, poolSize, strides, padding, ceilMode }: Form,
  d: number,
): { places: number[]; padded: number }[] {
  const [size, window, step, before] = [sizes[d]!, poolSize[d]!, strides[d]!, padding[d]!];
  const found: { places: number[]; padded: number }[] = [];
  for (let start = -before; ; start += step) {
    const whole = start + window <= size + before;
    // In ceil mode a window may reach beyond the padding after, but must begin inside the input or the padding in front.
    if (!whole && !(ceilMode && start < size && start + window - step < size + before)) break;
    const places = Array.from({ length: window }, (_, i) => start + i).filter(i => i >= 0 && i < size);
    found.push({ places, padded: Math.min(start + window, size + before) - start });
  }
  return found;
}

/** Where an element lies in order. */
const placeOf = (shape: readonly number[], index: readonly number[]): number =>
  index.reduce((place, i, d) => place * shape[d]! + i, 0);

const product = (lists: readonly number[][]): number[][] =>
  lists.reduce<number[][]>((all, list) => all.flatMap(one => list.map(i => [...one, i])), [[]]);

test('maxima and means of windows against plain loops', () => {
  fc.assert(
    fc.property(forms, form => {
      const { rank, front, sizes, poolSize, strides, padding, ceilMode, countIncludePad, layout, dtype, salt } = form;
      const shape = [...front, ...sizes];
      // Whole numbers, so that there are equal ones, every second time.
      const drawn = randomPlain(makeRandom(salt), shape, dtype, -3, 3, salt % 2 === 0);
      const [x, plain] = lay(drawn, layout);
      const options = { poolSize, strides, padding, ceilMode };
      const layers = [
        rank === 1 ? new nn.MaxPool1D(options) : new nn.MaxPool2D(options),
        rank === 1
          ? new nn.AvgPool1D({ ...options, countIncludePad })
          : new nn.AvgPool2D({ ...options, countIncludePad }),
      ] as const;
      if (sizes.some((size, d) => size + 2 * padding[d]! < poolSize[d]!)) {
        for (const layer of layers) expect(thrown(() => layer(x))).toBeInstanceOf(ShapeError);
        return;
      }
      const windows = sizes.map((_, d) => windowsAlong(form, d));
      const out = [...front, ...windows.map(list => list.length)];
      const elements = (index: readonly number[]) =>
        product(windows.map((list, d) => list[index[d + 2]!]!.places)).map(place =>
          at(plain, [...index.slice(0, 2), ...place]),
        );
      const divisor = (index: readonly number[], count: number) =>
        countIncludePad ? windows.reduce((n, list, d) => n * list[index[d + 2]!]!.padded, 1) : count;
      const [largest, mean] = [
        build(out, dtype, index => Math.max(...elements(index))),
        build(out, 'float64', index => {
          const list = elements(index);
          return list.reduce((a, b) => a + b, 0) / divisor(index, list.length);
        }),
      ];
      const [y, z] = layers.map(layer => layer(x));
      expect([...y!.shape]).toEqual(out);
      expect([...y!.toTypedArray()]).toEqual([...largest.data]);
      expect([...z!.shape]).toEqual(out);
      expectClose(z!, mean.data, { terms: 400 });
      // Each window's gradient goes back to the first of its largest elements, or in equal shares to all of them.
      const [heads, plainHeads] = lay(randomPlain(makeRandom(salt + 1), out, dtype, -2, 2), layout);
      const places = (index: readonly number[]) =>
        product(windows.map((list, d) => list[index[d + 2]!]!.places)).map(place => [...index.slice(0, 2), ...place]);
      const slopes = [new Float64Array(x.size), new Float64Array(x.size)] as const;
      build(out, 'float64', index => {
        const list = places(index);
        const g = at(plainHeads, index);
        const best = at(largest, index);
        slopes[0][placeOf(shape, list.find(place => at(plain, place) === best)!)]! += g;
        for (const place of list) slopes[1][placeOf(shape, place)]! += g / divisor(index, list.length);
        return 0;
      });
      layers.forEach((layer, k) => {
        const v = x.clone().attachGrad() as Tensor;
        const r = autograd.record(() => layer(v));
        autograd.backward([r], [heads]);
        expectClose(v.grad!, slopes[k as 0 | 1], { terms: 100 });
      });
    }),
    runs,
  );
});

test.each(['float32', 'float64'] as const)('a mean over whole planes of %s, and its gradient', dtype => {
  const x = random.uniform([3, 5, 6, 11], { low: -1, high: 1, dtype }).attachGrad() as Tensor;
  const g = random.uniform([3, 5, 1, 1], { dtype }) as Tensor;
  for (const countIncludePad of [true, false]) {
    const y = autograd.record(() => new nn.AvgPool2D({ poolSize: [6, 11], strides: 2, countIncludePad })(x)) as Tensor;
    expectClose(y, x.mean({ axis: [2, 3] }).toTypedArray());
    autograd.backward([y], [g]);
    expectClose(x.grad as Tensor, g.div(66).broadcastTo(x.shape).toTypedArray());
  }
});

test('global pools', () => {
  const x = tensor(values(2 * 3 * 4 * 5), { shape: [2, 3, 4, 5] });
  expect((new nn.GlobalMaxPool2D()(x) as Tensor).toArray()).toEqual(x.max({ axis: [2, 3], keepdims: true }).toArray());
  expect((new nn.GlobalAvgPool2D()(x) as Tensor).toArray()).toEqual(x.mean({ axis: [2, 3], keepdims: true }).toArray());
  const line = x.reshape([2, 3, 20]);
  expect((new nn.GlobalMaxPool1D()(line) as Tensor).toArray()).toEqual(
    x
      .max({ axis: [2, 3] })
      .reshape([2, 3, 1])
      .toArray(),
  );
  expectClose(new nn.GlobalAvgPool1D()(line) as Tensor, x.mean({ axis: [2, 3] }).toTypedArray());
});

describe('edges', () => {
  test('a NaN is the largest, wherever it stands, and gets the gradient', () => {
    for (let i = 0; i < 4; i++) {
      const data = [1, 2, 3, Infinity].map((v, j) => (j === i ? Number.NaN : v));
      const x = tensor(data, { shape: [1, 1, 2, 2] }).attachGrad() as Tensor;
      const y = autograd.record(() => new nn.MaxPool2D()(x)) as Tensor;
      expect(y.item()).toBeNaN();
      y.backward();
      expect([...x.grad!.toTypedArray()]).toEqual([0, 1, 2, 3].map(j => Number(j === i)));
    }
  });

  test('of equal elements the first gets the gradient', () => {
    const x = tensor([2, 2, 2, 2], { shape: [1, 1, 2, 2] }).attachGrad() as Tensor;
    autograd.record(() => new nn.MaxPool2D()(x)).backward();
    expect([...x.grad!.toTypedArray()]).toEqual([1, 0, 0, 0]);
  });

  test('minus infinity is a maximum like others, and padding none', () => {
    const x = tensor([-Infinity, -Infinity], { shape: [1, 1, 1, 2] }).attachGrad() as Tensor;
    const layer = new nn.MaxPool2D({ poolSize: [1, 2], padding: [0, 1], strides: 1 });
    const y = autograd.record(() => layer(x));
    expect(y.toArray()).toEqual([[[[-Infinity, -Infinity, -Infinity]]]]);
    y.backward();
    expect(x.grad!.toArray()).toEqual([[[[2, 1]]]]);
  });

  test('windows that are far larger than what they see', () => {
    const data = [3, -1, 4, 1, -5, 2];
    const options = { poolSize: 200, padding: 100, strides: 1 };
    // Four by three windows, each with all elements in it.
    const all = (value: number) => [[Array.from({ length: 4 }, () => [value, value, value])]];
    for (const [layer, value, slope] of [
      [new nn.MaxPool2D(options), 4, [0, 0, 12, 0, 0, 0]],
      [new nn.AvgPool2D({ ...options, countIncludePad: false }), 4 / 6, data.map(() => 2)],
    ] as const) {
      const x = tensor(data, { shape: [1, 1, 3, 2], dtype: 'float64' }).attachGrad() as Tensor;
      const y = autograd.record(() => layer(x));
      expect(y.toArray()).toEqual(all(value));
      y.backward();
      expectClose(x.grad!, slope);
    }
    const whole = new nn.AvgPool2D(options)(tensor(data, { shape: [1, 1, 3, 2], dtype: 'float64' }));
    expectClose(whole as Tensor, all(4 / 40_000).flat(3));
  });

  test('an empty batch', () => {
    expect((new nn.AvgPool2D()(zeros([0, 3, 4, 4]) as Tensor) as Tensor).shape).toEqual([0, 3, 2, 2]);
    expect((new nn.GlobalAvgPool2D()(zeros([0, 3, 4, 4]) as Tensor) as Tensor).shape).toEqual([0, 3, 1, 1]);
  });

  test('the same on any number of threads', () => {
    const x = tensor(values(32 * 16 * 28 * 28), { shape: [32, 16, 28, 28] });
    const run = (threads: number) => {
      setNumThreads(threads);
      return [new nn.MaxPool2D({ poolSize: 3, strides: 2, padding: 1 }), new nn.AvgPool2D()].flatMap(layer => {
        const v = x.clone().attachGrad() as Tensor;
        const [y, squares] = autograd.record(() => {
          const y = layer(v);
          return [y, y.square()] as const;
        });
        squares.backward();
        return [bits(y), bits(v.grad!)];
      });
    };
    try {
      const alone = run(1);
      expect(run(3)).toEqual(alone);
    } finally {
      setNumThreads(2);
    }
  });
});

test('misuse', () => {
  const cases: readonly [() => unknown, new (...args: never[]) => Error, string][] = [
    [
      () => new nn.MaxPool2D()(zeros([2, 3, 4]) as Tensor),
      ShapeError,
      'takes an input of 4 dimensions, [batch, channels, height, width], but its input has shape [2, 3, 4]',
    ],
    [() => new nn.MaxPool1D()(zeros([2, 3]) as Tensor), ShapeError, '[batch, channels, length]'],
    [
      () => new nn.MaxPool2D({ poolSize: 5 })(zeros([1, 1, 4, 9]) as Tensor),
      ShapeError,
      'has windows of [ 5, 5 ], which its input of shape [1, 1, 4, 9] with padding [ 0, 0 ] is too small for',
    ],
    [() => new nn.GlobalMaxPool2D()(zeros([1, 1, 0, 9]) as Tensor), ShapeError, 'takes channels that are not empty'],
    [
      () => new nn.AvgPool2D()(zeros([1, 1, 4, 4], { dtype: 'int32' }) as Tensor),
      DTypeError,
      'takes float input, but got int32',
    ],
    [() => new nn.MaxPool2D({ poolSize: 0 }), ArgumentError, 'MaxPool2D: poolSize takes an integer from 1'],
    [() => new nn.MaxPool2D({ strides: -1 }), ArgumentError, 'MaxPool2D: strides takes an integer from 1'],
    [() => new nn.MaxPool2D({ strides: 0 }), ArgumentError, 'MaxPool2D: strides takes an integer from 1'],
    [() => new nn.MaxPool2D({ padding: 2 }), ArgumentError, 'padding takes at most half of the window'],
    [() => new nn.MaxPool2D({ poolSize: [2, 2, 2] }), ArgumentError, 'MaxPool2D: poolSize takes a number or 2 of them'],
    [
      () => new nn.MaxPool2D({ countIncludePad: true } as never),
      ArgumentError,
      "MaxPool2D has no option 'countIncludePad'",
    ],
  ];
  for (const [body, type, text] of cases) {
    const error = thrown(body);
    expect([error.constructor, error.message]).toEqual([type, expect.stringContaining(text)]);
  }
});

test('of zeros of both signs, and of several NaN, the first counts, recorded or not', () => {
  const x = tensor([
    [
      [
        [0, -0, -0, 0],
        [-1, -1, -1, -1],
        [Number.NaN, 1, 2, Number.NaN],
        [1, Number.NaN, 3, 1],
      ],
    ],
  ]);
  const pool = new nn.MaxPool2D();
  const plain = pool(x).toTypedArray();
  expect([...plain]).toEqual([0, -0, Number.NaN, Number.NaN]);
  expect(bits(autograd.record(() => pool(x)))).toBe(bits(pool(x)));
  const overlapping = new nn.MaxPool2D({ poolSize: 3, strides: 1, padding: 1 });
  expect(bits(autograd.record(() => overlapping(x)))).toBe(bits(overlapping(x)));
});
