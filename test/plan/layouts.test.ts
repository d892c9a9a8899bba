import { concat, getNumThreads, nn, ShapeError, setNumThreads, type Tensor, tensor } from '../../lib/index.js';
import { plansOf } from '../../lib/nn/block/plans.js';
import { costs } from '../../lib/ops/blocked/form.js';
import type { Applied } from '../../lib/trace/trace.js';
import { full, makeRandom } from '../support/random.js';

type Random = ReturnType<typeof makeRandom>;
type Pair = [number, number];

function draw(random: Random, shape: readonly number[]): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: size }, () => random.next() * 2 - 1),
    { shape: [...shape] },
  );
}

/** The operations of a net's plans, in order. */
function planned(net: nn.Block): string[] {
  return (plansOf(net)?.plans ?? []).flatMap(({ steps }) => steps.map(({ node }) => (node as Applied).op.name));
}

/** A forward over layers that a test has made. */
class Net extends nn.Block {
  constructor(
    readonly layers: readonly nn.Block[],
    private readonly run: (x: Tensor) => Tensor | Tensor[],
  ) {
    super();
  }
  override forward(x: Tensor): Tensor {
    return this.run(x) as Tensor;
  }
}

const conv = (channels: number, kernelSize: number | Pair, options: object = {}): nn.Conv2D =>
  new nn.Conv2D(channels, { kernelSize, ...options } as never) as never;
const call = (layer: nn.Block, x: Tensor): Tensor => (layer as unknown as (x: Tensor) => Tensor)(x);

/** The results of a net's forward and of its plan; the plan computes convolutions tap by tap unless `winograd` tells tiles. */
function both(net: nn.Block, x: Tensor, winograd: 0 | 2 | 4 = 0): { own: Tensor[]; plan: Tensor[] } {
  const list = (y: Tensor | Tensor[]): Tensor[] => (Array.isArray(y) ? y : [y]);
  net.hybridize(false);
  const own = list(call(net, x));
  net.hybridize(true, { winograd });
  return { own, plan: list(call(net, x)) };
}

/** The first place at which two tensors differ, zeros of both signs being the same; -1 where there is none. */
function difference(a: Tensor, b: Tensor): number {
  expect(b.shape).toEqual(a.shape);
  const [x, y] = [a.toTypedArray() as Float32Array, b.toTypedArray() as Float32Array];
  return x.findIndex((value, i) => value !== y[i] && !(Number.isNaN(value) && Number.isNaN(y[i])));
}

const relative = (a: Tensor, b: Tensor): number =>
  (a.sub(b).abs().max().item() as number) / Math.max(1e-30, a.abs().max().item() as number);

/** Two convolutions of the same channels: enough for a region. */
const pairOf = (channels: number, options: object = {}): nn.Block[] => [
  conv(channels, 3, { padding: 1, ...options }),
  conv(channels, 3, { padding: 1 }),
];

