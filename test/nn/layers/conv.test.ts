import fc from 'fast-check';
import {
  ArgumentError,
  autograd,
  DTypeError,
  getNumThreads,
  nn,
  random,
  ShapeError,
  setNumThreads,
  type Tensor,
  tensor,
  zeros,
} from '../../../lib/index.js';
import { conv } from '../../../lib/ops/conv.js';
import { expectClose } from '../../support/close.js';
import { gradientOf } from '../../support/gradient-of.js';
import { bits, thrown, values } from '../../support/nn-helpers.js';
import { at, build, indices, lay, layouts, type Plain, randomPlain, sizeOf } from '../../support/plain.js';
import { full, makeRandom, seed } from '../../support/random.js';

const runs = { numRuns: full ? 500 : 80, seed };

interface Form {
  readonly strides: readonly number[];
  readonly before: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
}

/** Sizes, or settings, of one dimension as those of two. */
const inTwo = (list: readonly number[], one: number) =>
  (list.length === 1 ? [one, list[0]!] : list) as [number, number];

/** Calls body for every product that a convolution adds up: the offsets in x, the weight and y. */
function forProducts(
  x: readonly number[],
  weight: readonly number[],
  y: readonly number[],
  { strides, before, dilation, groups }: Form,
  body: (x: number, weight: number, y: number) => void,
): void {
  const [down, across] = inTwo(strides, 1);
  const [top, left] = inTwo(before, 0);
  const [gapDown, gapAcross] = inTwo(dilation, 1);
  const [height, width] = inTwo(x.slice(2), 1);
  const [rows, columns] = inTwo(y.slice(2), 1);
  const [tall, wide] = inTwo(weight.slice(2), 1);
  const [filters, channels] = [y[1]!, weight[1]!];
  let to = 0;
  for (let n = 0; n < y[0]!; n++)
    for (let k = 0; k < filters; k++)
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++, to++)
          for (let c = 0; c < channels; c++)
            for (let r = 0; r < tall; r++)
              for (let s = 0; s < wide; s++) {
                const [h, w] = [i * down + r * gapDown - top, j * across + s * gapAcross - left];
                if (h < 0 || h >= height || w < 0 || w >= width) continue;
                const channel = Math.floor(k / (filters / groups)) * channels + c;
                const from = ((n * x[1]! + channel) * height + h) * width + w;
                body(from, ((k * channels + c) * tall + r) * wide + s, to);
              }
}

function sums(shape: readonly number[], add: (to: number[]) => void): Plain {
  const data = new Array<number>(sizeOf(shape)).fill(0);
  add(data);
  return { shape, dtype: 'float64', data };
}

function plainConv(x: Plain, weight: Plain, bias: Plain | null, size: readonly number[], form: Form): Plain {
  const shape = [x.shape[0]!, weight.shape[0]!, ...size];
  const y = sums(shape, data =>
    forProducts(x.shape, weight.shape, shape, form, (a, b, c) => {
      data[c]! += x.data[a]! * weight.data[b]!;
    }),
  );
  return bias === null ? y : build(shape, 'float64', index => at(y, index) + bias.data[index[1]!]!);
}

/** Held to the size of the terms, not to what is left of them. */
function expectNear(got: Tensor, want: Plain, terms: number): void {
  expect(got.shape).toEqual([...want.shape]);
  const allowed = got.dtype === 'float32' ? 3e-7 : 1e-15;
  const worst = [...got.toTypedArray()].reduce(
    (far: number, v, i) => Math.max(far, Math.abs(Number(v) - want.data[i]!)),
    0,
  );
  expect(worst).toBeLessThanOrEqual(allowed * 4 * (1 + terms));
}

const dimension = fc.record({
  size: fc.integer({ min: 1, max: 11 }),
  kernel: fc.integer({ min: 1, max: 5 }),
  stride: fc.constantFrom(1, 1, 1, 2, 3, 6),
  dilation: fc.constantFrom(1, 1, 1, 2, 3),
  padding: fc.integer({ min: 0, max: 3 }),
});

