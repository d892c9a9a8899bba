import {
  ArgumentError,
  type DType,
  DTypeError,
  getNumThreads,
  random,
  ShapeError,
  setNumThreads,
  type Tensor,
  tensor,
  ValueError,
  zeros,
} from '../../lib/index.js';
import { session } from '../../lib/native/register.js';
import { generators } from '../../lib/random/generator.js';
import { expectError } from '../support/errors.js';
import { makeRandom } from '../support/random.js';

const { Generator } = random;
const call = random as unknown as Record<string, (...args: unknown[]) => Tensor>;
const values = (t: Tensor) => Array.from(t.toTypedArray() as ArrayLike<number>);
const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);

/** Mean, variance, skewness and kurtosis over what they are of a normal distribution (0 and 3). */
function moments(list: readonly number[]) {
  const n = list.length;
  const mean = sum(list) / n;
  const central = (k: number) => sum(list.map(x => (x - mean) ** k)) / n;
  const variance = central(2);
  return { mean, variance, skewness: central(3) / variance ** 1.5, kurtosis: central(4) / variance ** 2 };
}

/** Pearson's statistic of counts that should be equal, in standard deviations from its mean. */
function unevenness(counts: readonly number[]): number {
  const expected = sum(counts) / counts.length;
  const statistic = sum(counts.map(count => (count - expected) ** 2 / expected));
  const freedom = counts.length - 1;
  return (statistic - freedom) / Math.sqrt(2 * freedom);
}

const N = 1 << 17;
const far = 6;
beforeEach(() => random.seed(makeRandom(81).int(0, 2 ** 31)));

describe('uniform', () => {
  test.each(['float32', 'float64'] as const)('fills [low, high) evenly in %s', dtype => {
    const list = values(random.uniform([N], { low: -1, high: 3, dtype }) as Tensor);
    const { mean, variance } = moments(list);
    expect(Math.abs(mean - 1)).toBeLessThan((far * Math.sqrt(16 / 12)) / Math.sqrt(N));
    expect(Math.abs(variance - 16 / 12)).toBeLessThan(0.03);
    const counts = new Array<number>(64).fill(0);
    for (const x of list) counts[Math.floor(((x + 1) / 4) * 64)]!++;
    expect(counts.length).toBe(64);
    expect(Math.abs(unevenness(counts))).toBeLessThan(far);
    expect(new Set(list).size).toBeGreaterThan(N * 0.98);
    // Neighbours know nothing of each other.
    const product = sum(list.slice(1).map((x, i) => (x - 1) * (list[i]! - 1))) / N / variance;
    expect(Math.abs(product)).toBeLessThan(far / Math.sqrt(N));
  });

  test('never draws high itself, where it would only be rounded to', () => {
    const narrow = random.uniform([N], { low: 1, high: 1 + 4 * 2 ** -23 });
    expect(new Set(values(narrow as Tensor))).toEqual(new Set([0, 1, 2, 3].map(k => 1 + k * 2 ** -23)));
    expect(
      random
        .uniform([64], { low: 1e8, high: 1e8 + 8 })
        .less(1e8 + 8)
        .cast('int32')
        .sum()
        .item(),
    ).toBe(64);
  });

  test('a range wider than a float is still within it', () => {
    for (const [dtype, most] of [
      ['float32', 3e38],
      ['float64', 1.5e308],
    ] as const) {
      const list = values(random.uniform([1000], { low: -most, high: most, dtype }) as Tensor);
      expect(list.every(Number.isFinite)).toBe(true);
      expect(list.filter(x => x < 0).length).toBeGreaterThan(300);
    }
  });

  test('defaults, dtype and shape', () => {
    const x = random.uniform([3, 50]);
    expect([x.shape, x.dtype]).toEqual([[3, 50], 'float32']);
    expect(values(x as Tensor).every(v => v >= 0 && v < 1)).toBe(true);
    expect(values(random.uniform([5], { low: 2.5, high: 2.5 }) as Tensor)).toEqual([2.5, 2.5, 2.5, 2.5, 2.5]);
    expect(random.uniform([0, 3]).shape).toEqual([0, 3]);
    expect(typeof random.uniform([]).item()).toBe('number');
  });

  test('misuse', () => {
    expectError(
      () => call.uniform!([2], { low: 1, high: 0 }),
      ArgumentError,
      'random.uniform: high takes a number from 1',
    );
    expectError(() => call.uniform!([2], { low: Number.NaN }), ArgumentError, 'random.uniform: low');
    expectError(() => call.uniform!([2], { high: Infinity }), ArgumentError, 'but got Infinity');
    expectError(() => call.uniform!([2], { min: 0 }), ArgumentError, "random.uniform has no option 'min'");
    expectError(
      () => call.uniform!([2], { dtype: 'int32' }),
      DTypeError,
      'draws float32 or float64, but got dtype int32',
    );
    expectError(() => call.uniform!(2), ShapeError, 'random.uniform takes a shape (an array of sizes), but got 2');
    expectError(() => call.uniform!([-1]), ShapeError, 'is -1');
    expectError(() => call.uniform!([2], { generator: 7 }), ArgumentError, 'takes a random.Generator, but got 7');
  });
});

