import {
  ArgumentError,
  arange,
  autograd,
  BlockError,
  full as full_,
  io,
  LatentError,
  nn,
  random,
  ShapeError,
  type Tensor,
  zeros,
} from '../../lib/index.js';
import { thrown } from '../support/nn-helpers.js';
import { difference, disagreement, flat, graphOf, netOf } from '../support/onnx-models.js';
import { full, makeRandom } from '../support/random.js';

const tolerance = { float32: 2e-5, float64: 1e-11 };

type Shape = readonly (number | string)[];
type Sizes = Readonly<Record<string, number>>;

interface Case {
  readonly make: () => nn.Block;
  readonly shapes: readonly Shape[];
  /** The sizes that the file must serve. */
  readonly at: readonly Sizes[];
  /** The sizes of the results, as the file has them. */
  readonly results: readonly (readonly (string | number | null)[])[];
  readonly input?: (shape: readonly number[], i: number) => Tensor;
}

class Encoder extends nn.Block {
  readonly first = new nn.TransformerEncoderLayer(2, { hiddenUnits: 24 });
  readonly second = new nn.TransformerEncoderLayer(2, { hiddenUnits: 24 });
  override forward(x: Tensor): Tensor {
    return this.second(this.first(x)) as Tensor;
  }
}

class Positions extends nn.Block {
  readonly tokens = new nn.Embedding(30, 8);
  readonly places = new nn.Parameter({ shape: [20, 8], init: 'normal' });
  readonly attention = new nn.MultiHeadAttention(2, { causal: true });
  override forward(x: Tensor): Tensor {
    const h = this.tokens(x).add(this.places.data().slice([0, x.shape[1] as number])) as Tensor;
    return this.attention(h).mean({ axis: 1 }) as Tensor;
  }
}

/** Halves a picture twice, and doubles it again beside what it was. */
class Hourglass extends nn.Block {
  readonly down = new nn.Conv2D(6, { kernelSize: 3, padding: 1, strides: 2, activation: 'relu' });
  readonly pool = new nn.MaxPool2D({ poolSize: 2 });
  readonly up = new nn.Conv2DTranspose(6, { kernelSize: 2, strides: 2 });
  readonly last = new nn.Conv2DTranspose(3, { kernelSize: 4, strides: 2, padding: 1 });
  override forward(x: Tensor): Tensor {
    const h = this.down(x);
    return this.last(this.up(this.pool(h)).add(h)) as Tensor;
  }
}

const table = random.normal([300, 3]);

const sequential = (...layers: nn.BlockBase[]): nn.Block => new nn.Sequential(...(layers as [nn.Block])) as never;
const bt: readonly Sizes[] = [
  { batch: 2, time: 5 },
  { batch: 1, time: 9 },
  { batch: 3, time: 1 },
  { batch: 1, time: 1 },
  { batch: 7, time: 7 },
];
const hw: readonly Sizes[] = [
  { batch: 1, height: 32, width: 32 },
  { batch: 2, height: 41, width: 38 },
  { batch: 2, height: 64, width: 67 },
];