const forms = fc.record({
  dimensions: fc.array(dimension, { minLength: 1, maxLength: 2 }),
  batch: fc.integer({ min: 1, max: 3 }),
  groups: fc.constantFrom(1, 1, 2, 3),
  inputs: fc.integer({ min: 1, max: 5 }),
  outputs: fc.constantFrom(1, 2, 3, 7, 9, 20),
  useBias: fc.boolean(),
  same: fc.boolean(),
  relu: fc.boolean(),
  layout: fc.constantFrom(...layouts),
  dtype: fc.constantFrom('float32' as const, 'float64' as const),
  salt: fc.nat(1e6),
});

/** The layer with parameters of its own, and what they are. */
function filled<L extends nn.Conv>(layer: L, x: Tensor, salt: number): readonly [L, Plain, Plain | null] {
  const draw = makeRandom(salt);
  layer.initialize();
  layer(x);
  const set = (p: nn.Parameter): Plain => {
    const plain = randomPlain(draw, p.shape, p.dtype, -1, 1);
    p.setData(tensor([...plain.data], { shape: [...plain.shape], dtype: p.dtype }));
    return plain;
  };
  return [layer, set(layer.weight), layer.bias === null ? null : set(layer.bias)];
}

function check(
  layer: nn.Conv,
  x: Tensor,
  plain: Plain,
  parts: { y: Plain; form: Form; weight: Plain; relu: boolean; transposed: boolean },
): void {
  const { form, weight, relu, transposed } = parts;
  const active = relu ? build(parts.y.shape, 'float64', i => Math.max(0, at(parts.y, i))) : parts.y;
  const point = x.clone().attachGrad() as Tensor;
  const y = autograd.record(() => layer(point));
  const terms = weight.data.length / weight.shape[transposed ? 1 : 0]!;
  expectNear(y, active, terms);
  expectNear(layer(x), active, terms);
  const draw = makeRandom(5);
  const head = randomPlain(draw, y.shape, y.dtype, -1, 1);
  autograd.backward([y], [tensor([...head.data], { shape: [...head.shape], dtype: y.dtype })]);
  // Where a sum's sign is lost in its rounding, so is the slope: what came out says which it was.
  const values = y.toTypedArray();
  const inner: Plain = {
    shape: head.shape,
    dtype: 'float64',
    data: head.data.map((g, i) => (relu && Number(values[i]) <= 0 ? 0 : g)),
  };
  const [small, large] = transposed ? [plain, inner] : [inner, plain];
  const dX = sums(plain.shape, data =>
    forProducts(large.shape, weight.shape, small.shape, form, (a, b, c) => {
      if (transposed) data[c]! += inner.data[a]! * weight.data[b]!;
      else data[a]! += inner.data[c]! * weight.data[b]!;
    }),
  );
  const dW = sums(weight.shape, data =>
    forProducts(large.shape, weight.shape, small.shape, form, (a, b, c) => {
      data[b]! += large.data[a]! * small.data[c]!;
    }),
  );
  expectNear(point.grad!, dX, weight.data.length);
  expectNear(layer.weight.grad(), dW, y.size);
  if (layer.bias === null) return;
  const dB = sums([y.shape[1]!], data =>
    indices(inner.shape).forEach(i => {
      data[i[1]!]! += at(inner, i);
    }),
  );
  expectNear(layer.bias.grad(), dB, y.size);
}