describe('normal', () => {
  test.each(['float32', 'float64'] as const)('has the moments of its distribution in %s', dtype => {
    const list = values(random.normal([N], { mean: 2, std: 3, dtype }) as Tensor);
    const { mean, variance, skewness, kurtosis } = moments(list);
    expect(Math.abs(mean - 2)).toBeLessThan((far * 3) / Math.sqrt(N));
    expect(Math.abs(variance - 9)).toBeLessThan(far * 9 * Math.sqrt(2 / N));
    expect(Math.abs(skewness)).toBeLessThan(far * Math.sqrt(6 / N));
    expect(Math.abs(kurtosis - 3)).toBeLessThan(far * Math.sqrt(24 / N));
    const within = (k: number) => list.filter(x => Math.abs(x - 2) < 3 * k).length / N;
    expect(Math.abs(within(1) - 0.682689)).toBeLessThan(far * 0.0013);
    expect(Math.abs(within(2) - 0.9545)).toBeLessThan(far * 0.0006);
    expect(list.every(Number.isFinite)).toBe(true);
    // The two numbers of a pair come from one radius; they know nothing of each other's sign or size.
    const pairs = sum(list.map((x, i) => (i % 2 === 0 ? Math.abs(x - 2) * Math.abs(list[i + 1]! - 2) : 0))) / (N / 2);
    expect(Math.abs(pairs / 9 - 2 / Math.PI)).toBeLessThan(0.02);
  });

  test('a deviation of 0 gives the mean', () => {
    expect(values(random.normal([3], { mean: 2, std: 0 }) as Tensor)).toEqual([2, 2, 2]);
  });

  test('misuse', () => {
    expectError(() => call.normal!([2], { std: -1 }), ArgumentError, 'random.normal: std takes a finite number from 0');
    expectError(() => call.normal!([2], { loc: 0 }), ArgumentError, "random.normal has no option 'loc'");
    expectError(() => call.normal!([2], { dtype: 'bool' }), DTypeError, 'but got dtype bool');
    expectError(() => call.normal!([2], { mean: Infinity }), ArgumentError, 'but got Infinity');
  });
});

