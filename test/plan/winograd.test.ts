import { ArgumentError, getNumThreads, nn, setNumThreads, type Tensor, tensor } from '../../lib/index.js';
import { plansOf } from '../../lib/nn/block/plans.js';
import type { Applied } from '../../lib/trace/trace.js';
import { full, makeRandom } from '../support/random.js';

type Random = ReturnType<typeof makeRandom>;

/** Normal numbers, and of these what relu leaves. */
function draw(random: Random, shape: readonly number[], isRectified = false): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const one = (): number => {
    const value = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    return isRectified ? Math.max(0, value) : value;
  };
  return tensor(Float32Array.from({ length: size }, one), { shape: [...shape] });
}

const call = (layer: nn.Block, x: Tensor): Tensor => (layer as unknown as (x: Tensor) => Tensor)(x);

function bytesOf(t: Tensor): Buffer {
  const { buffer, byteOffset, byteLength } = t.toTypedArray() as Float32Array;
  return Buffer.from(buffer, byteOffset, byteLength);
}

function planned(net: nn.Block): string[] {
  return (plansOf(net)?.plans ?? []).flatMap(({ steps }) => steps.map(({ node }) => (node as Applied).op.name));
}

/** Convolutions, and what a forward does with them. */
class Net extends nn.Block {
  constructor(
    readonly layers: readonly nn.Conv2D[],
    private readonly run: (x: Tensor, layers: readonly nn.Conv2D[]) => Tensor,
  ) {
    super();
  }
  override forward(x: Tensor): Tensor {
    return this.run(x, this.layers);
  }
}

/** A convolution of 3 × 3 taps between two of single ones, which keep it in a region; `options` are the middle one's. */
function sandwich(random: Random, filters: number, channels: number, options: object = {}): Net {
  const conv = (count: number, kernelSize: number, more: object): nn.Conv2D =>
    new nn.Conv2D(count, { kernelSize, ...more } as never);
  const net = new Net(
    [conv(channels, 1, {}), conv(filters, 3, { padding: 1, ...options }), conv(filters, 1, {})],
    (x, layers) => layers.reduce((y, layer) => call(layer, y), x),
  );
  net.initialize();
  call(net, draw(random, [1, channels, 8, 8]));
  for (const layer of net.layers) {
    const { weight, bias } = layer as unknown as { weight: nn.Parameter; bias: nn.Parameter };
    const [count, ...rest] = weight.shape as [number, ...number[]];
    const depth = rest.reduce((a, b) => a * b, 1);
    weight.setData(draw(random, [count, ...rest]).mul(Math.sqrt(2 / depth)) as Tensor);
    bias.setData(draw(random, [count]));
  }
  return net;
}

/** The root of the mean square and the largest of the differences of `a` from the float64 values, in their deviations. */
function errors(a: Tensor, exact: Tensor): { rms: number; most: number } {
  const difference = a.cast('float64').sub(exact) as Tensor;
  const deviation = exact.std().item() as number;
  return {
    rms: Math.sqrt(difference.square().mean().item() as number) / deviation,
    most: (difference.abs().max().item() as number) / deviation,
  };
}

function answers(net: nn.Block, x: Tensor, winograd: 0 | 2 | 4 | undefined): Tensor {
  net.hybridize(true, winograd === undefined ? {} : { winograd });
  return call(net, x);
}

test('plans that predict compute 3 × 3 convolutions of large pictures in tiles of 2 × 2 by themselves, and of 4 × 4 or none if told so', () => {
  const random = makeRandom(2501);
  const net = sandwich(random, 64, 64);
  const x = draw(random, [2, 64, 28, 28]);
  const shapes = (winograd: 0 | 2 | 4 | undefined): string[] => {
    answers(net, x, winograd);
    return (plansOf(net)?.plans ?? []).flatMap(({ steps }) =>
      steps.flatMap(({ node }) => {
        const { op, output } = node as Applied;
        return op.name === 'packWinograd' ? [`${output.shape}`] : [];
      }),
    );
  };
  expect(shapes(undefined)).toEqual([`${[16 * 4, 64, 16]}`]);
  expect(shapes(2)).toEqual([`${[16 * 4, 64, 16]}`]);
  expect(shapes(4)).toEqual([`${[36 * 4, 64, 16]}`]);
  expect(shapes(0)).toEqual([]);
  expect(planned(net)).toContain('convBlocked');
});

