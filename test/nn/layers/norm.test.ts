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
  Trainer,
  tensor,
  zeros,
} from '../../../lib/index.js';
import { expectClose } from '../../support/close.js';
import { bits, thrown, values } from '../../support/nn-helpers.js';
import { at, build, indices, lay, layouts, type Plain, randomPlain } from '../../support/plain.js';
import { makeRandom, seed } from '../../support/random.js';

const runs = { numRuns: 200, seed };

/** Each element put through by the mean and variance of the elements that share its key, scaled and shifted by channel. */
function plainNorm(
  x: Plain,
  key: (index: readonly number[]) => string,
  channel: (index: readonly number[]) => number,
  { epsilon, centered = true, gamma, beta }: { epsilon: number; centered?: boolean; gamma?: number[]; beta?: number[] },
): Plain {
  const groups = new Map<string, number[]>();
  for (const index of indices(x.shape)) {
    const list = groups.get(key(index)) ?? [];
    list.push(at(x, index));
    groups.set(key(index), list);
  }
  const moments = new Map(
    [...groups].map(([name, list]) => {
      const mean = centered ? list.reduce((a, b) => a + b, 0) / list.length : 0;
      return [name, [mean, list.reduce((sum, v) => sum + (v - mean) ** 2, 0) / list.length] as const];
    }),
  );
  return build(x.shape, 'float64', index => {
    const [mean, variance] = moments.get(key(index))!;
    const c = channel(index);
    return ((at(x, index) - mean) / Math.sqrt(variance + epsilon)) * (gamma?.[c] ?? 1) + (beta?.[c] ?? 0);
  });
}

/** A layer with gamma and beta of its own, and what they are. */
function filled<L extends nn.NormLayer>(
  layer: L,
  size: number,
  salt: number,
): readonly [L, number[] | undefined, number[] | undefined] {
  layer.initialize();
  const set = (p: nn.Parameter | null, from: number) => {
    if (p === null || size === 0) return undefined;
    const numbers = values(size, from);
    p.setData(tensor(numbers).cast(p.dtype) as Tensor);
    return [...p.data().toTypedArray()].map(Number);
  };
  return [layer, set(layer.gamma, salt + 1), set(layer.beta, salt + 2)];
}

const forms = fc.record({
  shape: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 2, maxLength: 4 }),
  layout: fc.constantFrom(...layouts),
  dtype: fc.constantFrom('float32' as const, 'float64' as const),
  scale: fc.boolean(),
  center: fc.boolean(),
  epsilon: fc.constantFrom(1e-5, 0.1),
  salt: fc.nat(1e6),
  pick: fc.nat(),
});
/** What is normalized is of size 1: an error is held to that, for a variance near 0 has lost its digits. */
function expectNear(got: Tensor, want: readonly number[]): void {
  const allowed = got.dtype === 'float32' ? 2e-5 : 1e-11;
  expect(got.size).toBe(want.length);
  const values = got.toTypedArray();
  const worst = want.reduce((far, v, i) => Math.max(far, Math.abs(Number(values[i]) - v) / (1 + Math.abs(v))), 0);
  expect(worst).toBeLessThan(allowed);
}

test('LayerNorm and RMSNorm over any axis', () => {
  fc.assert(
    fc.property(forms, ({ shape, layout, dtype, scale, center, salt, pick }) => {
      const epsilon = 0.1;
      const axis = pick % shape.length;
      const [x, plain] = lay(randomPlain(makeRandom(salt), shape, dtype, -3, 5), layout);
      const others = (index: readonly number[]) => index.filter((_, d) => d !== axis).join();
      const options = { axis: axis - (pick % 2) * shape.length, epsilon, scale, dtype };
      const [layer, gamma, beta] = filled(new nn.LayerNorm({ ...options, center }), shape[axis]!, salt);
      const want = plainNorm(plain, others, index => index[axis]!, { epsilon, gamma, beta } as never);
      expectNear(layer(x) as Tensor, want.data);
      const [rms, factors] = filled(new nn.RMSNorm(options), shape[axis]!, salt);
      const alone = plainNorm(plain, others, index => index[axis]!, {
        epsilon,
        centered: false,
        gamma: factors,
      } as never);
      expectNear(rms(x) as Tensor, alone.data);
    }),
    runs,
  );
});