describe('randint', () => {
  test.each(['int32', 'uint8', 'float32', 'float64'] as const)('all of [low, high) equally often in %s', dtype => {
    const x = random.randint(3, 14, [N], { dtype });
    expect(x.dtype).toBe(dtype);
    const counts = new Array<number>(11).fill(0);
    for (const value of values(x)) counts[value - 3]!++;
    expect(counts.length).toBe(11);
    expect(Math.abs(unevenness(counts))).toBeLessThan(far);
  });

  test('of a power of 2 as many of the bits', () => {
    const half = 2 ** 52;
    const draw = <R>(make: (generator: random.Generator) => R) => make(new Generator(4));
    const got = draw(generator => random.randint(-half, half, [50], { dtype: 'float64', generator }));
    const shares = draw(generator => random.uniform([50], { dtype: 'float64', generator }));
    expect(values(got)).toEqual(values(shares).map(share => share * 2 ** 53 - half));
  });

  test('the whole range of a type', () => {
    const list = values(random.randint(-(2 ** 31), 2 ** 31, [N]));
    expect(Math.abs(sum(list) / N)).toBeLessThan((far * 2 ** 32) / Math.sqrt(12 * N));
    expect(list.reduce((a, b) => Math.max(a, b))).toBeGreaterThan(2 ** 31 * 0.999);
    expect(list.reduce((a, b) => Math.min(a, b))).toBeLessThan(-(2 ** 31) * 0.999);
    expect(new Set(values(random.randint(0, 256, [N], { dtype: 'uint8' }))).size).toBe(256);
    expect(values(random.randint(-5, -4, [3]))).toEqual([-5, -5, -5]);
    expect(random.randint(0, 9, [4]).dtype).toBe('int32');
  });

  test('misuse', () => {
    expectError(() => random.randint(3, 3, [2]), ArgumentError, 'random.randint takes low < high, but got 3 and 3');
    expectError(() => random.randint(0.5, 3, [2]), ArgumentError, 'random.randint: low takes an integer, but got 0.5');
    expectError(() => random.randint(0, Number.NaN, [2]), ArgumentError, 'high takes an integer, but got NaN');
    expectError(
      () => random.randint(0, 2 ** 31 + 1, [2]),
      DTypeError,
      'int32 does not hold the numbers from 0 to 2147483648',
    );
    expectError(() => random.randint(-1, 2, [2], { dtype: 'uint8' }), DTypeError, 'uint8 does not hold');
    expectError(() => random.randint(0, 2, [2], { dtype: 'bool' }), DTypeError, 'bool does not hold');
    expectError(() => random.randint(0, 2 ** 24 + 2, [2], { dtype: 'float32' }), DTypeError, 'float32 does not hold');
  });
});

describe('bernoulli', () => {
  test('true with probability p', () => {
    for (const p of [0.1, 0.5, 0.93]) {
      const x = random.bernoulli([N], { p });
      expect(x.dtype).toBe('bool');
      const share = sum(values(x as Tensor)) / N;
      expect(Math.abs(share - p)).toBeLessThan(far * Math.sqrt((p * (1 - p)) / N));
    }
    expect(sum(values(random.bernoulli([1000], { p: 0 }) as Tensor))).toBe(0);
    expect(sum(values(random.bernoulli([1000], { p: 1 }) as Tensor))).toBe(1000);
    for (const dtype of ['float32', 'float64', 'int32', 'uint8'] as DType[]) {
      const x = random.bernoulli([1000], { dtype }) as Tensor;
      expect(x.dtype).toBe(dtype);
      expect(new Set(values(x))).toEqual(new Set([0, 1]));
    }
  });

  test('misuse', () => {
    expectError(
      () => random.bernoulli([2], { p: 1.5 }),
      ArgumentError,
      'random.bernoulli: p takes a number from 0 to 1',
    );
    expectError(() => random.bernoulli([2], { p: Number.NaN }), ArgumentError, 'but got NaN');
    expectError(() => call.bernoulli!([2], { prob: 0.5 }), ArgumentError, "did you mean 'p'?");
  });
});