/** A random net of what may lie in blocks and what may not, told in words. */
function randomNet(random: Random, channels: number): { net: Net; words: string[]; isExact: () => boolean } {
  const layers: nn.Block[] = [];
  const words: string[] = [];
  let isExact = true;
  type Step = (values: Tensor[]) => Tensor;
  const steps: Step[] = [];
  // The channels of each value, and which of them have the same sizes.
  const kinds: { channels: number; size: number }[] = [{ channels, size: 0 }];
  let sizes = 0;
  const at = (values: Tensor[], i: number): Tensor => values[i] as Tensor;
  const add = (word: string, kind: { channels: number; size: number }, step: Step): void => {
    words.push(word);
    kinds.push(kind);
    steps.push(step);
  };
  const layer = <B extends nn.Block>(one: B): B => {
    layers.push(one);
    return one;
  };
  const recent = (): number => Math.max(0, kinds.length - 1 - (random.int(0, 3) === 0 ? random.int(1, 2) : 0));
  const functions: Record<string, (x: Tensor) => Tensor> = {
    relu: x => x.relu() as Tensor,
    clip: x => x.clip(0, 6) as Tensor,
    shifted: x => x.clip(0.1, 2) as Tensor,
    silu: x => x.silu() as Tensor,
    tanh: x => x.tanh() as Tensor,
    sigmoid: x => x.sigmoid() as Tensor,
    gelu: x => x.gelu() as Tensor,
    exp: x => x.clip(-1, 1).exp() as Tensor,
    log: x => x.abs().add(0.5).log() as Tensor,
    reciprocal: x => x.square().add(1).reciprocal() as Tensor,
    halved: x => x.mul(0.5) as Tensor,
    hardswish: x => x.mul(x.add(3).clip(0, 6)).div(6) as Tensor,
    leaky: x => x.maximum(x.mul(0.1)) as Tensor,
  };
  const count = random.int(4, 14);
  for (let n = 0; n < count; n++) {
    const i = recent();
    const kind = kinds[i] as { channels: number; size: number };
    const what = random.pick([
      'conv',
      'conv',
      'conv',
      'depthwise',
      'function',
      'function',
      'sum',
      'pool',
      'join',
      'gate',
    ]);
    // A sum and the like need an earlier value, so the first is a convolution.
    switch (n === 0 ? 'conv' : what) {
      case 'conv': {
        const filters = random.pick([1, 3, 8, 16, 17, 24, 32, 33, 48]);
        const size = random.pick<number | Pair>([1, 1, 3, 3, 3, 5, [1, 3], [3, 2], 7]);
        const [down, across] = typeof size === 'number' ? [size, size] : size;
        const strides = random.pick<Pair>([
          [1, 1],
          [1, 1],
          [1, 1],
          [2, 2],
          [1, 2],
          [2, 1],
          [3, 3],
        ]);
        const dilation = random.pick([1, 1, 1, 2]);
        const isSame = random.int(0, 3) > 0 && down % 2 === 1 && across % 2 === 1;
        const padding: Pair = isSame
          ? [((down - 1) / 2) * dilation, ((across - 1) / 2) * dilation]
          : [random.int(down, down + 1), random.int(across, across + 1)];
        const activation = random.pick([undefined, undefined, 'relu', 'silu', 'tanh', 'softsign']);
        const useBias = random.int(0, 3) > 0;
        const one = layer(conv(filters, size, { strides, padding, dilation, activation, useBias }));
        const stays = isSame && strides[0] === 1 && strides[1] === 1;
        add(
          `conv(${i}, ${filters}, ${size}, strides ${strides}, padding ${padding}, dilation ${dilation}, ${activation})`,
          { channels: filters, size: stays ? kind.size : ++sizes },
          values => call(one, at(values, i)),
        );
        break;
      }
      case 'depthwise': {
        const size = random.pick([3, 5]);
        const stride = random.pick([1, 1, 2]);
        const one = layer(
          conv(kind.channels, size, { strides: stride, padding: (size - 1) / 2, groups: kind.channels }),
        );
        add(
          `depthwise(${i}, ${size}, stride ${stride})`,
          { channels: kind.channels, size: stride === 1 ? kind.size : ++sizes },
          values => call(one, at(values, i)),
        );
        break;
      }
      case 'function': {
        const name = random.pick(Object.keys(functions));
        add(`${name}(${i})`, kind, values => (functions[name] as (x: Tensor) => Tensor)(at(values, i)));
        break;
      }
      case 'sum': {
        const j = kinds.findLastIndex(
          (other, place) => place !== i && other.size === kind.size && other.channels === kind.channels,
        );
        if (j < 0) break;
        const isProduct = random.int(0, 3) === 0;
        add(`${isProduct ? 'mul' : 'add'}(${i}, ${j})`, kind, values =>
          isProduct ? (at(values, i).mul(at(values, j)) as Tensor) : (at(values, i).add(at(values, j)) as Tensor),
        );
        break;
      }
      case 'pool': {
        const poolSize = random.pick([2, 3]);
        const options = {
          poolSize,
          strides: random.pick([1, 2]),
          padding: random.int(0, 1),
          ceilMode: random.int(0, 1) === 1,
        };
        const isMean = random.int(0, 1) === 1;
        const one = layer(
          isMean
            ? new nn.AvgPool2D({ ...options, countIncludePad: random.int(0, 1) === 1 })
            : new nn.MaxPool2D(options),
        );
        add(
          `${isMean ? 'avg' : 'max'}Pool(${i}, ${JSON.stringify(options)})`,
          {
            channels: kind.channels,
            size: ++sizes,
          },
          values => {
            const x = at(values, i);
            // The mean of a whole picture.
            if (isMean && x.shape[2] === poolSize && x.shape[3] === poolSize) isExact = false;
            return call(one, x);
          },
        );
        break;
      }
      case 'join': {
        const others = kinds.flatMap((other, place) => (other.size === kind.size && place !== i ? [place] : []));
        if (others.length === 0) break;
        const j = random.pick(others);
        const total = kind.channels + (kinds[j] as { channels: number }).channels;
        add(
          `concat(${i}, ${j})`,
          { channels: total, size: kind.size },
          values => concat([at(values, i), at(values, j)], { axis: 1 }) as Tensor,
        );
        break;
      }
      default: {
        const one = layer(conv(kind.channels, 1));
        isExact = false;
        const isLeft = random.int(0, 1) === 1;
        add(`gate(${i})`, kind, values => {
          const x = at(values, i);
          const factors = call(one, x.mean({ axis: [2, 3], keepdims: true }) as Tensor).sigmoid() as Tensor;
          return (isLeft ? factors.mul(x) : x.mul(factors)) as Tensor;
        });
      }
    }
  }
  const also = random.int(1, kinds.length - 1);
  const net = new Net(layers, x => {
    const values = [x];
    for (const step of steps) values.push(step(values));
    return [at(values, values.length - 1), at(values, also)];
  });
  return { net, words: [...words, `out ${kinds.length - 1}, ${also}`], isExact: () => isExact };
}

