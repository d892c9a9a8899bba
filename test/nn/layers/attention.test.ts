import fc from 'fast-check';
import {
  ArgumentError,
  autograd,
  DTypeError,
  nn,
  random,
  ShapeError,
  setNumThreads,
  swapAxes,
  type Tensor,
  tensor,
  where,
  zeros,
} from '../../../lib/index.js';
import { gradientOf } from '../../support/gradient-of.js';
import { bits, thrown, values } from '../../support/nn-helpers.js';
import { at, build, type Plain, randomPlain } from '../../support/plain.js';
import { makeRandom, seed } from '../../support/random.js';

const runs = { numRuns: 200, seed };
const of = (x: Plain): Tensor => tensor([...x.data], { shape: [...x.shape], dtype: x.dtype });

/** softmax(q·kᵀ·scale)·v of [batch, n, depth], [batch, m, depth], [batch, m, size]; a query without a key gives zeros. */
function plainAttention(
  q: Plain,
  k: Plain,
  v: Plain,
  scale: number,
  sees: (index: readonly [number, number, number]) => boolean,
): Plain {
  const [batch, queries, depth] = q.shape as [number, number, number];
  const keys = k.shape[1]!;
  const weights = new Map<string, number[]>();
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < queries; i++) {
      const powers = Array.from({ length: keys }, (_, j) => {
        if (!sees([b, i, j])) return 0;
        let score = 0;
        for (let d = 0; d < depth; d++) score += at(q, [b, i, d]) * at(k, [b, j, d]);
        return Math.exp(score * scale);
      });
      const sum = powers.reduce((a, p) => a + p, 0);
      weights.set(
        `${b},${i}`,
        powers.map(p => (sum === 0 ? 0 : p / sum)),
      );
    }
  }
  return build([batch, queries, v.shape[2]!], 'float64', ([b, i, c]) =>
    weights.get(`${b},${i}`)!.reduce((sum, w, j) => sum + w * at(v, [b!, j, c!]), 0),
  );
}

function expectNear(got: Tensor, want: Plain, allowed: number): void {
  expect(got.shape).toEqual([...want.shape]);
  const data = got.toTypedArray();
  want.data.forEach((v, i) => {
    expect(Math.abs(Number(data[i]) - v)).toBeLessThan(allowed * (1 + Math.abs(v)));
  });
}

const forms = fc.record({
  batch: fc.integer({ min: 1, max: 3 }),
  queries: fc.integer({ min: 1, max: 6 }),
  more: fc.integer({ min: 0, max: 4 }),
  depth: fc.integer({ min: 1, max: 9 }),
  size: fc.integer({ min: 1, max: 9 }),
  causal: fc.boolean(),
  masked: fc.constantFrom('none', 'shared', 'own'),
  dtype: fc.constantFrom('float32' as const, 'float64' as const),
  salt: fc.nat(1e6),
});

test('blocks of queries that are uneven: a long sequence, whose scores leave every second cache', () => {
  const draw = makeRandom(seed);
  const [q, k, v] = [
    randomPlain(draw, [1, 301, 8], 'float32', -2, 2),
    randomPlain(draw, [1, 3000, 8], 'float32', -2, 2),
    randomPlain(draw, [1, 3000, 4], 'float32', -2, 2),
  ];
  const got = nn.scaledDotProductAttention(of(q), of(k), of(v));
  expectNear(
    got,
    plainAttention(q, k, v, 1 / Math.sqrt(8), () => true),
    1e-5,
  );
});

test('scaledDotProductAttention against plain sums, with masks, causal or not', () => {
  fc.assert(
    fc.property(forms, ({ batch, queries, more, depth, size, causal, masked, dtype, salt }) => {
      const draw = makeRandom(salt);
      const keys = queries + more;
      const [q, k, v] = [
        randomPlain(draw, [batch, queries, depth], dtype, -2, 2),
        randomPlain(draw, [batch, keys, depth], dtype, -2, 2),
        randomPlain(draw, [batch, keys, size], dtype, -2, 2),
      ];
      const mask = build([masked === 'own' ? batch : 1, queries, keys], 'bool', () => Number(draw.next() < 0.6));
      const scale = salt % 2 === 0 ? undefined : 0.3;
      const got = nn.scaledDotProductAttention(of(q), of(k), of(v), {
        causal,
        scale,
        mask: masked === 'none' ? undefined : of(mask),
      });
      const want = plainAttention(q, k, v, scale ?? 1 / Math.sqrt(depth), ([b, i, j]) => {
        const hidden = causal && j > i + more;
        return !hidden && (masked === 'none' || at(mask, [b, i, j]) !== 0);
      });
      expectNear(got, want, dtype === 'float32' ? 2e-5 : 1e-11);
    }),
    runs,
  );
});