describe('permutation and shuffle', () => {
  test('every order equally often', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 4800; i++) {
      const order = String(values(random.permutation(4)));
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    expect(Math.abs(unevenness([...counts.values()]))).toBeLessThan(far);
  });

  test('hold each number once, at any size', () => {
    for (const n of [0, 1, 2, 17, 1000, 70000]) {
      const x = random.permutation(n);
      expect([x.shape, x.dtype]).toEqual([[n], 'int32']);
      const list = values(x);
      expect([...list].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
      if (n > 16) expect(list).not.toEqual([...list].sort((a, b) => a - b));
    }
  });

  test('shuffle moves whole slices of a copy, as permutation would', () => {
    const data = Array.from({ length: 40 }, (_, i) => [i, i + 0.5, 2 * i]);
    const x = tensor(data);
    random.seed(5);
    const order = values(random.permutation(40));
    random.seed(5);
    expect(random.shuffle(x).toArray()).toEqual(order.map(i => data[i]));
    expect(x.toArray()).toEqual(data);
    expect(random.shuffle(zeros([0, 2])).shape).toEqual([0, 2]);
  });

  test('misuse', () => {
    expectError(() => random.permutation(-1), ArgumentError, 'random.permutation takes an integer from 0, but got -1');
    expectError(() => random.permutation(2.5), ArgumentError, 'but got 2.5');
    expectError(() => random.permutation(2 ** 31), ShapeError, 'less than 2^31 elements');
    expectError(() => random.shuffle(tensor(3)), ShapeError, 'one dimension or more, but got a scalar');
    expectError(() => call.shuffle!([1, 2]), ArgumentError, 'random.shuffle takes a tensor');
    expectError(() => call.shuffle!(tensor([1]), { seed: 1 }), ArgumentError, "random.shuffle has no option 'seed'");
  });
});

describe('multinomial', () => {
  test('draws by weight, whatever they add up to', () => {
    const weights = [0, 2, 0, 5, 1, 0];
    const list = values(random.multinomial(tensor(weights), { count: N }));
    const counts = weights.map((_, i) => list.filter(x => x === i).length);
    weights.forEach((weight, i) => {
      const p = weight / 8;
      expect(Math.abs(counts[i]! / N - p)).toBeLessThanOrEqual(far * Math.sqrt((p * (1 - p)) / N));
    });
    expect(sum(counts)).toBe(N);
  });

  test('row by row', () => {
    const x = random.multinomial(
      tensor(
        [
          [1, 0, 0],
          [0, 0, 3],
        ],
        { dtype: 'float64' },
      ),
      { count: 5 },
    );
    expect(x.toArray()).toEqual([
      [0, 0, 0, 0, 0],
      [2, 2, 2, 2, 2],
    ]);
    expect(x.dtype).toBe('int32');
    expect(random.multinomial(tensor([3, 4])).shape).toEqual([1]);
    expect(random.multinomial(zeros([0, 3])).shape).toEqual([0, 1]);
  });

  test('misuse', () => {
    expectError(() => random.multinomial(tensor([0, 0])), ValueError, 'a row of weights adds up to 0');
    expectError(() => random.multinomial(tensor([1, -1])), ValueError, 'but one is -1');
    expectError(() => random.multinomial(tensor([1, Number.NaN])), ValueError, 'but one is NaN');
    expectError(() => random.multinomial(tensor([1, Infinity])), ValueError, 'but one is Infinity');
    expectError(() => random.multinomial(tensor([1, 2], { dtype: 'int32' })), ShapeError, 'but got int32 of shape [2]');
    expectError(() => random.multinomial(tensor(1)), ShapeError, 'of shape []');
    expectError(
      () => random.multinomial(tensor([1]), { count: 0 }),
      ArgumentError,
      'count takes an integer from 1, but got 0',
    );
    expectError(() => call.multinomial!(tensor([1]), { n: 3 }), ArgumentError, "random.multinomial has no option 'n'");
  });
});

/** One draw of each kind, of sizes that leave a block of the stream half used. */
const draws: Record<string, (generator?: random.Generator) => Tensor> = {
  uniform: generator => random.uniform([1001], { generator }) as Tensor,
  uniform64: generator => random.uniform([333], { dtype: 'float64', generator }) as Tensor,
  normal: generator => random.normal([1003], { generator }) as Tensor,
  randint: generator => random.randint(-50, 1000, [77], { generator }),
  bernoulli: generator => random.bernoulli([5, 41], { generator }) as Tensor,
  permutation: generator => random.permutation(501, { generator }),
  multinomial: generator => random.multinomial(tensor([1, 2, 3]), { count: 21, generator }),
  shuffle: generator => random.shuffle(tensor(Float32Array.from({ length: 99 }, (_, i) => i)), { generator }) as Tensor,
};
const drawAll = (generator?: random.Generator) => Object.values(draws).map(draw => values(draw(generator)));