test('GroupNorm and InstanceNorm', () => {
  fc.assert(
    fc.property(forms, ({ shape: sizes, layout, dtype, scale, center, epsilon: _, salt, pick }) => {
      const epsilon = 0.1;
      const groups = 1 + (pick % 3);
      const shape = sizes.with(1, sizes[1]! * groups);
      const channels = shape[1]!;
      const [x, plain] = lay(randomPlain(makeRandom(salt), shape, dtype, -3, 5), layout);
      const options = { epsilon, scale, center, dtype };
      const [layer, gamma, beta] = filled(new nn.GroupNorm({ ...options, numGroups: groups }), channels, salt);
      const group = (index: readonly number[]) => `${index[0]}/${Math.floor(index[1]! / (channels / groups))}`;
      const want = plainNorm(plain, group, index => index[1]!, { epsilon, gamma, beta } as never);
      expectNear(layer(x) as Tensor, want.data);
      const [instance, gamma2, beta2] = filled(new nn.InstanceNorm(options), channels, salt);
      const alone = plainNorm(
        plain,
        index => `${index[0]}/${index[1]}`,
        index => index[1]!,
        { epsilon, gamma: gamma2, beta: beta2 } as never,
      );
      expectNear(instance(x) as Tensor, alone.data);
    }),
    runs,
  );
});

test('BatchNorm over any axis, in training and after it', () => {
  fc.assert(
    fc.property(
      forms,
      fc.constantFrom(0, 0.3, 0.9, 1),
      ({ shape, layout, dtype, scale, center, salt, pick }, momentum) => {
        const epsilon = 0.1;
        const axis = pick % shape.length;
        const channels = shape[axis]!;
        const [x, plain] = lay(randomPlain(makeRandom(salt), shape, dtype, -3, 5), layout);
        const [layer, gamma, beta] = filled(
          new nn.BatchNorm({ axis, epsilon, momentum, scale, center, dtype }),
          channels,
          salt,
        );
        const begin = [values(channels, salt + 3), values(channels, salt + 4).map(Math.abs)];
        layer.initialize();
        layer.runningMean.setData(tensor(begin[0]!).cast(dtype) as Tensor);
        layer.runningVar.setData(tensor(begin[1]!).cast(dtype) as Tensor);
        const want = plainNorm(
          plain,
          index => String(index[axis]),
          index => index[axis]!,
          { epsilon, gamma, beta } as never,
        );
        const y = autograd.trainMode(() => layer(x) as Tensor);
        expectNear(y, want.data);
        const lists = Array.from({ length: channels }, (_, c) =>
          indices(shape)
            .filter(index => index[axis] === c)
            .map(index => at(plain, index)),
        );
        const means = lists.map(list => list.reduce((a, b) => a + b, 0) / list.length);
        const variances = lists.map(
          (list, c) => list.reduce((sum, v) => sum + (v - means[c]!) ** 2, 0) / Math.max(1, list.length - 1),
        );
        const left = 1 - momentum;
        const mean = means.map((m, c) => momentum * begin[0]![c]! + left * m);
        const variance = variances.map((v, c) => momentum * begin[1]![c]! + left * v);
        expectNear(layer.runningMean.data(), mean);
        expectNear(layer.runningVar.data(), variance);
        const predicted = build(shape, 'float64', index => {
          const c = index[axis]!;
          return (
            ((at(plain, index) - mean[c]!) / Math.sqrt(variance[c]! + epsilon)) * (gamma?.[c] ?? 1) + (beta?.[c] ?? 0)
          );
        });
        expectNear(layer(x) as Tensor, predicted.data);
      },
    ),
    runs,
  );
});