describe('without a record, where it is one operation, it gives what it gives in one, to the last bit', () => {
  const both = (q: Tensor, k: Tensor, v: Tensor, options: nn.AttentionOptions) => {
    const parts = autograd.record(() => nn.scaledDotProductAttention(q, k, v, options));
    const whole = nn.scaledDotProductAttention(q, k, v, options);
    expect(whole.shape).toEqual(parts.shape);
    expect(bits(whole)).toBe(bits(parts));
  };
  const normal = (shape: number[], dtype: 'float32' | 'float64' = 'float32') =>
    random.normal(shape, { dtype }) as unknown as Tensor;

  test.each([
    // Scores beyond the caches: the queries are cut into blocks.
    [[2, 3, 300, 20], [2, 3, 700, 20], 33, 'float32'],
    [[1, 150, 8], [1, 2000, 8], 5, 'float64'],
    [[2, 33, 16], [2, 33, 16], 16, 'float32'],
    [[5, 1, 4], [5, 40, 4], 7, 'float32'],
    [[73, 64], [73, 64], 64, 'float32'],
  ] as const)('%j %j %i %s', (queries, keys, size, dtype) => {
    for (const threads of [1, 2]) {
      setNumThreads(threads);
      const [q, k] = [normal([...queries], dtype), normal([...keys], dtype)];
      const v = normal([...keys.slice(0, -1), size], dtype);
      const mask = random.uniform([queries.at(-2) as number, keys.at(-2) as number]).less(0.3) as Tensor;
      for (const causal of [false, true]) {
        both(q, k, v, { causal });
        both(q, k, v, { causal, mask });
        both(q, k, v, { causal, mask: mask.slice([0, 1]) as Tensor, scale: -2 });
      }
    }
  });

  test('of windows, repeated batches and numbers that are none', () => {
    const q = swapAxes(normal([2, 5, 3, 8]), 1, 2);
    const k = swapAxes(normal([1, 6, 3, 8]), 1, 2).slice(null, null, [null, null, -1]) as Tensor;
    const v = normal([3, 12, 4]).slice(null, [null, null, 2]) as Tensor;
    both(q, k, v, {});
    both(q, k, v, { causal: true, mask: tensor([true, false, true, true, false, true]) as Tensor });
    for (const odd of [Number.NaN, Infinity, -Infinity]) {
      const strange = where(tensor([false, true, false, false]) as Tensor, odd, normal([2, 4, 4]));
      both(strange, normal([2, 4, 4]), normal([2, 4, 4]), { causal: true });
      both(normal([2, 4, 4]), normal([2, 4, 4]), strange, {});
    }
  });

  test('of mixed types, which are products and a softmax as ever', () => {
    const [q, k, v] = [normal([2, 4, 8]), normal([2, 5, 8], 'float64'), normal([2, 5, 3])];
    both(q, k, v, {});
    both(k, q, q, {});
    both(q, q, k.slice(null, [0, 4]) as Tensor, {});
    expect(nn.scaledDotProductAttention(q, k, v).dtype).toBe('float64');
  });

  test('of nothing', () => {
    for (const [queries, keys, depth, size] of [
      [0, 3, 2, 2],
      [3, 0, 2, 2],
      [3, 4, 0, 2],
      [3, 4, 2, 0],
    ] as const)
      both(normal([2, queries, depth]), normal([2, keys, depth]), normal([2, keys, size]), { scale: 0.5 });
  });
});

test('a query that sees no key gets zeros, and its gradients are zero, not NaN', () => {
  const [q, k, v] = [
    [1, 2, 3],
    [1, 4, 3],
    [1, 4, 2],
  ].map(shape => tensor(values(shape.reduce((a, b) => a * b)), { shape }).attachGrad()) as [Tensor, Tensor, Tensor];
  const mask = tensor([false, true]).reshape([2, 1]) as Tensor;
  const y = autograd.record(() => nn.scaledDotProductAttention(q, k, v, { mask }).mul(2) as Tensor);
  y.backward();
  expect((y.toArray() as number[][][])[0]![0]).toEqual([0, 0]);
  expect((q.grad!.toArray() as number[][][])[0]![0]).toEqual([0, 0, 0]);
  for (const t of [q, k, v]) expect([...t.grad!.toTypedArray()].map(Number).every(Number.isFinite)).toBe(true);
  const whole = nn.scaledDotProductAttention(q, k, v, { mask: tensor(false) as Tensor });
  expect([...whole.toTypedArray()]).toEqual([0, 0, 0, 0]);
});