test('Conv1D and Conv2D against plain sums, and all their gradients', () => {
  let tried = 0;
  fc.assert(
    fc.property(forms, ({ dimensions, batch, groups, inputs, outputs, useBias, same, relu, layout, dtype, salt }) => {
      const list = <K extends keyof (typeof dimensions)[0]>(key: K) => dimensions.map(d => d[key]);
      const [strides, dilation, kernelSize] = [list('stride'), list('dilation'), list('kernel')];
      const reach = dimensions.map(d => (d.kernel - 1) * d.dilation + 1);
      const sizes = dimensions.map((d, i) => Math.max(d.size, same ? 1 : reach[i]! - 2 * d.padding));
      const size = dimensions.map((d, i) =>
        same ? Math.ceil(sizes[i]! / d.stride) : Math.floor((sizes[i]! + 2 * d.padding - reach[i]!) / d.stride) + 1,
      );
      const before = dimensions.map((d, i) =>
        same ? Math.max(0, Math.floor(((size[i]! - 1) * d.stride + reach[i]! - sizes[i]!) / 2)) : d.padding,
      );
      const [x, plain] = lay(randomPlain(makeRandom(salt), [batch, inputs * groups, ...sizes], dtype, -1, 1), layout);
      const options = { kernelSize, strides, dilation, groups, useBias, dtype };
      const Layer = dimensions.length === 1 ? nn.Conv1D : nn.Conv2D;
      const made = new Layer(outputs * groups, {
        ...options,
        padding: same ? 'same' : list('padding'),
        activation: relu ? 'relu' : undefined,
      });
      const [layer, weight, bias] = filled(made, x, salt);
      const form = { strides, dilation, groups, before };
      check(layer, x, plain, { y: plainConv(plain, weight, bias, size, form), form, weight, relu, transposed: false });
      tried++;
    }),
    runs,
  );
  expect(tried).toBe(runs.numRuns);
});

const depthwise = fc.record({
  sizes: fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 70 })),
  taps: fc.constantFrom(3, 5, 7),
  stride: fc.constantFrom(1, 2),
  padding: fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 })),
  batch: fc.integer({ min: 1, max: 3 }),
  channels: fc.integer({ min: 2, max: 4 }),
  activation: fc.constantFrom(undefined, 'relu' as const, 'tanh' as const),
  useBias: fc.boolean(),
  layout: fc.constantFrom(...layouts),
  dtype: fc.constantFrom('float32' as const, 'float64' as const),
  salt: fc.nat(1e6),
});

test('filters of 3 x 3, 5 x 5 and 7 x 7 for each channel against plain sums, and all their gradients', () => {
  fc.assert(
    fc.property(
      depthwise,
      ({ sizes: given, taps, stride, padding, batch, channels, activation, useBias, layout, dtype, salt }) => {
        const sizes = given.map((size, i) => Math.max(size, taps - 2 * padding[i]!));
        const size = sizes.map((n, i) => Math.floor((n + 2 * padding[i]! - taps) / stride) + 1);
        const [x, plain] = lay(randomPlain(makeRandom(salt), [batch, channels, ...sizes], dtype, -1, 1), layout);
        const options = { kernelSize: taps, strides: stride, padding, groups: channels, useBias, dtype };
        const [layer, weight, bias] = filled(new nn.Conv2D(channels, options), x, salt);
        const form = { strides: [stride, stride], dilation: [1, 1], groups: channels, before: padding };
        const y = plainConv(plain, weight, bias, size, form);
        check(layer, x, plain, { y, form, weight, relu: false, transposed: false });
        if (activation === undefined) return;
        const [active] = filled(new nn.Conv2D(channels, { ...options, activation }), x, salt);
        const f = activation === 'relu' ? (v: number) => Math.max(0, v) : Math.tanh;
        const want = build(y.shape, 'float64', i => f(at(y, i)));
        expectNear(active(x), want, taps * taps);
      },
    ),
    runs,
  );
});

test('filters as large as what they see against plain sums, and all their gradients', () => {
  const form = { strides: [1, 1], dilation: [1, 1], groups: 1, before: [0, 0] };
  const draw = makeRandom(91);
  for (const [batch, channels, filters] of [
    [1, 70, 33],
    [3, 5, 1],
    [40, 24, 50],
  ] as [number, number, number][]) {
    for (const kernelSize of [
      [1, 1],
      [3, 4],
    ]) {
      for (const dtype of ['float32', 'float64'] as const) {
        const [x, plain] = lay(randomPlain(draw, [batch, channels, ...kernelSize], dtype, -1, 1), draw.pick(layouts));
        const options = { kernelSize, dtype, activation: draw.pick([undefined, 'relu'] as const) };
        const [layer, weight, bias] = filled(new nn.Conv2D(filters, options), x, 3);
        const y = plainConv(plain, weight, bias, [1, 1], form);
        const relu = options.activation === 'relu';
        check(layer, x, plain, { y, form, weight, relu, transposed: false });
        layer.hybridize();
        for (let i = 0; i < 3; i++)
          expectNear(
            layer(x),
            relu ? build(y.shape, 'float64', index => Math.max(0, at(y, index))) : y,
            plain.data.length / batch,
          );
      }
    }
  }
});