const cases: Record<string, Case> = {
  'an encoder': {
    make: () => new Encoder() as unknown as nn.Block,
    shapes: [['batch', 'time', 8]],
    at: bt,
    results: [['batch', 'time', 8]],
  },
  'attention that looks back, over a table of positions': {
    make: () => new Positions() as unknown as nn.Block,
    shapes: [[-1, 'time']],
    at: [...bt, { batch: 2, time: 20 }],
    results: [['batch', 8]],
    input: shape => random.randint(0, 30, [...shape]) as Tensor,
  },
  'an LSTM in both directions, and a GRU': {
    make: () => sequential(new nn.LSTM(6, { bidirectional: true, layout: 'NTC' }), new nn.GRU(4, { layout: 'NTC' })),
    shapes: [[-1, 'time', 3]],
    at: bt,
    results: [['batch', 'time', 4]],
  },
  'an RNN whose steps come first': {
    make: () => sequential(new nn.RNN(5, { layout: 'TNC' })),
    shapes: [['time', 'batch', 3]],
    at: bt,
    results: [['time', 'batch', 5]],
  },
  'a classifier of pictures': {
    make: () =>
      sequential(
        new nn.Conv2D(5, { kernelSize: 7, strides: 2, padding: 3 }),
        new nn.BatchNorm(),
        new nn.MaxPool2D({ poolSize: 3, strides: 2, padding: 1 }),
        new nn.Conv2D(5, { kernelSize: 3, dilation: 2, groups: 5 }),
        new nn.AvgPool2D({ poolSize: 3, strides: 2, padding: 1 }),
        new nn.GlobalAvgPool2D(),
        new nn.Dense(4),
      ),
    shapes: [['batch', 3, 'height', 'width']],
    at: hw,
    results: [['batch', 4]],
  },
  'pools that round up, and maps of them': {
    make: () =>
      sequential(
        new nn.MaxPool2D({ poolSize: 3, strides: 2, ceilMode: true }),
        new nn.AvgPool2D({ poolSize: 3, strides: 2, ceilMode: true }),
        new nn.Conv2D(2, { kernelSize: 1 }),
      ),
    shapes: [[-1, 3, 'height', 'width']],
    at: hw,
    results: [['batch', 2, null, null]],
  },
  'a net that halves pictures and doubles them': {
    make: () => new Hourglass() as unknown as nn.Block,
    shapes: [[-1, 3, 'height', 'width']],
    at: [
      { batch: 1, height: 32, width: 64 },
      { batch: 2, height: 12, width: 8 },
    ],
    results: [['batch', 3, 'height', 'width']],
  },
  'filters along time, with the mean of their last axis': {
    make: () =>
      sequential(new nn.Conv1D(6, { kernelSize: 3, padding: 1 }), new nn.GroupNorm({ numGroups: 2, epsilon: 1e-3 })),
    shapes: [[-1, 4, 'time']],
    at: bt.filter(sizes => sizes.time !== 1),
    results: [['batch', 6, 'time']],
  },
  'sizes that are multiplied and computed with': {
    make: () =>
      netOf((x, y) => {
        const [n, t] = (x as Tensor).shape as readonly [number, number];
        const flat = (x as Tensor).reshape([n * t, 3]);
        return {
          flat: flat.mul(n * t - 2 * n + 1),
          turned: flat.reshape([t, n * 3]).expandDims(0),
          std: (x as Tensor).std({ axis: [0, 1], ddof: 0 }),
          places: (x as Tensor).add(arange(t).reshape([-1, 1])),
          crossed: (x as Tensor).matmul((y as Tensor).transpose([0, 2, 1])),
          zeros: zeros([n, 2, t]).add((x as Tensor).mean()),
          last: (x as Tensor).add(table.slice([t - 1, t])),
          filled: (x as Tensor).add(full_([3], n * t)),
        };
      }),
    shapes: [
      [-1, 'time', 3],
      [-1, 'keys', 3],
    ],
    at: bt.map(sizes => ({ ...sizes, keys: 4 })),
    results: [
      ['batch*time', 3],
      [1, 'time', '3*batch'],
      [3],
      ['batch', 'time', 3],
      ['batch', 'time', 'keys'],
      ['batch', 2, 'time'],
      ['batch', 'time', 3],
      ['batch', 'time', 3],
    ],
  },
};

const placed = (shape: Shape, sizes: Sizes): number[] =>
  shape.map(size =>
    typeof size === 'string' ? (sizes[size] as number) : size === -1 ? (sizes.batch as number) : size,
  );