test('large scores saturate to one key', () => {
  const q = tensor([[[1e4, 0]]]) as Tensor;
  const k = tensor([
    [
      [1e4, 0],
      [-1e4, 0],
    ],
  ]) as Tensor;
  const v = tensor([[[3], [5]]]) as Tensor;
  expect(nn.scaledDotProductAttention(q, k, v).toArray()).toEqual([[[3]]]);
});

test('gradients to first and second order', () => {
  const [q, k, v] = [
    [2, 3, 4],
    [2, 5, 4],
    [2, 5, 2],
  ].map((shape, i) =>
    tensor(
      values(
        shape.reduce((a, b) => a * b),
        i + 1,
      ),
      { shape, dtype: 'float64' },
    ),
  ) as [Tensor, Tensor, Tensor];
  const mask = tensor([true, false, true, true, true]) as Tensor;
  for (const causal of [false, true]) {
    const f = (a: Tensor, b: Tensor, c: Tensor) => nn.scaledDotProductAttention(a, b, c, { causal, mask });
    autograd.gradCheck(f, [q, k, v]);
    autograd.gradCheck(gradientOf(f as never), [
      q,
      k,
      v,
      tensor(values(12, 9), { shape: [2, 3, 2], dtype: 'float64' }),
    ]);
  }
});

function made(layer: nn.MultiHeadAttention, salt = 0): nn.MultiHeadAttention {
  random.seed(5 + salt);
  layer.initialize({ init: 'uniform' });
  return layer;
}

/** The heads one by one, from the layer's own parameters, in float64. */
function plainHeads(
  layer: nn.MultiHeadAttention,
  inputs: readonly Plain[],
  sees: (b: number, h: number, i: number, j: number) => boolean,
): Plain {
  const get = (path: string): Plain | undefined => {
    if (!layer.collectParams().has(path)) return undefined;
    const p = layer.collectParams().get(path).data();
    return { shape: p.shape, dtype: 'float64', data: [...p.toTypedArray()].map(Number) };
  };
  const project = (x: Plain, name: string): Plain => {
    const [w, b] = [get(`${name}.weight`)!, get(`${name}.bias`)];
    return build([...x.shape.slice(0, -1), w.shape[0]!], 'float64', index => {
      let sum = b === undefined ? 0 : b.data[index.at(-1)!]!;
      for (let i = 0; i < w.shape[1]!; i++) sum += at(x, index.with(-1, i)) * at(w, [index.at(-1)!, i]);
      return sum;
    });
  };
  const [q, k, v] = ['query', 'key', 'value'].map((name, i) => project(inputs[i]!, name)) as [Plain, Plain, Plain];
  const units = q.shape[2]!;
  const depth = units / layer.numHeads;
  const heads = Array.from({ length: layer.numHeads }, (_, h) => {
    const cut = (x: Plain): Plain =>
      build(x.shape.with(2, depth), 'float64', ([b, i, d]) => at(x, [b!, i!, h * depth + d!]));
    return plainAttention(cut(q), cut(k), cut(v), 1 / Math.sqrt(depth), ([b, i, j]) => sees(b, h, i, j));
  });
  const joined = build(q.shape, 'float64', ([b, i, c]) => at(heads[Math.floor(c! / depth)]!, [b!, i!, c! % depth]));
  return project(joined, 'out');
}