test('tiles of 2 × 2 are as exact as sums of taps, and tiles of 4 × 4 within four times', () => {
  const random = makeRandom(2502);
  const sizes = [
    [64, 56],
    [128, 28],
    [256, 14],
    ...(full
      ? [
          [512, 14],
          [64, 112],
          [32, 64],
        ]
      : []),
  ] as [number, number][];
  for (const [channels, size] of sizes) {
    const net = sandwich(random, channels, channels);
    // The layer between is looked at alone: what comes before and after it is exact.
    for (const place of [0, 2]) {
      const layer = net.layers[place] as unknown as { weight: nn.Parameter; bias: nn.Parameter };
      const one = Float32Array.from({ length: channels * channels }, (_, i) => (i % (channels + 1) === 0 ? 1 : 0));
      layer.weight.setData(tensor(one, { shape: [channels, channels, 1, 1] }));
      layer.bias.setData(tensor(new Float32Array(channels)));
    }
    const x = draw(random, [1, channels, size, size], true);
    const by = ([0, 2, 4] as const).map(winograd => answers(net, x, winograd));
    net.hybridize(false);
    net.cast('float64');
    const exact = call(net, x.cast('float64') as Tensor);
    const [taps, two, four] = by.map(y => errors(y, exact)) as [Errors, Errors, Errors];
    expect(two.rms).toBeLessThan(1.1 * taps.rms);
    expect(two.most).toBeLessThan(1.3 * taps.most);
    expect(four.rms).toBeLessThan(4 * taps.rms);
    expect(four.most).toBeLessThan(6 * taps.most);
    // They are what they are called: a filter that isn't transformed at all would be exact as well.
    expect(two.rms).toBeGreaterThan(0);
    expect(four.rms).toBeGreaterThan(1.1 * taps.rms);
  }
});

type Errors = ReturnType<typeof errors>;

test('every size, padding and epilogue: within rounding of the forward', () => {
  const random = makeRandom(2503);
  for (let n = 0; n < (full ? 300 : 25); n++) {
    const channels = random.pick([16, 17, 32, 40, 96, 130]);
    const filters = random.pick([16, 24, 48, 100]);
    const padding = random.pick([0, 1, 1, 2, [1, 2], [0, 3]]);
    const activation = random.pick([undefined, 'relu', 'silu', 'tanh']);
    const useBias = true;
    const how = random.pick(['alone', 'clip', 'shortcut']);
    const net = sandwich(random, filters, channels, { padding, activation, useBias });
    const own = new Net(net.layers, (x, [first, second, third]) => {
      const y = call(first as nn.Conv2D, x);
      const z = call(second as nn.Conv2D, y);
      const last = call(third as nn.Conv2D, z);
      if (how === 'alone') return last;
      return how === 'clip' ? (z.clip(-0.2, 0.4) as Tensor) : (z.add(last).relu() as Tensor);
    });
    const shape = [random.int(1, 3), channels, random.int(9, 30), random.int(9, 30)];
    const x = draw(random, shape);
    own.hybridize(false);
    const expected = call(own, x);
    // Bounds hide how large the sums are, which have a deviation of 1 or more.
    const most = Math.max(2, expected.abs().max().item() as number);
    const threads = getNumThreads();
    for (const winograd of [2, 4] as const) {
      setNumThreads(random.int(1, 3));
      const y = answers(own, x, winograd);
      setNumThreads(threads);
      expect(y.shape).toEqual(expected.shape);
      const difference = y.sub(expected).abs().max().item() as number;
      if (!(difference < 2e-5 * most))
        throw new Error(
          `${n}: [${shape}] ${filters} ${padding} ${activation} ${how} by ${winograd}: ${difference} of ${most}`,
        );
    }
  }
});