describe.each(Object.entries(cases))('%s', (_, { make, shapes, at, results, input }) => {
  const first = (sizes: Sizes) =>
    shapes.map((shape, i) =>
      input === undefined ? (random.normal(placed(shape, sizes)) as Tensor) : input(placed(shape, sizes), i),
    );

  test('is written once for all sizes, and answers as it did', async () => {
    random.seed(1);
    const net = make();
    if (net.collectParams().size > 0) net.initialize({ init: 'uniform', forceReinit: true });
    const dtype = first(at[0] as Sizes).map(x => x.dtype);
    const bytes = net.toOnnx({ inputShape: shapes, dtype });
    const graph = graphOf(bytes);
    const dims = (list: typeof graph.input) =>
      list.map(({ type }) =>
        (type?.tensorType?.shape?.dim ?? []).map(({ dimParam, dimValue }) =>
          dimParam !== '' ? dimParam : dimValue === 0n ? null : Number(dimValue),
        ),
      );
    expect(dims(graph.input)).toEqual(shapes.map(shape => shape.map(size => (size === -1 ? 'batch' : size))));
    expect(dims(graph.output)).toEqual(results);
    for (const sizes of at) {
      const x = first(sizes);
      const want = flat(net(...(x as [Tensor])));
      expect([sizes, await disagreement(bytes, x, want, tolerance)]).toEqual([sizes, null]);
    }
  });

  test('comes back, is a plan at all sizes, and is written again', () => {
    random.seed(2);
    const net = make();
    if (net.collectParams().size > 0) net.initialize({ init: 'uniform', forceReinit: true });
    const dtype = first(at[0] as Sizes).map(x => x.dtype);
    const back = io.onnx.fromBytes(net.toOnnx({ inputShape: shapes, dtype }));
    back.hybridize();
    const again = io.onnx.fromBytes(back.toOnnx({ inputShape: shapes, dtype }));
    for (const sizes of at) {
      const x = first(sizes);
      const want = flat(net(...(x as [Tensor])));
      expect([sizes, difference(flat(back(...x)), want, tolerance)]).toEqual([sizes, null]);
      expect([sizes, difference(flat(again(...x)), want, tolerance)]).toEqual([sizes, null]);
    }
  });
});

const chains = full ? 200 : 25;

