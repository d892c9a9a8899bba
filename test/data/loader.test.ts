import { ArgumentError, data, random, type Tensor, tensor } from '../../lib/index.js';
import { expectError } from '../support/errors.js';
import { values } from '../support/nn-helpers.js';

beforeEach(() => random.seed(5));

const features = tensor(values(14), { shape: [7, 2] });
const numbers = [10, 11, 12, 13, 14, 15, 16];

async function batchesOf<T>(loader: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const batch of loader) out.push(batch);
  return out;
}

const plain = async (loader: data.DataLoader) => (await batchesOf<Tensor>(loader)).map(t => t.toArray() as number[]);

/** Samples 0 … n-1 as numbers. */
const counting = (length: number) => ({ length, get: (i: number) => i });

describe('samplers', () => {
  it('go through every number once, in order or at random', () => {
    expect([...new data.SequentialSampler(4)]).toEqual([0, 1, 2, 3]);
    const sampler = new data.RandomSampler(50);
    const [a, b] = [[...sampler], [...sampler]];
    const sorted = (list: number[]) => [...list].sort((x, y) => x - y);
    expect(sorted(a)).toEqual([...new data.SequentialSampler(50)]);
    expect(sorted(b)).toEqual(sorted(a));
    expect(a).not.toEqual(b);
    expect(a).not.toEqual(sorted(a));
    random.seed(5);
    expect([...new data.RandomSampler(50)]).toEqual(a);
    expect([...new data.RandomSampler(0)]).toEqual([]);
  });

  it('draw from a generator of their own when given one', () => {
    const draw = (seed: number) => [...new data.RandomSampler(20, { generator: new random.Generator(seed) })];
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    const before = random.uniform([2]).toArray();
    random.seed(5);
    draw(3);
    expect(random.uniform([2]).toArray()).toEqual(before);
  });

  it('are gathered into batches', () => {
    const sampler = new data.SequentialSampler(5);
    const batches = (last?: data.LastBatch) => new data.BatchSampler(sampler, 2, last);
    const lists = (sampled: data.BatchSampler) => [...sampled].map(b => [...b]);
    expect(lists(batches())).toEqual([[0, 1], [2, 3], [4]]);
    expect(lists(batches('discard'))).toEqual([
      [0, 1],
      [2, 3],
    ]);
    const rolling = batches('rollover');
    expect([rolling.length, lists(rolling)]).toEqual([
      2,
      [
        [0, 1],
        [2, 3],
      ],
    ]);
    expect([rolling.length, lists(rolling)]).toEqual([
      3,
      [
        [4, 0],
        [1, 2],
        [3, 4],
      ],
    ]);
    expect([batches().length, batches('discard').length]).toEqual([3, 2]);
    for (const size of [0, -1, 1.5, '2'])
      expect(() => new data.BatchSampler(sampler, size as number)).toThrow(ArgumentError);
    expect(() => new data.BatchSampler(sampler, 2, 'drop' as never)).toThrow(ArgumentError);
    expect(() => new data.BatchSampler(3 as never, 2)).toThrow(ArgumentError);
    const bare = { [Symbol.iterator]: () => [1, 2][Symbol.iterator]() };
    expect(() => new data.BatchSampler(bare as never, 2)).toThrow(/the sampler.s length takes|length/);
  });
});