test('Conv1DTranspose and Conv2DTranspose against plain sums, and all their gradients', () => {
  fc.assert(
    fc.property(forms, ({ dimensions, batch, groups, inputs, outputs, useBias, layout, dtype, salt }) => {
      const list = <K extends keyof (typeof dimensions)[0]>(key: K) => dimensions.map(d => d[key]);
      const [strides, dilation, kernelSize] = [list('stride'), list('dilation'), list('kernel')];
      const reach = dimensions.map(d => (d.kernel - 1) * d.dilation + 1);
      const outputPadding = dimensions.map(d => salt % Math.max(d.stride, d.dilation));
      const sizes = dimensions.map(d => Math.max(2, Math.min(d.size, 6)));
      const padding = dimensions.map((d, i) => {
        const all = (sizes[i]! - 1) * d.stride + reach[i]! + outputPadding[i]!;
        return Math.min(d.padding, Math.floor((all - 1) / 2));
      });
      const size = dimensions.map(
        (d, i) => (sizes[i]! - 1) * d.stride - 2 * padding[i]! + reach[i]! + outputPadding[i]!,
      );
      const [x, plain] = lay(randomPlain(makeRandom(salt), [batch, inputs * groups, ...sizes], dtype, -1, 1), layout);
      const Layer = dimensions.length === 1 ? nn.Conv1DTranspose : nn.Conv2DTranspose;
      const made = new Layer(outputs * groups, {
        kernelSize,
        strides,
        dilation,
        groups,
        useBias,
        dtype,
        padding,
        outputPadding,
      });
      const [layer, weight, bias] = filled(made, x, salt);
      const form = { strides, dilation, groups, before: padding };
      const shape = [batch, outputs * groups, ...size];
      const sum = sums(shape, data =>
        forProducts(shape, weight.shape, plain.shape, form, (a, b, c) => {
          data[a]! += weight.data[b]! * plain.data[c]!;
        }),
      );
      const y = bias === null ? sum : build(shape, 'float64', index => at(sum, index) + bias.data[index[1]!]!);
      check(layer, x, plain, { y, form, weight, relu: false, transposed: true });
    }),
    runs,
  );
});

test.each([
  [4, 2, 1],
  [6, 3, 0],
  [5, 4, 2],
])(
  'transposed filters of %i taps and steps of %i, over many images, are the same as image by image',
  (kernelSize, strides, padding) => {
    const layer = new nn.Conv2DTranspose(16, { kernelSize, strides, padding });
    layer.initialize({ init: 'xavier' });
    const x = random.uniform([24, 8, 23, 31], { low: -1, high: 1 }) as Tensor;
    const y = layer(x);
    for (const i of [0, 11, 23])
      expect(
        layer(x.slice([i, i + 1]) as Tensor)
          .sub(y.slice([i, i + 1]))
          .abs()
          .max()
          .item(),
      ).toBe(0);
  },
);

test('transposed filters are packed anew where they have changed', () => {
  const options = { kernelSize: 4, strides: 2, padding: 1 } as const;
  const layer = new nn.Conv2DTranspose(3, options);
  layer.initialize({ init: 'xavier' });
  layer.hybridize();
  const x = random.uniform([1, 4, 9, 9]) as Tensor;
  for (let round = 0; round < 3; round++) {
    const results = [layer(x), layer(x), layer(x)];
    const plain = convTranspose(x, layer.weight.data(), layer.bias?.data() as Tensor);
    for (const y of results) expect(y.sub(plain).abs().max().item()).toBeLessThan(1e-5);
    layer.weight.setData(random.uniform([...layer.weight.shape], { low: -1, high: 1 }) as Tensor);
  }

  /** By the weights of another layer, which are read but once. */
  function convTranspose(input: Tensor, weight: Tensor, bias: Tensor): Tensor {
    const other = new nn.Conv2DTranspose(3, options);
    other.initialize();
    other(input);
    other.weight.setData(weight.clone() as Tensor);
    other.bias?.setData(bias.clone() as Tensor);
    return other(input);
  }
});