test(`${chains} random chains of windows answer from their files as they did, at random sizes`, async () => {
  const wrong: string[] = [];
  let written = 0;
  for (let salt = 0; salt < chains; salt++) {
    const r = makeRandom(salt);
    random.seed(salt);
    const layers = Array.from({ length: r.int(1, 4) }, () => {
      const [poolSize, strides] = [r.int(2, 5), r.int(1, 4)];
      const padding = r.int(0, Math.floor(poolSize / 2));
      const ceilMode = r.int(0, 1) === 1;
      const texts = [`${poolSize} strides ${strides} padding ${padding}${ceilMode ? ' ceil' : ''}`];
      switch (r.int(0, 3)) {
        case 0:
          return [`max ${texts}`, new nn.MaxPool2D({ poolSize, strides, padding, ceilMode })] as const;
        case 1:
          return [`avg ${texts}`, new nn.AvgPool2D({ poolSize, strides, padding, ceilMode })] as const;
        case 2:
          return [`conv ${texts}`, new nn.Conv2D(2, { kernelSize: poolSize, strides, padding })] as const;
        default:
          return ['conv same', new nn.Conv2D(2, { kernelSize: poolSize, strides, padding: 'same' })] as const;
      }
    });
    const net = sequential(...layers.map(([, layer]) => layer), new nn.GlobalAvgPool2D());
    if (net.collectParams().size > 0) net.initialize({ init: 'uniform' });
    let back: nn.Block;
    try {
      back = io.onnx.fromBytes(net.toOnnx({ inputShape: [1, 2, 'height', 'width'] })) as unknown as nn.Block;
    } catch (error) {
      // Refused for some sizes, or too small for the net.
      expect(error).toBeInstanceOf(LatentError);
      continue;
    }
    written++;
    for (let i = 0; i < 8; i++) {
      const x = random.normal([1, 2, r.int(20, 90), r.int(20, 90)]);
      let want: Tensor;
      try {
        want = net(x) as Tensor;
      } catch {
        continue;
      }
      const found = difference([back(x) as Tensor], [want], tolerance);
      if (found !== null) wrong.push(`${layers.map(([text]) => text)}, ${x.shape}: ${found}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(written).toBeGreaterThan(chains / 10);
});

/** A function whose form in a file is another one for a single step. */
class Formed extends autograd.Function {
  isSingle = false;
  override forward(x: Tensor): Tensor {
    this.isSingle = x.shape[1] === 1;
    return x.mul(3) as Tensor;
  }
  override backward(g: Tensor): Tensor {
    return g;
  }
  override onnx(graph: autograd.OnnxGraph, x: string): string {
    return graph.node('Mul', [x, graph.constant(this.isSingle ? 2 : 3)]);
  }
}

const lengths = [1, 2, 3, 5, 7, 9, 15, 17, 30, 40];

/** A file must be right at all lengths: forwards that clamp or guard small ones may be refused. */
const guarded: [string, (x: Tensor) => Tensor][] = [
  ['a divisor from 1 on', x => x.sum({ axis: 1 }).div(Math.max((x.shape[1] as number) - 1, 1)) as Tensor],
  ['degrees of freedom', x => x.std({ axis: 1, ddof: (x.shape[1] as number) > 1 ? 1 : 0 })],
  [
    'padding up to 16',
    x =>
      x
        .pad([
          [0, 0],
          [0, Math.max(0, 16 - (x.shape[1] as number))],
          [0, 0],
        ])
        .mean({ axis: 1 }),
  ],
  ['the last eight', x => x.slice(null, [-8, null]).mean({ axis: 1 }) as Tensor],
  ['the eighth from the end', x => x.slice(null, [-8, -7]).sum({ axis: 1 }) as Tensor],
  ['all but the last eight', x => x.slice(null, [null, -8]).sum({ axis: 1 }) as Tensor],
  ['three from the end backwards', x => x.slice(null, [-3, null, -1]).sum({ axis: 1 }) as Tensor],
  ['at most 16', x => x.slice(null, [0, Math.min(x.shape[1] as number, 16)]).sum({ axis: 1 }) as Tensor],
  ['the largest five', x => x.topk(Math.min(x.shape[1] as number, 5), { axis: 1 }).values.sum({ axis: 1 }) as Tensor],
  ['another fill at 1', x => x.add(full_([3], (x.shape[1] as number) === 1 ? 9 : 2)) as Tensor],
  [
    'other places at 1',
    x =>
      x.add(
        arange(
          (x.shape[1] as number) === 1 ? 4 : 0,
          (x.shape[1] as number) + ((x.shape[1] as number) === 1 ? 4 : 0),
        ).reshape([-1, 1]),
      ) as Tensor,
  ],
  ['bytes that count', x => x.add(arange(0, x.shape[1] as number, 1, { dtype: 'uint8' }).reshape([-1, 1])) as Tensor],
];
test.each(guarded)('%s is right at all lengths, or refused', async (_, forward) => {
  const net = netOf(x => forward(x as Tensor));
  let bytes: Uint8Array;
  try {
    bytes = net.toOnnx({ inputShape: ['batch', 'time', 3] });
  } catch (error) {
    expect((error as Error).message).toMatch(/; give the batch size and 'time' in inputShape/);
    return;
  }
  for (const time of lengths) {
    const x = random.normal([2, time, 3]);
    expect([time, await disagreement(bytes, [x], [net(x) as Tensor], tolerance)]).toEqual([time, null]);
  }
});

test('a function that writes another form at a length of 1 is refused', () => {
  const net = netOf(x => new Formed().apply(x as Tensor));
  expect(thrown(() => net.toOnnx({ inputShape: ['batch', 'time', 3] })).message).toMatch(
    /does other things for a time of 1; give/,
  );
});

test('a net from a file holds sizes of one name to each other', () => {
  const net = netOf((x, y) => (x as Tensor).add((y as Tensor).sum({ axis: 0 })));
  const inputShape = [
    ['batch', 'time'],
    ['keys', 'time'],
  ];
  const back = io.onnx.fromBytes(net.toOnnx({ inputShape }));
  expect(back(random.normal([2, 3]), random.normal([4, 3])).shape).toEqual([2, 3]);
  const error = thrown(() => back(random.normal([2, 3]), random.normal([4, 1])));
  expect(error).toBeInstanceOf(ShapeError);
  expect(error.message).toBe("OnnxNet: 'time' is 3 in input 'input0', but 1 along axis 1 of input 'input1'");
});

describe('what is refused', () => {
  const dense = () => {
    const net = sequential(new nn.Dense(2, { flatten: false }));
    net.initialize();
    return net;
  };
  test.each([
    [[['a', 'b', 'c', 'd', 'e', 3]], ArgumentError, /5 open sizes \(a, b, c, d, e\), but at most 4 can be/],
    [[['', 3]], ArgumentError, /the name of an open size cannot be empty/],
    [[['batch', -1, 3]], ShapeError, /only the first size/],
  ] as [Shape[], typeof ArgumentError, RegExp][])('%j', (inputShape, type, message) => {
    const error = thrown(() => dense().toOnnx({ inputShape }));
    expect(error).toBeInstanceOf(type);
    expect(error.message).toMatch(message);
  });

  const forwards: [string, (x: Tensor) => unknown][] = [
    ['other things above a length', x => ((x.shape[1] as number) > 90 ? x.exp() : x.sin())],
    ['a half of the length', x => x.slice([null, null], [0, (x.shape[1] as number) >> 1])],
    ['a constant of the length', x => x.mul(1 / (x.shape[1] as number) ** 2)],
    ['other things at a length of 1', x => ((x.shape[1] as number) === 1 ? x.exp() : x.sin())],
    ['other things at one length', x => (x.shape[1] === 50 ? x.exp() : x.sin())],
  ];
  test.each(forwards)('%s, by name', (_, forward) => {
    const net = netOf(x => forward(x as Tensor));
    const error = thrown(() => net.toOnnx({ inputShape: [4, 'time', 3] }));
    if (error instanceof BlockError) expect(error.message).toMatch(/; give 'time' in inputShape/);
    const both = thrown(() => net.toOnnx({ inputShape: [-1, 'time', 3] }));
    expect(both).toBeInstanceOf(BlockError);
    expect(both.message).toMatch(/; give the batch size and 'time' in inputShape/);
    expect(() => net.toOnnx({ inputShape: [4, 50, 3] })).not.toThrow();
  });

  test('a size that a parameter would have, and the net stays as it was', () => {
    const net = sequential(new nn.Dense(4, { activation: 'relu' }), new nn.Dense(2));
    net.initialize();
    const states = () => [...net.collectParams()].map(([path, p]) => [path, p.state, p.shape]);
    const before = states();
    expect(thrown(() => net.toOnnx({ inputShape: [-1, 'time', 8] })).message).toMatch(
      /at a batch of 2 and a time of 64, tried for what is left open, .*0\.weight.* takes 280 input units/,
    );
    expect(states()).toEqual(before);
    expect(net(random.normal([2, 5, 8])).shape).toEqual([2, 2]);
  });

  test('sizes that no net takes, in the words of the first that were tried', () => {
    const net = netOf(x => x?.reshape([-1, 7, 11, 13]));
    expect(thrown(() => net.toOnnx({ inputShape: [1, 'time'] })).message).toMatch(
      /at a time of 35, tried for what is left open, reshape/,
    );
  });
});