test('random nets answer in blocks what they answer step by step', () => {
  const random = makeRandom(2101);
  const seen = new Set<string>();
  const wrong: string[] = [];
  let blocked = 0;
  const rounds = full ? 1500 : 150;
  const usual = { ...costs };
  const threads = getNumThreads();
  Object.assign(costs, { reorder: 0, filling: 0 });
  try {
    for (let n = 0; n < rounds; n++) {
      const channels = random.pick([1, 3, 16, 20, 32]);
      const { net, words, isExact } = randomNet(random, channels);
      net.initialize();
      setNumThreads(random.int(1, 3));
      const winograd = random.pick([0, 2, 4] as const);
      for (const batch of [random.int(1, 3), random.int(1, 3)]) {
        const shape = [batch, channels, random.int(16, 40), random.int(16, 40)];
        const x = draw(random, shape);
        try {
          call(net, x);
        } catch (error) {
          // A picture too small for a window.
          if (error instanceof ShapeError) continue;
          throw error;
        }
        const { own, plan } = both(net, x, winograd);
        const isTapByTap = !planned(net).includes('winogradBlocked');
        own.forEach((y, i) => {
          const isWrong =
            isExact() && isTapByTap ? difference(y, plan[i] as Tensor) >= 0 : !(relative(y, plan[i] as Tensor) < 1e-4);
          if (isWrong) wrong.push(`${n}, [${shape}] by ${winograd}: ${words.join('; ')}`);
        });
      }
      const names = planned(net);
      for (const name of names) seen.add(name);
      if (names.includes('convBlocked') || names.includes('depthwiseBlocked')) blocked++;
    }
  } finally {
    setNumThreads(threads);
    Object.assign(costs, usual);
  }
  expect(wrong).toEqual([]);
  expect(blocked).toBeGreaterThan(rounds / 4);
  const operations = [
    'toBlocked',
    'fromBlocked',
    'packBlocked',
    'convBlocked',
    'depthwiseBlocked',
    'packWinograd',
    'winogradBlocked',
    'poolBlocked',
    'meanBlocked',
    'scaleBlocked',
  ];
  expect(operations.filter(name => !seen.has(name))).toEqual([]);
});