test('MultiHeadAttention is its heads side by side, with keys and values of other sizes and masks of both ranks', () => {
  for (const dtype of ['float32', 'float64'] as const) {
    for (const useBias of [true, false]) {
      const draw = makeRandom(31);
      const inputs = [
        randomPlain(draw, [2, 3, 5], dtype, -1, 1),
        randomPlain(draw, [2, 4, 7], dtype, -1, 1),
        randomPlain(draw, [2, 4, 3], dtype, -1, 1),
      ];
      const [q, k, v] = inputs.map(of) as [Tensor, Tensor, Tensor];
      const layer = made(new nn.MultiHeadAttention(3, { units: 6, useBias, dtype }));
      const allowed = dtype === 'float32' ? 2e-6 : 1e-13;
      expectNear(
        layer(q, k, v),
        plainHeads(layer, inputs, () => true),
        allowed,
      );
      const three = build([2, 3, 4], 'bool', () => Number(draw.next() < 0.7));
      expectNear(
        layer(q, k, v, of(three)),
        plainHeads(layer, inputs, (b, _, i, j) => at(three, [b, i, j]) !== 0),
        allowed,
      );
      const four = build([2, 3, 1, 4], 'bool', () => Number(draw.next() < 0.7));
      expectNear(
        layer(q, k, v, of(four)),
        plainHeads(layer, inputs, (b, h, _, j) => at(four, [b, h, 0, j]) !== 0),
        allowed,
      );
      const self = made(new nn.MultiHeadAttention(5, { causal: true, dtype, useBias }));
      expectNear(
        self(q),
        plainHeads(self, [inputs[0]!, inputs[0]!, inputs[0]!], (_b, _h, i, j) => j <= i),
        allowed,
      );
    }
  }
});

test('weights are dropped in training alone', () => {
  const layer = made(new nn.MultiHeadAttention(1, { dropout: 0.5 }));
  const sure = made(new nn.MultiHeadAttention(1));
  const x = random.normal([4, 6, 3]);
  expect(bits(layer(x))).toBe(bits(sure(x)));
  const first = autograd.trainMode(() => layer(x));
  expect(bits(first)).not.toBe(bits(layer(x)));
  expect(bits(autograd.trainMode(() => layer(x)))).not.toBe(bits(first));
});

test('TransformerEncoderLayer is its parts in order, normalized before or after', () => {
  const x = random.normal([2, 4, 6]);
  for (const preNorm of [false, true]) {
    const layer = new nn.TransformerEncoderLayer(3, { hiddenUnits: 7, activation: 'gelu', preNorm, causal: true });
    layer.initialize({ init: 'uniform' });
    const y = layer(x);
    const get = (path: string): Tensor => layer.collectParams().get(path)!.data() as Tensor;
    const linear = (t: Tensor, name: string): Tensor =>
      t.matmul(get(`${name}.weight`).transpose()).add(get(`${name}.bias`)) as Tensor;
    const norm = (t: Tensor): Tensor => {
      const mean = t.mean({ axis: -1, keepdims: true }) as Tensor;
      const off = t.sub(mean) as Tensor;
      return off.div(off.square().mean({ axis: -1, keepdims: true }).add(1e-5).sqrt()) as Tensor;
    };
    const feed = (t: Tensor): Tensor => linear(linear(t, 'hidden').gelu() as Tensor, 'out');
    const attend = (t: Tensor): Tensor => layer.attention(t);
    const first = preNorm ? (x.add(attend(norm(x))) as Tensor) : norm(x.add(attend(x)) as Tensor);
    const want = preNorm ? (first.add(feed(norm(first))) as Tensor) : norm(first.add(feed(first)) as Tensor);
    expectNear(y, { shape: want.shape, dtype: 'float64', data: [...want.toTypedArray()].map(Number) }, 5e-5);
    const trained = autograd.trainMode(() => layer(x));
    expect(bits(trained)).not.toBe(bits(y));
  }
});

test('a causal layer does not look ahead', () => {
  const layer = new nn.TransformerEncoderLayer(2, { hiddenUnits: 8, causal: true });
  layer.initialize();
  const x = random.normal([1, 5, 4]);
  const changed = x.clone();
  changed.set([0, 4], tensor([9, 9, 9, 9]));
  const [a, b] = [layer(x), layer(changed)].map(y => (y.toArray() as number[][][])[0]!);
  expect(a!.slice(0, 4)).toEqual(b!.slice(0, 4));
  expect(a![4]).not.toEqual(b![4]);
});

test('empty batches, and no places at all', () => {
  const layer = made(new nn.MultiHeadAttention(2));
  layer(zeros([2, 3, 4]));
  expect(layer(zeros([0, 3, 4])).shape).toEqual([0, 3, 4]);
  expect(layer(zeros([2, 0, 4])).shape).toEqual([2, 0, 4]);
  expect([...layer(zeros([1, 2, 4]), zeros([1, 0, 4])).toTypedArray()]).toEqual(new Array(8).fill(0));
});