describe('asynchronous datasets', () => {
  const later = <T>(value: T): Promise<T> => new Promise(resolve => setImmediate(resolve, value));

  it('are awaited, the samples of a batch together', async () => {
    let [open, most] = [0, 0];
    const dataset = {
      length: 5,
      async get(i: number) {
        most = Math.max(most, ++open);
        await later(null);
        open--;
        return [tensor([i, -i]), i] as const;
      },
    };
    const batches = await batchesOf<[Tensor, Tensor]>(new data.DataLoader(dataset, { batchSize: 3 }));
    expect(batches.map(([x, y]) => [x.toArray(), y.toArray()])).toEqual([
      [
        [
          [0, -0],
          [1, -1],
          [2, -2],
        ],
        [0, 1, 2],
      ],
      [
        [
          [3, -3],
          [4, -4],
        ],
        [3, 4],
      ],
    ]);
    expect(most).toBe(3);
  });

  it('may be so for some samples, in batchify, and in batch', async () => {
    const some = { length: 3, get: (i: number) => (i === 1 ? later(i) : i) };
    expect(await plain(new data.DataLoader(some, { batchSize: 3 }))).toEqual([[0, 1, 2]]);
    const batchify = async (samples: number[]) => tensor(await later(samples.map(s => s + 10)));
    expect(await batchesOf(new data.DataLoader(some, { batchSize: 2, batchify }))).toMatchObject([
      { shape: [2] },
      { shape: [1] },
    ]);
    const whole = { ...counting(3), batch: (indices: Int32Array) => later(tensor(indices)) };
    expect(await plain(new data.DataLoader(whole, { batchSize: 2 }))).toEqual([[0, 1], [2]]);
  });

  it('end the iteration with what they reject or throw, and leave no rejection behind', async () => {
    const rejections: unknown[] = [];
    const note = (reason: unknown) => rejections.push(reason);
    process.on('unhandledRejection', note);
    try {
      const rejects = {
        length: 4,
        get: async (i: number) => later(i).then(() => Promise.reject(new Error(`sample ${i}`))),
      };
      await expect(batchesOf(new data.DataLoader(rejects, { batchSize: 2 }))).rejects.toThrow('sample 0');
      const throws = {
        length: 2,
        get(i: number) {
          if (i === 1) throw new Error('thrown');
          return Promise.reject(new Error('rejected'));
        },
      };
      await expect(batchesOf(new data.DataLoader(throws, { batchSize: 2 }))).rejects.toThrow('thrown');
      await later(null);
      await later(null);
      expect(rejections).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });

  it('are named where promises lie in columns or in entries of a sample', async () => {
    const inEntries = { length: 2, get: (i: number) => [i, later(i)] };
    const message = /takes values, but got a promise of one; await it first, .*async get\(\)$/;
    await expect(batchesOf(new data.DataLoader(inEntries, { batchSize: 2 }))).rejects.toThrow(message);
    expectError(() => new data.ArrayDataset([later(1), later(2)]).batch(Int32Array.of(0)), ArgumentError, message);
  });
});

describe('DataLoader', () => {
  it('goes through a dataset in order, each iteration an epoch', async () => {
    const loader = new data.DataLoader(new data.ArrayDataset(features, tensor(numbers)), { batchSize: 3 });
    expect(loader.length).toBe(3);
    for (let epoch = 0; epoch < 2; epoch++) {
      const batches = (await batchesOf(loader)) as [Tensor, Tensor][];
      expect(batches.map(([x]) => [...x.shape])).toEqual([
        [3, 2],
        [3, 2],
        [1, 2],
      ]);
      expect(batches.flatMap(([, y]) => y.toArray())).toEqual(numbers);
      expect(batches.flatMap(([x]) => x.toArray())).toEqual(features.toArray());
    }
  });

  it('shuffles anew for each epoch, columns together', async () => {
    const loader = new data.DataLoader(new data.ArrayDataset(tensor(numbers), numbers), {
      batchSize: 2,
      shuffle: true,
    });
    const epoch = async () => (await batchesOf<[Tensor, Tensor]>(loader)).map(([x, y]) => [x.toArray(), y.toArray()]);
    const [a, b] = [await epoch(), await epoch()];
    for (const [x, y] of a) expect(x).toEqual(y);
    const flat = (list: unknown[][]) => list.flatMap(([x]) => x as number[]);
    expect([...flat(a)].sort()).toEqual(numbers);
    expect(flat(a)).not.toEqual(flat(b));
    random.seed(5);
    expect(await epoch()).toEqual(a);
  });

  it.each<[data.LastBatch, number[], number[]]>([
    ['keep', [3, 3, 1], [3, 3, 1]],
    ['discard', [3, 3], [3, 3]],
    ['rollover', [3, 3], [3, 3]],
  ])('with lastBatch %s', async (lastBatch, first, second) => {
    const loader = new data.DataLoader(counting(7), { batchSize: 3, lastBatch });
    const sizes = async () => (await plain(loader)).map(b => b.length);
    expect(loader.length).toBe(first.length);
    expect(await sizes()).toEqual(first);
    expect(await sizes()).toEqual(second);
  });

  it('rollover begins the next epoch with what was left', async () => {
    const loader = new data.DataLoader(counting(5), { batchSize: 2, lastBatch: 'rollover' });
    expect(await plain(loader)).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(await plain(loader)).toEqual([
      [4, 0],
      [1, 2],
      [3, 4],
    ]);
  });

  it('stacks tuples and objects entry by entry, or as batchify says', async () => {
    const dataset = {
      length: 4,
      get: (i: number) => ({
        x: tensor([i, -i]),
        y: i,
        flag: i % 2 === 0,
        pair: [i, tensor(i)],
        row: Int32Array.of(i, 7),
        text: `t${i}`,
      }),
    };
    const [batch] = (await batchesOf(new data.DataLoader(dataset, { batchSize: 3 }))) as [
      { x: Tensor; y: Tensor; flag: Tensor; pair: [Tensor, Tensor]; row: Tensor; text: string[] },
    ];
    expect(batch.x.toArray()).toEqual([
      [0, -0],
      [1, -1],
      [2, -2],
    ]);
    expect(batch.y.toArray()).toEqual([0, 1, 2]);
    expect([batch.flag.dtype, batch.flag.toArray()]).toEqual(['bool', [true, false, true]]);
    expect(batch.pair.map(t => t.toArray())).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
    expect([batch.row.dtype, batch.row.toArray()]).toEqual([
      'int32',
      [
        [0, 7],
        [1, 7],
        [2, 7],
      ],
    ]);
    expect(batch.text).toEqual(['t0', 't1', 't2']);
    const joined = new data.DataLoader(counting(4), { batchSize: 2, batchify: samples => samples.join('+') });
    expect(await batchesOf(joined)).toEqual(['0+1', '2+3']);
  });

  it('stacks rows of numbers inside tuples and objects', async () => {
    const pairs = { length: 2, get: (i: number) => [[i, i + 1], i] };
    const [[rows, numbers]] = (await batchesOf(new data.DataLoader(pairs, { batchSize: 2 }))) as [[Tensor, Tensor]];
    expect(rows.toArray()).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect(numbers.toArray()).toEqual([0, 1]);
  });

  it.each([
    ['tuples of other lengths', (i: number) => (i === 0 ? [1, 2] : [1, 2, 3]), /sample 1 is \[ 1, 2, 3 \]/],
    [
      'rows of other lengths',
      (i: number) => ({ ids: Array(i + 1).fill(i) }),
      /samples\.ids takes .*sample 1 has shape \[2\]/,
    ],
    [
      'fields that some lack',
      (i: number) => (i === 0 ? { x: 1, y: 2 } : { x: 1 }),
      /objects of x, y, as sample 0.*sample 1/,
    ],
    [
      'fields that some lack and every object has',
      (i: number) => (i === 0 ? { toString: 1, y: 2 } : { x: 1, y: 2 }),
      /objects of toString, y, as sample 0.*sample 1/,
    ],
    [
      'fields that some have besides',
      (i: number) => (i === 0 ? { x: 1 } : { x: 1, y: 2 }),
      /sample 1 is \{ x: 1, y: 2 \}/,
    ],
    ['no sample', (i: number) => (i === 0 ? [1] : undefined), /sample 1 is undefined/],
  ])('refuses %s, and names the sample', async (_, get, message) => {
    const loader = new data.DataLoader({ length: 2, get: get as (i: number) => unknown }, { batchSize: 2 });
    await expect(batchesOf(loader)).rejects.toThrow(message);
  });

  it('follows a sampler', async () => {
    const order = { length: 3, [Symbol.iterator]: () => [4, 4, 1][Symbol.iterator]() };
    expect(await plain(new data.DataLoader(counting(9), { batchSize: 2, sampler: order }))).toEqual([[4, 4], [1]]);
  });

  it('lets the event loop turn between batches', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    let going = true;
    const turn = () => {
      if (going)
        setImmediate(() => {
          turns++;
          turn();
        });
    };
    turn();
    const seen: number[] = [];
    for await (const _ of new data.DataLoader(counting(6), { batchSize: 1 })) seen.push(turns);
    going = false;
    clearInterval(timer);
    for (let i = 1; i < seen.length; i++) expect(seen[i]).toBeGreaterThan(seen[i - 1]!);
  });

  it('refuses to be gone through synchronously, and says how it is', async () => {
    const loader = new data.DataLoader(counting(2), { batchSize: 1 });
    const synchronous = loader as unknown as Iterable<Tensor>;
    const hint = /write for await \(const batch of loader\)/;
    expectError(
      () => {
        for (const _ of synchronous);
      },
      ArgumentError,
      hint,
    );
    expectError(() => [...synchronous], ArgumentError, hint);
    expectError(() => Array.from(synchronous), ArgumentError, hint);
    expect(await plain(loader)).toEqual([[0], [1]]);
  });

  it('may be left early and begun again', async () => {
    const loader = new data.DataLoader(counting(5), { batchSize: 2 });
    for await (const _ of loader) break;
    expect(await plain(loader)).toEqual([[0, 1], [2, 3], [4]]);
  });

  it('passes on what a dataset throws', async () => {
    const dataset = {
      length: 3,
      get: (i: number) => {
        if (i === 1) throw new RangeError('sample 1');
        return i;
      },
    };
    await expect(batchesOf(new data.DataLoader(dataset, { batchSize: 1 }))).rejects.toThrow('sample 1');
  });

  it('takes undefined for an option that is absent, and null for none', async () => {
    const absent = { shuffle: undefined, lastBatch: undefined, sampler: undefined, generator: undefined };
    const loader = new data.DataLoader(counting(5), { batchSize: 2, ...absent, batchify: undefined });
    expect(await plain(loader)).toEqual([[0, 1], [2, 3], [4]]);
    random.seed(5);
    const order = [...new data.RandomSampler(20, { generator: undefined })];
    random.seed(5);
    expect([...new data.RandomSampler(20)]).toEqual(order);
    for (const key of ['batchSize', 'shuffle', 'lastBatch', 'sampler', 'batchify'])
      expectError(
        () => new data.DataLoader(counting(5), { batchSize: 2, [key]: null } as never),
        ArgumentError,
        'but got null',
      );
    expectError(() => new data.DataLoader(counting(5), { batchSize: undefined } as never), ArgumentError, 'batchSize');
  });

  it('refuses what cannot be meant', () => {
    const dataset = counting(3);
    expect(() => new data.DataLoader(dataset, { batchsize: 2 } as never)).toThrow(/did you mean 'batchSize'/);
    expect(() => new data.DataLoader(dataset, {} as never)).toThrow(ArgumentError);
    expect(() => new data.DataLoader([1, 2] as never, { batchSize: 1 })).toThrow(ArgumentError);
    expect(
      () => new data.DataLoader(dataset, { batchSize: 1, shuffle: true, sampler: new data.SequentialSampler(3) }),
    ).toThrow(/not both/);
    expect(() => new data.DataLoader(dataset, { batchSize: 1, shuffle: 1 as never })).toThrow(ArgumentError);
  });
});