test('of a single convolution tap by tap, or of two with something between them that has no form in blocks, there is no region', () => {
  const random = makeRandom(2102);
  const layers = pairOf(32);
  const one = new Net(layers, x => call(layers[0] as nn.Block, x));
  const apart = new Net(layers, x =>
    call(layers[1] as nn.Block, call(layers[0] as nn.Block, x).softmax({ axis: 1 }) as Tensor),
  );
  one.initialize();
  apart.initialize();
  for (const net of [one, apart]) {
    both(net, draw(random, [1, 32, 20, 20]));
    expect(planned(net)).toContain('conv');
    expect(planned(net)).not.toContain('convBlocked');
  }
});

test('what follows a convolution is done by it: the sum with a shortcut, bounds, and activations', () => {
  const random = makeRandom(2103);
  const layers = [conv(32, 3, { padding: 1 }), conv(32, 3, { padding: 1 }), conv(32, 1)];
  const [first, second, third] = layers as nn.Block[] as [nn.Block, nn.Block, nn.Block];
  const net = new Net(layers, x => {
    const y = call(first, x).clip(0, 6) as Tensor;
    const z = call(second, y).add(y).relu() as Tensor;
    return call(third, z).silu() as Tensor;
  });
  net.initialize();
  const { own, plan } = both(net, draw(random, [2, 3, 17, 19]));
  expect(difference(own[0] as Tensor, plan[0] as Tensor)).toBe(-1);
  const run = planned(net).filter(name => name !== 'packBlocked');
  expect(run).toEqual(['convBlocked', 'convBlocked', 'convBlocked', 'fromBlocked']);
});

test('a shortcut that comes after bounds or an activation is added after them', () => {
  const random = makeRandom(2108);
  const layers = [conv(32, 3, { padding: 1 }), conv(32, 3, { padding: 1 }), conv(32, 3, { padding: 1 })];
  const [first, second, third] = layers as nn.Block[] as [nn.Block, nn.Block, nn.Block];
  const net = new Net(layers, x => {
    const y = call(first, x);
    const z = y.add(call(second, y).clip(-0.1, 0.1)) as Tensor;
    return z.add(call(third, z).tanh()) as Tensor;
  });
  net.initialize();
  const { own, plan } = both(net, draw(random, [1, 16, 12, 12]));
  expect(difference(own[0] as Tensor, plan[0] as Tensor)).toBe(-1);
  expect(planned(net).filter(name => name === 'convBlocked').length).toBe(3);
});

test('a sum whose value others read is computed by itself', () => {
  const random = makeRandom(2104);
  const layers = pairOf(32);
  const [first, second] = layers as [nn.Block, nn.Block];
  const net = new Net(layers, x => {
    const y = call(first, x);
    const z = call(second, y);
    return [z.add(y) as Tensor, z.mul(y) as Tensor];
  });
  net.initialize();
  const { own, plan } = both(net, draw(random, [1, 16, 9, 9]));
  own.forEach((y, i) => {
    expect(difference(y, plan[i] as Tensor)).toBe(-1);
  });
  expect(planned(net)).toContain('add');
});

test('infinities and NaN reach what reads them, and nothing around it', () => {
  const random = makeRandom(2105);
  const layers = [...pairOf(31), new nn.MaxPool2D({ poolSize: 3, strides: 2, padding: 1 }), conv(5, 1)];
  const net = new Net(layers, x => layers.reduce((y, layer) => call(layer, y), x));
  net.initialize();
  const x = draw(random, [2, 16, 24, 24]).toTypedArray() as Float32Array;
  x[100] = Number.NaN;
  x[5000] = Number.POSITIVE_INFINITY;
  x[x.length - 1] = Number.NEGATIVE_INFINITY;
  const { own, plan } = both(net, tensor(x, { shape: [2, 16, 24, 24] }));
  expect(difference(own[0] as Tensor, plan[0] as Tensor)).toBe(-1);
  expect(planned(net)).toContain('poolBlocked');
});