test('transposed layers with one weight and other strides each read it in their own order', () => {
  const [a, b] = [
    [2, 3],
    [3, 2],
  ].map(strides => ({ kernelSize: 6, strides: strides as [number, number], inChannels: 4 }) as const);
  const first = new nn.Conv2DTranspose(3, a!);
  const second = new nn.Conv2DTranspose(3, { ...b!, params: first.params });
  first.initialize({ init: 'xavier' });
  const x = random.uniform([1, 4, 5, 5]) as Tensor;
  const alone = [a!, b!].map(options => {
    const layer = new nn.Conv2DTranspose(3, options);
    layer.initialize();
    layer.weight.setData(first.weight.data().clone() as Tensor);
    return layer(x);
  });
  for (let round = 0; round < 4; round++) {
    expect(first(x).sub(alone[0]!).abs().max().item()).toBeLessThan(1e-5);
    expect(second(x).sub(alone[1]!).abs().max().item()).toBeLessThan(1e-5);
  }
});

test('gradients to second order', () => {
  const draw = (shape: number[], salt: number) =>
    tensor(values(sizeOf(shape), salt), { shape, dtype: 'float64' }) as Tensor;
  for (const transposed of [false, true]) {
    for (const activation of [undefined, 'relu', 'tanh'] as const) {
      const options = {
        kernelSize: [2, 3],
        strides: [2, 1],
        padding: 1,
        groups: 2,
        activation,
        dtype: 'float64',
      } as const;
      const layer = transposed ? new nn.Conv2DTranspose(2, options) : new nn.Conv2D(4, options);
      layer.initialize({ init: 'uniform' });
      const x = draw([1, 4, 3, 3], 1);
      const y = layer(x);
      // The layer's own forward over other parameters.
      const f = (data: Tensor, weight: Tensor, bias: Tensor): Tensor => {
        const like = { ...layer, weight: { ...layer.weight, data: () => weight }, bias: { data: () => bias } };
        Object.setPrototypeOf(like, Object.getPrototypeOf(layer));
        Object.setPrototypeOf(like.weight, Object.getPrototypeOf(layer.weight));
        for (const name of ['shape', 'dtype'] as const)
          Object.defineProperty(like.weight, name, { value: layer.weight[name] });
        Object.defineProperty(like.bias, 'dtype', { value: 'float64' });
        return (Object.getPrototypeOf(layer) as nn.Conv).forward.call(like as never, data);
      };
      const points = [x, draw([...layer.weight.shape], 2), draw([...layer.bias!.shape], 3)];
      autograd.gradCheck(f as never, points);
      autograd.gradCheck(gradientOf(f as never), [...points, draw([...y.shape], 4)]);
    }
  }
});

/** Σ over taps of products of matrices: another way to the same sums, for sizes that plain loops take too long for. */
function byProducts(x: Tensor, weight: Tensor, stride: number, padding: number): Tensor {
  const [filters, channels, height, width] = weight.shape as [number, number, number, number];
  const padded = x.pad([
    [0, 0],
    [0, 0],
    [padding, padding],
    [padding, padding],
  ]) as Tensor;
  const count = (all: number, k: number) => Math.floor((all - k) / stride) + 1;
  const [rows, columns] = [count(padded.shape[2]!, height), count(padded.shape[3]!, width)];
  let sum: Tensor | undefined;
  for (let r = 0; r < height; r++) {
    for (let s = 0; s < width; s++) {
      const range = (from: number, n: number) => [from, from + (n - 1) * stride + 1, stride] as const;
      const seen = padded.slice([], [], range(r, rows), range(s, columns)) as Tensor;
      const w = weight.slice([], [], r, s).reshape([filters, channels]) as Tensor;
      const part = w.matmul(seen.reshape([x.shape[0]!, channels, rows * columns])) as Tensor;
      sum = sum === undefined ? part : (sum.add(part) as Tensor);
    }
  }
  return sum!.reshape([x.shape[0]!, filters, rows, columns]) as Tensor;
}

