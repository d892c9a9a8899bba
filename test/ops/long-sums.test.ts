import {
  autograd,
  full,
  loss,
  memory,
  nn,
  ones,
  random,
  setNumThreads,
  type Tensor,
  tensor,
  zeros,
} from '../../lib/index.js';

/** The largest error in relation to the largest element of what the same computation gives in float64. */
function error(of: (dtype: 'float32' | 'float64') => Tensor): number {
  const got = of('float32').toTypedArray() as Float32Array;
  const right = of('float64').toTypedArray() as Float64Array;
  let [worst, largest] = [0, 0];
  got.forEach((value, i) => {
    const difference = Math.abs(value - (right[i] as number));
    if (!(difference <= worst)) worst = difference;
    largest = Math.max(largest, Math.abs(right[i] as number));
  });
  memory.collect();
  return worst / largest;
}

/** Normal numbers of float32, the same ones in either type. */
function numbers(shape: number[], dtype: string, seed: number): Tensor {
  random.seed(seed);
  return random.normal(shape).cast(dtype as 'float64') as Tensor;
}

type Layer = nn.Block & ((x: Tensor) => Tensor);

/** A layer whose sizes x settles, with the same parameters in either type. */
function settled(layer: nn.Block, x: Tensor): Layer {
  layer.initialize();
  (layer as Layer)(x);
  let seed = 100;
  for (const p of layer.collectParams().values()) p.setData(numbers([...p.shape], p.dtype, seed++).mul(0.1) as Tensor);
  return layer as Layer;
}

type Make = (dtype: 'float32') => nn.Block;

function resultOf(make: Make, input: (dtype: string) => Tensor): (dtype: 'float32' | 'float64') => Tensor {
  return dtype => settled(make(dtype as 'float32'), input(dtype))(input(dtype));
}

function gradientOf(
  make: Make,
  name: string,
  input: (dtype: string) => Tensor,
): (dtype: 'float32' | 'float64') => Tensor {
  return dtype => {
    const x = input(dtype);
    const layer = settled(make(dtype as 'float32'), x);
    const y = autograd.record(() => layer(x));
    y.backward(numbers([...y.shape], dtype, 11));
    return layer.collectParams().get(name)!.grad() as Tensor;
  };
}

/** A single accumulator of float32 is off by 10 to 1000 times as much in each of these. */
const cases: Record<string, () => number> = {
  'a product over 100,000': () =>
    error(t => numbers([9, 100_000], t, 1).matmul(numbers([100_000, 33], t, 2)) as Tensor),
  'a product over 100,000 with few rows': () =>
    error(t => numbers([2, 100_000], t, 1).matmul(numbers([20, 100_000], t, 2).transpose() as Tensor) as Tensor),
  'a product of constants over 100,000': () =>
    error(t => full([9, 100_000], Math.fround(0.1), { dtype: t }).matmul(ones([100_000, 33], { dtype: t })) as Tensor),
  'the gradient of a dense weight over 20,000 samples': () =>
    error(
      gradientOf(
        dtype => new nn.Dense(5, { dtype }),
        'weight',
        t => numbers([20_000, 40], t, 3),
      ),
    ),
  'the gradient of a dense bias over 200,000 samples': () =>
    error(
      gradientOf(
        dtype => new nn.Dense(3, { dtype, activation: 'tanh' }),
        'bias',
        t => numbers([200_000, 2], t, 3),
      ),
    ),
  'a convolution over 512 channels': () =>
    error(
      resultOf(
        dtype => new nn.Conv2D(8, { kernelSize: 3, dtype }),
        t => numbers([1, 512, 6, 6], t, 4),
      ),
    ),
  'a convolution of 3000 taps': () =>
    error(
      resultOf(
        dtype => new nn.Conv1D(8, { kernelSize: 3000, strides: 500, dtype }),
        t => numbers([1, 1, 6000], t, 4),
      ),
    ),
  'a depthwise convolution of 31×31 taps': () =>
    error(
      resultOf(
        dtype => new nn.Conv2D(4, { kernelSize: 31, groups: 4, dtype }),
        t => numbers([1, 4, 40, 40], t, 4),
      ),
    ),
  "the gradient of a convolution's weight over large pictures": () =>
    error(
      gradientOf(
        dtype => new nn.Conv2D(4, { kernelSize: 3, dtype }),
        'weight',
        t => numbers([4, 3, 200, 200], t, 3),
      ),
    ),
  "the gradient of a convolution's weight over one wide row": () =>
    error(
      gradientOf(
        dtype => new nn.Conv1D(4, { kernelSize: 5, dtype }),
        'weight',
        t => numbers([1, 2, 300_000], t, 3),
      ),
    ),
  'the gradient of a depthwise weight': () =>
    error(
      gradientOf(
        dtype => new nn.Conv2D(3, { kernelSize: 3, groups: 3, dtype }),
        'weight',
        t => numbers([4, 3, 150, 150], t, 3),
      ),
    ),
  'the gradient of a row that is looked up often': () =>
    error(
      gradientOf(
        dtype => new nn.Embedding(3, 5, { dtype }),
        'weight',
        () => zeros([200_000], { dtype: 'int32' }),
      ),
    ),
  'the gradient of an element that is gathered often': () =>
    error(t => {
      const x = ones([1, 3], { dtype: t }).attachGrad() as Tensor;
      autograd
        .record(() => x.gather(zeros([200_000, 3], { dtype: 'int32' }), { axis: 0 }))
        .backward(full([200_000, 3], Math.fround(0.1), { dtype: t }));
      return x.grad as Tensor;
    }),
  'sums down long columns': () => error(t => numbers([400_000, 3], t, 6).abs().sum({ axis: 0 }) as Tensor),
  'sums along a long row': () => error(t => numbers([1_500_000], t, 6).abs().sum() as Tensor),
  'means over a large window': () =>
    error(
      t => new nn.AvgPool2D({ poolSize: 120, strides: 8 })(numbers([1, 2, 128, 128], t, 6).abs() as never) as Tensor,
    ),
  'the gradient of gamma over many narrow rows': () =>
    error(
      gradientOf(
        dtype => new nn.LayerNorm({ dtype }),
        'gamma',
        t => numbers([50_000, 4], t, 3),
      ),
    ),
  'the logarithm of the sum of many exponentials': () =>
    error(t => numbers([2, 150_000], t, 8).mul(0.01).logsumexp({ axis: 1 }) as Tensor),
  'cross-entropy over a large vocabulary': () =>
    error(
      t =>
        new loss.SoftmaxCrossEntropy()(
          numbers([3, 128_000], t, 8),
          tensor([5, 70_000, 127_999], { dtype: 'int32' }),
        ) as Tensor,
    ),
  'the variance of columns with a large mean': () =>
    error(
      t =>
        numbers([100_000, 3], t, 9)
          .add(1000)
          .cast('float32')
          .cast(t as 'float64')
          .var({ axis: 0 }) as Tensor,
    ),
};