test('a region follows its weights, and serves other batches and sizes', () => {
  const random = makeRandom(2106);
  const layers = pairOf(24);
  const net = new Net(layers, x => layers.reduce((y, layer) => call(layer, y).relu() as Tensor, x));
  net.initialize();
  for (const shape of [
    [1, 16, 20, 20],
    [3, 16, 20, 20],
    [2, 16, 31, 9],
    [1, 16, 20, 20],
  ]) {
    const { own, plan } = both(net, draw(random, shape));
    expect(difference(own[0] as Tensor, plan[0] as Tensor)).toBe(-1);
    net.collectParams().forEach(parameter => {
      parameter.setData(draw(random, parameter.data().shape));
    });
  }
  expect(plansOf(net)?.plans.length).toBe(1);
});

test('a batch that no second cache holds goes through several convolutions image by image', () => {
  const random = makeRandom(2110);
  const layers = [conv(24, 3, { padding: 1 }), conv(40, 3, { padding: 1 }), conv(24, 1), conv(40, 3, { strides: 2 })];
  const net = new Net(layers, x => {
    const [first, second, third, last] = layers.map(layer => (y: Tensor) => call(layer, y)) as [
      (y: Tensor) => Tensor,
      (y: Tensor) => Tensor,
      (y: Tensor) => Tensor,
      (y: Tensor) => Tensor,
    ];
    const y = first(x).relu() as Tensor;
    const z = third(second(y).clip(0, 6) as Tensor).add(y) as Tensor;
    return [last(z), z.sigmoid() as Tensor];
  });
  net.initialize();
  const threads = getNumThreads();
  try {
    for (const [count, batch] of [
      [1, 5],
      [2, 6],
      [2, 5],
      [3, 4],
    ] as Pair[]) {
      setNumThreads(count);
      const { own, plan } = both(net, draw(random, [batch, 3, 64, 80]));
      own.forEach((y, i) => {
        expect(difference(y, plan[i] as Tensor)).toBe(-1);
      });
    }
  } finally {
    setNumThreads(threads);
  }
});

test('inputs and weights that are views in another order are taken as they lie', () => {
  const random = makeRandom(2109);
  for (const channels of [3, 16]) {
    const [first, second] = pairOf(32) as [nn.Block, nn.Block];
    const gate = conv(32, 1);
    const net = new Net([first, second, gate], x => {
      const y = call(second, call(first, x.transpose([0, 3, 1, 2]) as Tensor));
      const factors = call(gate, y.mean({ axis: [2, 3], keepdims: true }) as Tensor);
      return y.mul(factors.slice(null, [null, null, -1])) as Tensor;
    });
    net.initialize();
    for (const x of [
      draw(random, [2, 14, 18, channels]),
      draw(random, [2, channels, 18, 14]).transpose([0, 2, 3, 1]),
    ]) {
      const { own, plan } = both(net, x as Tensor);
      expect(relative(own[0] as Tensor, plan[0] as Tensor)).toBeLessThan(1e-6);
      expect(planned(net)).toContain('convBlocked');
    }
  }
});

test('float64 and single pixels stay as they are', () => {
  const random = makeRandom(2107);
  const layers = pairOf(32);
  const net = new Net(layers, x => layers.reduce((y, layer) => call(layer, y), x));
  net.cast('float64');
  net.initialize();
  both(net, draw(random, [1, 16, 12, 12]).cast('float64') as Tensor);
  expect(planned(net)).not.toContain('convBlocked');
  const ones = [conv(64, 1), conv(64, 1), conv(64, 1)];
  const gates = new Net(ones, x => ones.reduce((y, layer) => call(layer, y), x));
  gates.initialize();
  both(gates, draw(random, [8, 64, 1, 1]));
  expect(planned(gates)).not.toContain('convBlocked');
});