test.each([
  { x: [2, 64, 56, 56], filters: 64, kernel: 3, stride: 1, padding: 1 },
  { x: [1, 256, 14, 14], filters: 256, kernel: 3, stride: 1, padding: 1 },
  { x: [2, 3, 97, 101], filters: 64, kernel: 7, stride: 2, padding: 3 },
  { x: [3, 70, 31, 29], filters: 33, kernel: 1, stride: 1, padding: 0 },
  { x: [1, 48, 3, 9001], filters: 20, kernel: 3, stride: 1, padding: 0 },
  { x: [5, 32, 15, 15], filters: 96, kernel: 3, stride: 2, padding: 1 },
])('large ones, cut into blocks, with any number of threads: %j', ({ x: shape, filters, kernel, stride, padding }) => {
  random.seed(11);
  const before = getNumThreads();
  const x = random.uniform([...shape], { low: -1, high: 1 }) as Tensor;
  const layer = new nn.Conv2D(filters, { kernelSize: kernel, strides: stride, padding, useBias: false });
  layer.initialize({ init: 'xavier' });
  const results = [1, 2, 3].map(threads => {
    setNumThreads(threads);
    const point = x.clone().attachGrad() as Tensor;
    const y = autograd.record(() => layer(point));
    const head = y.detach().sign() as Tensor;
    autograd.backward([y], [head]);
    return [y, point.grad!, layer.weight.grad().clone()] as Tensor[];
  });
  setNumThreads(before);
  const [first, ...others] = results.map(list => list.map(bits));
  for (const other of others) expect(other).toEqual(first);
  // The reference is computed in float64 from float32's numbers.
  const wide = x.cast('float64').attachGrad() as Tensor;
  const weight = layer.weight.data().cast('float64').attachGrad() as Tensor;
  const want = autograd.record(() => byProducts(wide, weight, stride, padding));
  autograd.backward([want], [results[0]![0]!.sign().cast('float64')]);
  const worst = (a: Tensor, b: Tensor) =>
    a.cast('float64').sub(b).abs().max().item() / (b.abs().max().item() as number);
  expect(worst(results[0]![0]!, want)).toBeLessThan(2e-6);
  expect(worst(results[0]![1]!, wide.grad!)).toBeLessThan(2e-6);
  expect(worst(results[0]![2]!, weight.grad!)).toBeLessThan(2e-5);
});

test('a filter for each channel, large, forwards and backwards, is the same as in groups of its own', () => {
  const x = random.uniform([2, 24, 61, 47], { low: -1, high: 1 }) as Tensor;
  for (const [stride, dilation] of [
    [1, 1],
    [2, 1],
    [1, 2],
  ] as const) {
    const options = { kernelSize: 3, strides: stride, dilation, padding: 1 } as const;
    const layer = new nn.Conv2D(24, { ...options, groups: 24 });
    layer.initialize({ init: 'xavier' });
    const point = x.clone().attachGrad() as Tensor;
    const y = autograd.record(() => layer(point));
    y.backward();
    for (const c of [0, 11, 23]) {
      const one = new nn.Conv2D(1, options);
      one.initialize();
      const input = x
        .slice([], [c, c + 1])
        .clone()
        .attachGrad() as Tensor;
      one(input);
      one.weight.setData(
        layer.weight
          .data()
          .slice([c, c + 1])
          .clone() as Tensor,
      );
      const alone = autograd.record(() => one(input));
      alone.backward();
      const near = (a: Tensor, b: Tensor) => expect(a.sub(b).abs().max().item()).toBeLessThan(2e-4);
      near(y.slice([], [c, c + 1]) as Tensor, alone);
      near(point.grad!.slice([], [c, c + 1]) as Tensor, input.grad!);
      near(layer.weight.grad().slice([c, c + 1]) as Tensor, one.weight.grad());
    }
  }
});