describe('seeds and generators', () => {
  test('a seed repeats the stream, another gives another', () => {
    random.seed(123);
    const first = drawAll();
    const next = drawAll();
    expect(next).not.toEqual(first);
    random.seed(123);
    expect(drawAll()).toEqual(first);
    expect(drawAll()).toEqual(next);
    random.seed(124);
    const other = drawAll();
    other.forEach((list, i) => {
      expect(list).not.toEqual(first[i]);
    });
  });

  test('seeds differ in all of their 53 bits', () => {
    const first = [0, 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 52, Number.MAX_SAFE_INTEGER].map(seed => {
      random.seed(seed);
      return String(values(draws.uniform!()));
    });
    expect(new Set(first).size).toBe(first.length);
  });

  test('streams of a seed differ in all of their 64 bits', () => {
    const first = Array.from({ length: 65 }, (_, bit) => {
      const word = (from: number) => (bit >= from && bit < from + 32 ? (1 << (bit - from)) | 0 : 0);
      return String(values(draws.uniform!(generators.withStream(1, [word(0), word(32)]))));
    });
    expect(new Set(first).size).toBe(first.length);
  });

  test('a generator of its own is the same stream, and leaves the program’s where it is', () => {
    random.seed(9);
    const want = drawAll();
    random.seed(9);
    const generator = new Generator(9);
    expect(generator.seed).toBe(9);
    expect(drawAll(generator)).toEqual(want);
    expect(drawAll()).toEqual(want);
    expect(drawAll(generator)).not.toEqual(want);
  });

  test('draws that follow each other never overlap', () => {
    const seen = new Set<number>();
    let count = 0;
    for (const size of [1, 2, 3, 4, 5, 7, 250, 1]) {
      for (const value of values(random.uniform([size], { dtype: 'float64' }) as Tensor)) seen.add(value);
      count += size;
    }
    expect(seen.size).toBe(count);
  });

  test('the bits are the same on 1 to 4 threads', () => {
    const before = getNumThreads();
    const large = () => [
      values(random.uniform([300001]) as Tensor),
      values(random.normal([200003], { dtype: 'float64' }) as Tensor),
      values(random.randint(0, 1000, [150001])),
      values(random.bernoulli([400001]) as Tensor),
      values(random.permutation(100003)),
    ];
    try {
      const results = [1, 2, 3, 4].map(threads => {
        setNumThreads(threads);
        random.seed(77);
        return large();
      });
      for (const result of results.slice(1)) {
        result.forEach((list, i) => {
          expect(
            Buffer.from(Float64Array.from(list).buffer).equals(Buffer.from(Float64Array.from(results[0]![i]!).buffer)),
          ).toBe(true);
        });
      }
    } finally {
      setNumThreads(before);
    }
  });

  test.each(Object.keys(draws).filter(name => name !== 'shuffle'))(
    'a %s that finds no memory moves no stream',
    name => {
      const draw = draws[name]!;
      random.seed(31);
      const want = values(draw());
      random.seed(31);
      session.refuseAllocation(1, 1);
      try {
        expect(() => draw()).toThrow(/no memory/);
      } finally {
        session.refuseAllocation(0, 0);
      }
      expect(values(draw())).toEqual(want);
    },
  );

  test('misuse', () => {
    for (const value of [-1, 0.5, Number.NaN, 2 ** 53, '1']) {
      expectError(() => random.seed(value as number), ArgumentError, 'random.seed takes an integer from 0');
      expectError(() => new Generator(value as number), ArgumentError, 'Generator: seed takes an integer from 0');
    }
    expectError(
      () => random.permutation(3, { generator: {} as never }),
      ArgumentError,
      'takes a random.Generator, but got {}',
    );
  });
});