describe('convolutions of one dimension', () => {
  const usual = { ...costs };
  afterEach(() => {
    Object.assign(costs, usual);
  });
  const conv1d = (channels: number, kernelSize: number, options: object = {}): nn.Block =>
    new nn.Conv1D(channels, { kernelSize, ...options } as never) as never;

  test('lie in blocks from the first to the last, with what is between them', () => {
    const random = makeRandom(71);
    const net = new nn.Sequential(
      conv1d(128, 3, { strides: 2, useBias: false }),
      new nn.Activation('gelu'),
      conv1d(120, 3, { padding: 1 }),
      new nn.BatchNorm(),
      new nn.Activation('relu'),
      conv1d(64, 2, { dilation: 2 }),
    ) as nn.Block;
    net.initialize();
    const x = draw(random, [2, 64, 401]);
    call(net, x);
    const { own, plan } = both(net, x);
    expect(relative(own[0] as Tensor, plan[0] as Tensor)).toBeLessThan(1e-5);
    const names = planned(net).filter(name => name !== 'packBlocked');
    expect(names.slice(names.indexOf('toBlocked') - 1)).toEqual([
      'reshape',
      'toBlocked',
      'convBlocked',
      'convBlocked',
      'convBlocked',
      'fromBlocked',
      'reshape',
    ]);
  });

  test('get no rows of zeros where these would be many times the row', () => {
    const net = new nn.Sequential(conv1d(128, 7, { padding: 3 }), conv1d(128, 7, { padding: 3 })) as nn.Block;
    net.initialize();
    const { own, plan } = both(net, draw(makeRandom(72), [2, 128, 400]));
    expect(difference(own[0] as Tensor, plan[0] as Tensor)).toBe(-1);
    expect(planned(net)).not.toContain('convBlocked');
  });

  test('have the bits of the forward in random nets', () => {
    const random = makeRandom(73);
    Object.assign(costs, { reorder: 0, filling: 0 });
    let blocked = 0;
    for (let n = 0; n < (full ? 300 : 40); n++) {
      const count = random.int(1, 4);
      const layers: nn.Block[] = [];
      const start = random.int(1, 300);
      let length = start;
      for (let i = 0; i < count; i++) {
        const [kernelSize, strides] = [random.int(1, 4), random.int(1, 3)] as const;
        const [padding, dilation] = [random.int(0, 2), random.int(1, 3)] as const;
        const next = Math.floor((length + 2 * padding - dilation * (kernelSize - 1) - 1) / strides) + 1;
        if (next < 1) continue;
        length = next;
        layers.push(conv1d(random.int(1, 64), kernelSize, { strides, padding, dilation }));
        if (random.next() < 0.5) layers.push(new nn.Activation(random.next() < 0.5 ? 'relu' : 'gelu'));
      }
      if (layers.length === 0) continue;
      // Values in between that others read as well, and a result that is another's change of shape.
      const shows = random.next() < 0.4;
      const net = new Net(layers, x => {
        const seen: Tensor[] = [];
        for (const layer of layers) {
          x = call(layer, x);
          if (shows && seen.length < 2) seen.push(x.expandDims(2).squeeze(2) as Tensor, x.clip(-0.5, 0.5));
        }
        return [x, ...seen];
      });
      net.initialize();
      const first = draw(random, [random.int(1, 4), random.int(1, 64), start]);
      const { own, plan } = both(net, first);
      expect(plan.length).toBe(own.length);
      own.forEach((y, i) => {
        expect([n, i, difference(y, plan[i] as Tensor)]).toEqual([n, i, -1]);
      });
      if (planned(net).includes('convBlocked')) blocked++;
    }
    expect(blocked).toBeGreaterThan(10);
  });
});