describe('large and hard inputs', () => {
  test('a mean that is large beside the spread costs no more than its own rounding, and the variance nothing', () => {
    const data = values(3000).map(v => 1e4 + v);
    const spread = (list: number[]) => {
      const mean = list.reduce((a, b) => a + b, 0) / list.length;
      const variance = list.reduce((s, v) => s + (v - mean) ** 2, 0) / list.length;
      return list.map(v => (v - mean) / Math.sqrt(variance + 1e-5));
    };
    const rows = tensor(data, { shape: [2, 1500] });
    const list = [...rows.toTypedArray()].map(Number);
    const want = [...spread(list.slice(0, 1500)), ...spread(list.slice(1500))];
    for (const [layer, x] of [
      [new nn.LayerNorm(), rows],
      [new nn.InstanceNorm(), rows.reshape([1, 2, 1500])],
      [new nn.BatchNorm(), rows.reshape([1, 2, 1500])],
      [new nn.BatchNorm({ axis: 0 }), rows],
    ] as const) {
      layer.initialize();
      const y = autograd.trainMode(() => (layer as nn.Block)(x as Tensor) as Tensor).toTypedArray();
      want.forEach((v, i) => {
        expect(Math.abs(Number(y[i]) - v)).toBeLessThan(4e-3);
      });
    }
  });

  test('the same on any number of threads, forwards and backwards', () => {
    const x = tensor(values(64 * 48 * 50), { shape: [64, 48, 50] });
    const flat = x.reshape([64 * 50, 48]);
    const run = (threads: number) => {
      setNumThreads(threads);
      return [
        [new nn.LayerNorm(), x],
        [new nn.RMSNorm(), x],
        [new nn.GroupNorm({ numGroups: 4 }), x],
        [new nn.InstanceNorm(), x],
        [new nn.BatchNorm(), x],
        [new nn.BatchNorm(), flat],
      ].flatMap(([layer, input]) => {
        const block = layer as nn.Block;
        block.initialize();
        const v = (input as Tensor).clone().attachGrad() as Tensor;
        const [y, squares] = autograd.record(() => {
          const y = block(v) as Tensor;
          return [y, y.square()] as const;
        });
        squares.backward();
        return [
          bits(y),
          bits(v.grad!),
          ...[...block.collectParams().values()].map(p => bits(p.gradReq === 'null' ? p.data() : p.grad())),
        ];
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

describe('BatchNorm', () => {
  const x = tensor(values(24), { shape: [4, 3, 2] });

  test('leaves its running statistics alone in prediction, in shape passes, and with useGlobalStats', () => {
    const layer = new nn.BatchNorm();
    layer.initialize();
    layer(x);
    layer.outputShape([4, 3, 2]);
    expect(layer.runningMean.data().toArray()).toEqual([0, 0, 0]);
    expect(layer.runningVar.data().toArray()).toEqual([1, 1, 1]);
    const fixed = new nn.BatchNorm({ useGlobalStats: true });
    fixed.initialize();
    const y = autograd.trainMode(() => fixed(x) as Tensor);
    expect(fixed.runningMean.data().toArray()).toEqual([0, 0, 0]);
    expectClose(
      y,
      [...x.toTypedArray()].map(v => Number(v) / Math.sqrt(1 + 1e-5)),
    );
    expect(String(fixed)).toContain('useGlobalStats = true');
  });

  test('counts its first batch once, though its forward runs twice', () => {
    const [deferred, known] = [new nn.BatchNorm(), new nn.BatchNorm({ inChannels: 3 })];
    for (const layer of [deferred, known]) {
      layer.initialize();
      autograd.record(() => layer(x));
    }
    expect(bits(deferred.runningMean.data())).toBe(bits(known.runningMean.data()));
    expect(bits(deferred.runningVar.data())).toBe(bits(known.runningVar.data()));
    expect(deferred.runningMean.data().toArray()).not.toEqual([0, 0, 0]);
  });

  test('a first forward that fails takes its statistics back', () => {
    const known = new nn.BatchNorm({ inChannels: 3 });
    const net = new nn.Sequential(
      known,
      new nn.Dense(2),
      new nn.Lambda(() => {
        if (!nn.isShapePass()) throw new Error('on purpose');
        return zeros([1]) as Tensor;
      }),
    );
    net.initialize();
    expect(thrown(() => autograd.record(() => (net as unknown as nn.Block)(x))).message).toBe('on purpose');
    expect(known.runningMean.data().toArray()).toEqual([0, 0, 0]);
    expect(known.runningVar.data().toArray()).toEqual([1, 1, 1]);
  });

  test('its statistics are saved and loaded, and no optimizer touches them', () => {
    random.seed(1);
    const net = new nn.Sequential(new nn.BatchNorm(), new nn.Dense(2));
    net.initialize();
    const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1, weightDecay: 0.1 });
    autograd.record(() => (net as unknown as nn.Block)(x.flatten(1)) as Tensor).backward();
    const norm = net[0] as nn.BatchNorm;
    const before = bits(norm.runningMean.data());
    trainer.step(4);
    expect(bits(norm.runningMean.data())).toBe(before);
    const other = new nn.Sequential(new nn.BatchNorm(), new nn.Dense(2));
    other.fromBytes(net.toBytes());
    expect(bits((other[0] as nn.BatchNorm).runningMean.data())).toBe(before);
  });

  test('one element for each channel, and none', () => {
    const layer = new nn.BatchNorm();
    layer.initialize();
    const one = autograd.trainMode(() => layer(tensor([[3, -2]])) as Tensor);
    expect(one.toArray()).toEqual([[0, 0]]);
    expect(layer.runningVar.data().toArray()).toEqual([Math.fround(0.9), Math.fround(0.9)]);
    const statistics = bits(layer.runningMean.data());
    const none = autograd.trainMode(() => layer(zeros([0, 2]) as Tensor) as Tensor);
    expect(none.shape).toEqual([0, 2]);
    expect(bits(layer.runningMean.data())).toBe(statistics);
  });
});

test('a parameter that has got its data tells the others their size', () => {
  for (const make of [
    () => new nn.BatchNorm(),
    () => new nn.LayerNorm({ axis: 1 }),
    () => new nn.GroupNorm({ numGroups: 1 }),
  ]) {
    for (const name of ['gamma', 'beta'] as const) {
      const layer = make();
      layer[name]!.setData(tensor([2, 3]));
      layer.initialize();
      expect(layer.inChannels).toBe(2);
      expect(thrown(() => layer(zeros([4, 3, 2])))).toBeInstanceOf(ShapeError);
      expect(layer(zeros([4, 2, 3])).shape).toEqual([4, 2, 3]);
      expect([...layer.collectParams().values()].map(p => p.state)).toEqual(
        [...layer.collectParams().values()].map(() => 'ready'),
      );
    }
  }
  const torn = new nn.BatchNorm();
  torn.gamma!.setData(tensor([1, 1]));
  torn.beta!.setData(tensor([1, 1, 1]));
  torn.initialize();
  expect(thrown(() => torn(zeros([4, 2]))).message).toBe(
    `BatchNorm (beta, ${torn.beta!.name}) takes 3 channels along axis 1, but its input has shape [4, 2]`,
  );
});

test('misuse', () => {
  const ready = <L extends nn.BlockBase>(layer: L): L => {
    layer.initialize();
    return layer;
  };
  const three = zeros([2, 3, 4]) as Tensor;
  const cases: readonly [() => unknown, new (...args: never[]) => Error, string][] = [
    [
      () => ready(new nn.LayerNorm({ axis: 3 }))(three),
      ShapeError,
      'LayerNorm takes an input of 4 or more dimensions, but its input has shape [2, 3, 4]',
    ],
    [
      () => ready(new nn.BatchNorm())(zeros([3]) as Tensor),
      ShapeError,
      'BatchNorm takes an input of 2 or more dimensions',
    ],
    [
      () => ready(new nn.LayerNorm())(zeros([]) as Tensor),
      ShapeError,
      'LayerNorm takes an input of 1 or more dimensions',
    ],
    [
      () => ready(new nn.GroupNorm({ numGroups: 2 }))(three),
      ShapeError,
      'that fall into 2 equal groups, but its input has shape [2, 3, 4]',
    ],
    [
      () => ready(new nn.LayerNorm({ inChannels: 5 }))(three),
      ShapeError,
      'takes 5 channels along axis 2, but its input has shape [2, 3, 4]',
    ],
    [
      () => ready(new nn.InstanceNorm({ inChannels: 5, scale: false, center: false }))(three),
      ShapeError,
      'InstanceNorm takes 5 channels along axis 1',
    ],
    [() => ready(new nn.LayerNorm())(zeros([2, 0]) as Tensor), ShapeError, 'takes at least 1 channel'],
    [
      () => ready(new nn.LayerNorm())(three.cast('float64') as Tensor),
      DTypeError,
      "is float32, but its input is float64; cast('float32') the input",
    ],
    [() => ready(new nn.BatchNorm())(three.cast('int32') as Tensor), DTypeError, 'but its input is int32'],
    [
      () => new nn.GroupNorm({ numGroups: 2, inChannels: 3 }),
      ArgumentError,
      '3 channels do not fall into 2 equal groups',
    ],
    [() => new nn.BatchNorm({ eps: 1 } as never), ArgumentError, "did you mean 'epsilon'?"],
    [() => new nn.BatchNorm({ momentum: 2 }), ArgumentError, 'BatchNorm: momentum takes a number from 0 to 1'],
    [() => new nn.RMSNorm({ center: true } as never), ArgumentError, "RMSNorm has no option 'center'"],
    [() => new nn.LayerNorm({ epsilon: -1 }), ArgumentError, 'LayerNorm: epsilon'],
  ];
  for (const [body, type, text] of cases) {
    const error = thrown(body);
    expect([error.constructor, error.message]).toEqual([type, expect.stringContaining(text)]);
  }
});