test('a sample has the same bits in every batch and on any number of threads, by one plan', () => {
  const random = makeRandom(2504);
  const net = sandwich(random, 48, 40);
  const x = draw(random, [9, 40, 31, 29]);
  const threads = getNumThreads();
  try {
    for (const winograd of [2, 4] as const) {
      setNumThreads(1);
      const whole = bytesOf(answers(net, x, winograd));
      for (const [count, from, to] of [
        [1, 0, 1],
        [2, 3, 5],
        [3, 2, 9],
        [16, 0, 9],
      ] as const) {
        setNumThreads(count);
        const part = call(net, x.slice([from, to]) as Tensor);
        const size = bytesOf(part).length / (to - from);
        expect(bytesOf(part).equals(whole.subarray(from * size, to * size))).toBe(true);
      }
      expect(plansOf(net)?.plans).toHaveLength(1);
    }
  } finally {
    setNumThreads(threads);
  }
});

test('predictions take the choice too, and it is taken back with hybridize(false)', async () => {
  const random = makeRandom(2505);
  const net = sandwich(random, 64, 64);
  const x = draw(random, [1, 64, 28, 28]);
  const own = bytesOf(call(net, x));
  net.hybridize(true, { winograd: 0 });
  expect(bytesOf((await net.predict(x)) as Tensor).equals(own)).toBe(true);
  expect(bytesOf(net.predictSync(x) as Tensor).equals(own)).toBe(true);
  net.hybridize(false);
  expect(bytesOf(net.predictSync(x) as Tensor).equals(own)).toBe(false);
  expect(planned(net)).toContain('winogradBlocked');
});

test('a value that is not finite reaches the tiles that read it, and no other output', () => {
  const random = makeRandom(2508);
  const net = sandwich(random, 64, 64);
  const alone = new Net([net.layers[1] as nn.Conv2D], (x, [layer]) => call(layer as nn.Conv2D, x));
  const clean = draw(random, [1, 64, 28, 28]);
  for (const value of [Number.POSITIVE_INFINITY, Number.NaN]) {
    const values = (clean.toTypedArray() as Float32Array).slice();
    values[(5 * 28 + 10) * 28 + 10] = value;
    const x = tensor(values, { shape: [1, 64, 28, 28] });
    for (const winograd of [2, 4] as const) {
      const [expected, given] = [clean, x].map(input => answers(alone, input, winograd).toTypedArray());
      expect(planned(alone)).toContain('winogradBlocked');
      // Tiles of both sizes that read row and column 10 end at outputs 8 to 11.
      const isNear = (i: number): boolean => [Math.floor(i / 28) % 28, i % 28].every(at => at >= 8 && at < 12);
      const wrong = Array.from(given as Float32Array).findIndex(
        (y, i) => !isNear(i) && y !== (expected as Float32Array)[i],
      );
      expect(wrong).toBe(-1);
      expect(Number.isFinite((given as Float32Array)[10 * 28 + 10])).toBe(false);
    }
  }
});

test('single pixels and small pictures are computed tap by tap', () => {
  const random = makeRandom(2506);
  const net = sandwich(random, 64, 64);
  answers(net, draw(random, [4, 64, 4, 4]), 4);
  expect(planned(net)).not.toContain('winogradBlocked');
});

test('other tiles are refused', () => {
  const net = sandwich(makeRandom(2507), 16, 16);
  for (const winograd of [1, 3, 6, '2', true, null])
    expect(() => net.hybridize(true, { winograd } as never)).toThrow(
      new ArgumentError(`Net.hybridize: winograd takes one of 0, 2, 4, but got ${shownOf(winograd)}`),
    );
});

const shownOf = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : String(value));