test('misuse', () => {
  const x = zeros([2, 3, 4]) as Tensor;
  const layer = made(new nn.MultiHeadAttention(2));
  const saysOf = (kind: new (...a: never[]) => Error, f: () => unknown): string => {
    const error = thrown(f);
    expect(error).toBeInstanceOf(kind);
    return error.message;
  };
  expect(saysOf(ArgumentError, () => new nn.MultiHeadAttention(0))).toMatch(/numHeads/);
  expect(saysOf(ArgumentError, () => new nn.MultiHeadAttention(3, { units: 4 }))).toMatch(/4 units .* 3 equal heads/);
  expect(saysOf(ArgumentError, () => new nn.MultiHeadAttention(3, { dropout: 2 }))).toMatch(/dropout/);
  expect(saysOf(ArgumentError, () => new nn.MultiHeadAttention(3, { heads: 2 } as never))).toMatch(/heads/);
  expect(saysOf(ShapeError, () => made(new nn.MultiHeadAttention(3))(x))).toMatch(/3 heads, which the 4 units/);
  expect(saysOf(ShapeError, () => layer(zeros([3, 4]) as Tensor))).toMatch(/3 dimensions.*\[3, 4\]/);
  expect(saysOf(ShapeError, () => layer(x, zeros([1, 3, 4]) as Tensor))).toMatch(/one batch.*\[1, 3, 4\]/);
  expect(saysOf(ShapeError, () => layer(x, x, zeros([2, 5, 4]) as Tensor))).toMatch(/a value for each key/);
  expect(saysOf(ShapeError, () => layer(x, x, x, tensor([true, false])))).toMatch(
    /mask of shape \[2, 3, 3\], or \[2, 2, 3, 3\].*but got shape \[2\]/,
  );
  expect(saysOf(DTypeError, () => layer(x, x, x, zeros([3, 3]) as Tensor))).toMatch(/bool/);
  expect(saysOf(DTypeError, () => layer(zeros([2, 3, 4], { dtype: 'float64' })))).toMatch(/float64/);
  const { scaledDotProductAttention: attend } = nn;
  expect(saysOf(ShapeError, () => attend(x, zeros([2, 3, 5]) as Tensor, x))).toMatch(/queries, depth/);
  expect(saysOf(ShapeError, () => attend(zeros([4]) as Tensor, x, x))).toMatch(/two dimensions/);
  expect(
    saysOf(ArgumentError, () => attend(x, zeros([2, 2, 4]) as Tensor, zeros([2, 2, 4]) as Tensor, { causal: true })),
  ).toMatch(/no more queries than keys/);
  expect(saysOf(ShapeError, () => attend(x, zeros([5, 3, 4]) as Tensor, x))).toMatch(
    /scaledDotProductAttention: the batch sizes of q \[2, 3, 4\], k \[5, 3, 4\] and v \[2, 3, 4\] do not broadcast/,
  );
  expect(saysOf(ShapeError, () => attend(x, x, zeros([5, 3, 4]) as Tensor))).toMatch(/do not broadcast/);
  expect(saysOf(ShapeError, () => autograd.record(() => attend(x, zeros([5, 3, 4]) as Tensor, x)))).toMatch(
    /scaledDotProductAttention: the batch sizes .* do not broadcast/,
  );
  expect(saysOf(ShapeError, () => attend(x, x, x, { mask: tensor([true, false]) as Tensor }))).toMatch(
    /a mask of shape \[2\] does not broadcast to scores of shape \[2, 3, 3\]/,
  );
  expect(saysOf(ArgumentError, () => attend(x, x, x, { scale: Number.NaN }))).toMatch(/scale/);
  expect(saysOf(ShapeError, () => new nn.TransformerEncoderLayer(2)(zeros([3, 4]) as Tensor))).toMatch(/3 dimensions/);
});

test('copies take masks as well', () => {
  const x = random.normal([2, 3, 4]) as Tensor;
  const mask = tensor([true, false, true]) as Tensor;
  const attention = new nn.MultiHeadAttention(2);
  const layer = new nn.TransformerEncoderLayer(2, { hiddenUnits: 8 });
  for (const one of [attention, layer]) one.initialize();
  const seen = { attention: attention(x, x, x, mask), layer: layer(x, mask) };
  expect(bits(attention.clone()(x, x, x, mask))).toBe(bits(seen.attention));
  expect(bits(layer.clone()(x, mask))).toBe(bits(seen.layer));
  expect(bits(seen.attention)).not.toBe(bits(attention(x)));
});