test('tied filters, and gradients that add up', () => {
  const first = new nn.Conv2D(3, { kernelSize: 3, padding: 1, inChannels: 3 });
  const second = new nn.Conv2D(3, { kernelSize: 3, padding: 1, params: first.params });
  const net = new nn.Sequential(first, second);
  net.initialize({ init: 'xavier' });
  const x = random.uniform([2, 3, 5, 5]);
  autograd.record(() => net(x)).backward();
  const once = first.weight.grad().clone() as Tensor;
  expect(second.weight).toBe(first.weight);
  net.collectParams().setAttr('gradReq', 'add');
  net.zeroGrad();
  for (let i = 0; i < 2; i++) autograd.record(() => net(x)).backward();
  expect(first.weight.grad().sub(once.mul(2)).abs().max().item()).toBeLessThan(1e-4);
});

test.each([
  ['of one tap, with more filters than channels', 8, 1, 1, [2, 3, 5, 4]],
  ['for each channel', 3, 3, 3, [2, 3, 7, 6]],
  ['for each channel, of many taps', 3, 4, 3, [2, 3, 7, 6]],
  ['as large as what they see', 8, 3, 1, [5, 3, 3, 3]],
  ['on single pixels', 8, 1, 1, [5, 3, 1, 1]],
] as const)('gradients of filters %s add up', (_, filters, kernelSize, groups, shape) => {
  const layer = new nn.Conv2D(filters as number, { kernelSize, groups, inChannels: 3 });
  layer.initialize();
  layer.weight.gradReq = 'add';
  const x = tensor(values(sizeOf(shape)), { shape });
  const once = () => autograd.record(() => layer(x).square().sum()).backward();
  once();
  const first = layer.weight.grad().clone();
  once();
  expectClose(
    layer.weight.grad(),
    [...first.toTypedArray()].map(v => 2 * (v as number)),
  );
});

test('the gradient of the weights has the same bits with any number of threads, however many images', () => {
  const results = [1, 2, 3].map(threads => {
    const count = getNumThreads();
    setNumThreads(threads);
    try {
      return [13, 2].map(images => {
        const layer = new nn.Conv2D(5, { kernelSize: 3 });
        random.seed(3);
        layer.initialize();
        const x = tensor(values(images * 3 * 40 * 40), { shape: [images, 3, 40, 40] });
        autograd.record(() => layer(x).square().sum()).backward();
        return bits(layer.weight.grad());
      });
    } finally {
      setNumThreads(count);
    }
  });
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
});

test('parts of one parameter as filters, each packed for itself', () => {
  const whole = new nn.Parameter({ shape: [16, 4, 3, 3] });
  whole.setData(tensor(values(16 * 4 * 9), { shape: [16, 4, 3, 3] }) as Tensor);
  const x = tensor(values(2 * 4 * 12 * 12), { shape: [2, 4, 12, 12] }) as Tensor;
  const windows = { strides: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 } as const;
  const want = [0, 8].map(from => {
    const copy = whole
      .data()
      .slice([from, from + 8])
      .clone() as Tensor;
    return bits(conv(x, copy, null, windows, [10, 10]));
  });
  // Packed forms are kept from the second reading of a version on.
  for (let reading = 0; reading < 4; reading++) {
    [0, 8].forEach((from, i) => {
      const part = whole.data().slice([from, from + 8]) as Tensor;
      expect(bits(conv(x, part, null, windows, [10, 10]))).toBe(want[i]);
    });
  }
});

test('empty batches, in every direction', () => {
  for (const layer of [
    new nn.Conv2D(4, { kernelSize: 3, padding: 1 }),
    new nn.Conv2D(4, { kernelSize: 3, padding: 1, groups: 4 }),
    new nn.Conv2DTranspose(4, { kernelSize: 3, padding: 1 }),
  ]) {
    layer.initialize();
    const x = zeros([0, 4, 5, 6]).attachGrad() as Tensor;
    const y = autograd.record(() => layer(x));
    expect(y.shape).toEqual([0, 4, 5, 6]);
    y.backward();
    expect(layer.weight.grad().abs().sum().item()).toBe(0);
    expect([...layer.bias!.grad().toTypedArray()]).toEqual([0, 0, 0, 0]);
  }
});