test.each(Object.keys(cases))('%s is as exact as a short sum', name => {
  expect(cases[name]!()).toBeLessThan(2e-6);
});

test('a table of constant columns is normalized to zeros', () => {
  for (const constant of [1013.3, -1e-7, 12345.678]) {
    const b = new nn.BatchNorm();
    b.initialize();
    const y = autograd.trainMode(() => b(full([1000, 4], constant)));
    expect(y.abs().max().item()).toBe(0);
  }
});

describe('squares leave the range no sooner than their result does', () => {
  const row = [1, 2, 3, 4];
  const normalized = row.map(x => (x - 2.5) / Math.sqrt(1.25));
  test.each([
    ['float32', 1e30],
    ['float32', 2e37],
    ['float64', 1e200],
  ] as const)('%s, times %d', (dtype, scale) => {
    const x = tensor(row, { dtype }).mul(scale) as Tensor;
    const near = (t: Tensor, values: readonly number[]): void => {
      const got = [...(t.toTypedArray() as Float64Array)];
      expect(got.every((v, i) => Math.abs(v - (values[i] as number)) < 1e-5)).toBe(true);
    };
    near(x.norm().div(scale) as Tensor, [Math.sqrt(30)]);
    near(x.std().div(scale) as Tensor, [Math.sqrt(1.25)]);
    near(x.reshape([4, 1]).std({ axis: 0 }).div(scale) as Tensor, [Math.sqrt(1.25)]);
    near(
      tensor([row, row], { dtype }).mul(scale).norm({ axis: 0 }).div(scale) as Tensor,
      row.map(v => v * Math.SQRT2),
    );
    const norms = [
      new nn.LayerNorm({ dtype: dtype as 'float32' }),
      new nn.GroupNorm({ numGroups: 1, dtype: dtype as 'float32' }),
    ];
    for (const norm of norms) {
      norm.initialize();
      near((norm as nn.Block & ((x: Tensor) => Tensor))(x.reshape([1, 4])), normalized);
    }
  });
  test.each([
    ['float32', 1e-30],
    ['float64', 1e-200],
  ] as const)('%s, times %d, towards zero', (dtype, scale) => {
    expect(tensor([3, 4], { dtype }).mul(scale).norm().div(scale).item()).toBeCloseTo(5, 5);
    expect(
      tensor([[3], [5]], { dtype })
        .mul(scale)
        .std({ axis: 0 })
        .div(scale)
        .item(),
    ).toBeCloseTo(1, 5);
  });
  test('what is infinite stays so, and what is no number', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      expect(tensor([1, -Infinity], { dtype }).norm().item()).toBe(Infinity);
      expect(
        tensor([[1], [Infinity]], { dtype })
          .norm({ axis: 0 })
          .item(),
      ).toBe(Infinity);
      expect(tensor([Infinity, NaN], { dtype }).norm().item()).toBeNaN();
      expect(tensor([1, Infinity], { dtype }).std().item()).toBeNaN();
      expect(zeros([0, 2], { dtype }).norm({ axis: 0 }).toArray()).toEqual([0, 0]);
    }
  });
});

test('long sums have the same bits with any number of threads', () => {
  const all = (threads: number): string => {
    setNumThreads(threads);
    const x = numbers([300_001], 'float32', 1);
    const columns = numbers([100_003, 3], 'float32', 2);
    return [x.norm(), x.std(), columns.std({ axis: 0 }), columns.norm({ axis: 1 }), x.sum(), columns.sum({ axis: 0 })]
      .map(t => Buffer.from((t.toTypedArray() as Float32Array).buffer).toString('base64'))
      .join();
  };
  const one = all(1);
  for (const threads of [2, 3, 4, 16]) expect(all(threads)).toBe(one);
  setNumThreads(2);
});