test('misuse', () => {
  const saysOf = (kind: new (...a: never[]) => Error, f: () => unknown): string => {
    const error = thrown(f);
    expect(error).toBeInstanceOf(kind);
    return error.message;
  };
  const make = (options: object) => () => new nn.Conv2D(4, { kernelSize: 3, ...options } as never);
  const use = (options: object, shape: number[]) => () => {
    const layer = make(options)();
    layer.initialize();
    return layer(zeros(shape) as Tensor);
  };
  expect(saysOf(ArgumentError, () => new nn.Conv2D(4, {} as never))).toMatch(/takes \{ kernelSize \}/);
  expect(saysOf(ArgumentError, () => new nn.Conv2D(4, 3 as never))).toMatch(/kernelSize/);
  expect(saysOf(ArgumentError, () => new nn.Conv2D(0, { kernelSize: 3 }))).toMatch(/channels/);
  expect(saysOf(ArgumentError, make({ kernelSize: 0 }))).toMatch(/kernelSize.*from 1/);
  expect(saysOf(ArgumentError, make({ kernelSize: [3, 3, 3] }))).toMatch(/2 of them/);
  expect(saysOf(ArgumentError, make({ strides: 0 }))).toMatch(/strides.*from 1, but got 0/);
  expect(saysOf(ArgumentError, make({ strides: -1 }))).toMatch(/strides.*-1/);
  expect(saysOf(ArgumentError, make({ dilation: 0 }))).toMatch(/dilation/);
  expect(saysOf(ArgumentError, make({ padding: -1 }))).toMatch(/padding/);
  expect(saysOf(ArgumentError, make({ padding: 'full' }))).toMatch(/'same' or 'valid', but got 'full'/);
  expect(saysOf(ArgumentError, make({ groups: 3 }))).toMatch(/4 channels do not fall into 3/);
  expect(saysOf(ArgumentError, make({ groups: 2, inChannels: 3 }))).toMatch(/3 inChannels do not fall into 2/);
  expect(saysOf(ArgumentError, make({ activation: 'tan' }))).toMatch(/'tanh'/);
  expect(saysOf(ArgumentError, make({ stride: 2 }))).toMatch(/'strides'/);
  expect(saysOf(ArgumentError, () => new nn.Conv2DTranspose(4, { kernelSize: 3, outputPadding: 1 }))).toMatch(
    /outputPadding takes less than the stride/,
  );
  expect(saysOf(ShapeError, use({}, [2, 3, 8]))).toMatch(/4 dimensions.*\[2, 3, 8\]/);
  expect(saysOf(ShapeError, use({ inChannels: 3 }, [2, 5, 8, 8]))).toMatch(/takes 3 channels.*\[2, 5, 8, 8\]/);
  expect(saysOf(ShapeError, use({}, [2, 0, 8, 8]))).toMatch(/at least 1 channel/);
  expect(saysOf(ShapeError, use({ groups: 2 }, [2, 3, 8, 8]))).toMatch(/2 groups, which the 3 channels/);
  expect(saysOf(ShapeError, use({}, [2, 3, 2, 8]))).toMatch(/filters of \[ 3, 3 \].*\[2, 3, 2, 8\] is too small/);
  expect(saysOf(ShapeError, use({ dilation: 4, padding: 1 }, [2, 3, 5, 8]))).toMatch(/too small/);
  expect(saysOf(ShapeError, use({}, [2, 3, 0, 0]))).toMatch(/too small/);
  expect(saysOf(DTypeError, use({ dtype: 'float64' }, [2, 3, 8, 8]))).toMatch(/is float64, but its input is float32/);
  expect(
    saysOf(ShapeError, () => {
      const layer = new nn.Conv2DTranspose(2, { kernelSize: 1, padding: 2 });
      layer.initialize();
      return layer(zeros([1, 2, 3, 3]) as Tensor);
    }),
  ).toMatch(/leaves nothing/);
});
