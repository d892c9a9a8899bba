import { ArgumentError, DTypeError, data, ShapeError, type Tensor, tensor } from '../../lib/index.js';
import { expectError } from '../support/errors.js';
import { values } from '../support/nn-helpers.js';

const features = tensor(values(14), { shape: [7, 2] });
const numbers = [10, 11, 12, 13, 14, 15, 16];

/** The samples of a dataset of one column, as it batches them. */
const batchOf = (column: data.Column, ...indices: number[]): Tensor =>
  new data.ArrayDataset(column).batch(Int32Array.from(indices)) as Tensor;

const facts = (t: Tensor) => ({ dtype: t.dtype, shape: [...t.shape], values: t.flatten().toArray() });

it('holds tensors and arrays side by side', () => {
  const dataset = new data.ArrayDataset(features, numbers);
  expect(dataset.length).toBe(7);
  const [x, y] = dataset.get(3) as [Tensor, number];
  expect([x.toArray(), y]).toEqual([(features.toArray() as number[][])[3], 13]);
  const [rows, picks] = dataset.batch(Int32Array.of(6, 0)) as [Tensor, Tensor];
  expect(rows.toArray()).toEqual([6, 0].map(i => (features.toArray() as number[][])[i]));
  expect(facts(picks)).toEqual({ dtype: 'float32', shape: [2], values: [16, 10] });
  expect(new data.ArrayDataset(numbers).get(0)).toBe(10);
});

describe('a plain column becomes one tensor', () => {
  it.each<[string, data.Column, ReturnType<typeof facts>]>([
    ['numbers', [5, 6.5, 7], { dtype: 'float32', shape: [2], values: [7, 5] }],
    ['booleans', [true, true, false], { dtype: 'bool', shape: [2], values: [false, true] }],
    ['booleans among numbers', [true, 3, 4], { dtype: 'float32', shape: [2], values: [4, 1] }],
    ['a Float32Array', Float32Array.of(1.5, 2, 3), { dtype: 'float32', shape: [2], values: [3, 1.5] }],
    ['a Float64Array', Float64Array.of(0.1, 2, 0.3), { dtype: 'float64', shape: [2], values: [0.3, 0.1] }],
    ['an Int32Array', Int32Array.of(-1, 2, 3), { dtype: 'int32', shape: [2], values: [3, -1] }],
    ['a Uint8Array', Uint8Array.of(255, 2, 3), { dtype: 'uint8', shape: [2], values: [3, 255] }],
    [
      'rows of numbers',
      [
        [1, 2, 3],
        [4, 5, 6],
        [7, 8, 9],
      ],
      { dtype: 'float32', shape: [2, 3], values: [7, 8, 9, 1, 2, 3] },
    ],
    [
      'rows that are typed arrays',
      [Int32Array.of(1, 2), Int32Array.of(3, 4), Int32Array.of(5, 6)],
      { dtype: 'int32', shape: [2, 2], values: [5, 6, 1, 2] },
    ],
    [
      'rows of rows',
      [
        [[1], [2]],
        [[3], [4]],
        [[5], [6]],
      ],
      { dtype: 'float32', shape: [2, 2, 1], values: [5, 6, 1, 2] },
    ],
    [
      'typed arrays in arrays',
      [[Uint8Array.of(1, 2)], [Uint8Array.of(3, 4)], [Uint8Array.of(5, 6)]],
      { dtype: 'uint8', shape: [2, 1, 2], values: [5, 6, 1, 2] },
    ],
    [
      'tensors',
      [tensor([1, 2]), tensor([3, 4]), tensor([5, 6])],
      { dtype: 'float32', shape: [2, 2], values: [5, 6, 1, 2] },
    ],
  ])('%s', (_, column, expected) => {
    expect(facts(batchOf(column, 2, 0))).toEqual(expected);
  });

  it('in a batch without samples too', () => {
    expect(facts(batchOf([[1, 2]]))).toEqual({ dtype: 'float32', shape: [0, 2], values: [] });
    expect(facts(batchOf([tensor([1, 2])]))).toEqual({ dtype: 'float32', shape: [0, 2], values: [] });
  });

  it('and a loader gives it', async () => {
    const dataset = new data.ArrayDataset(
      [1, 2, 3],
      [Float32Array.of(1, 2), Float32Array.of(3, 4), Float32Array.of(5, 6)],
    );
    const seen: unknown[] = [];
    for await (const [y, x] of new data.DataLoader<[Tensor, Tensor]>(dataset, { batchSize: 2 }))
      seen.push([y.toArray(), x.toArray()]);
    expect(seen).toEqual([
      [
        [1, 2],
        [
          [1, 2],
          [3, 4],
        ],
      ],
      [[3], [[5, 6]]],
    ]);
  });
});

it('a column of anything else stays an array', () => {
  for (const column of [
    ['a', 'b', 'c'],
    [{ n: 1 }, { n: 2 }, { n: 3 }],
    [[1, 'x'], [2], []],
    [null, 1, 2],
  ])
    expect(batchOf(column, 2, 1)).toEqual([column[2], column[1]]);
});

describe('refuses', () => {
  const ragged = [
    [1, 2, 3],
    [4, 5, 6],
    [7, 8],
  ];

  it('a ragged column, naming column and sample, whatever batch comes first', () => {
    const dataset = new data.ArrayDataset(numbers.slice(0, 3), ragged);
    expectError(
      () => dataset.batch(Int32Array.of(0)),
      ShapeError,
      'ArrayDataset: column 1 takes number arrays of shape [3], as sample 0 is, but sample 2 has shape [2]; bring all samples to one shape, or give DataLoader a batchify',
    );
  });

  it.each<[string, data.Column, typeof ShapeError | typeof ArgumentError, string]>([
    ['a number among rows', [[1, 2], 3], ShapeError, 'sample 1 has shape []'],
    [
      'a row among numbers',
      [3, [1, 2]],
      ShapeError,
      'takes a number for each sample, as sample 0 is, but sample 1 has shape [2]',
    ],
    ['ragged typed arrays', [Int32Array.of(1), Int32Array.of(1, 2)], ShapeError, 'takes int32 arrays of shape [1]'],
    [
      'another typed array',
      [Int32Array.of(1), Float32Array.of(1)],
      ArgumentError,
      'got Float32Array(1) [ 1 ] in sample 1',
    ],
    ['plain rows among typed ones', [Int32Array.of(1), [1.5]], ArgumentError, 'got [ 1.5 ] in sample 1'],
    ['a missing number', [1, undefined], ArgumentError, 'got undefined in sample 1'],
    ['a hole in a row', [[1, 2], new Array(2)], ArgumentError, 'in sample 1'],
    ['a text among numbers', [1, 'two'], ArgumentError, "got 'two' in sample 1"],
    ['a row ragged in itself', [[[1, 2], [3]]], ArgumentError, 'in sample 0'],
    [
      'tensors of two shapes',
      [tensor([1, 2]), tensor([1])],
      ShapeError,
      'takes tensors of shape [2], as sample 0 is, but sample 1 has shape [1]',
    ],
    ['a number among tensors', [tensor([1]), 5], ShapeError, 'sample 1 has shape []'],
    ['a text among tensors', [tensor([1]), 'x'], ArgumentError, "got 'x' in sample 1"],
    ['samples that no tensor holds', [Int16Array.of(1)], DTypeError, 'convert them'],
  ])('%s', (_, column, type, message) => {
    expectError(() => batchOf(column, 0), type, message);
  });

  it('what no longer fits after a change', () => {
    const column: unknown[] = [1, 2];
    const dataset = new data.ArrayDataset(column);
    dataset.batch(Int32Array.of(0));
    column[1] = 'two';
    expectError(() => dataset.batch(Int32Array.of(1)), ArgumentError, "got 'two' in sample 1");
  });

  it('nothing of a ragged column where batchify takes the samples one by one', async () => {
    const loader = new data.DataLoader(new data.ArrayDataset(ragged), {
      batchSize: 3,
      batchify: (rows: number[][]) => rows.map(row => row.length),
    });
    for await (const batch of loader) expect(batch).toEqual([3, 3, 2]);
  });

  it('columns that came in one array', () => {
    const labels = tensor(numbers);
    const hint =
      /array of 2 with 7 samples each; write new ArrayDataset\(X, Y\) instead of new ArrayDataset\(\[X, Y\]\)/;
    for (const list of [
      [features, labels],
      [features, numbers],
      [numbers, features],
      [labels, labels],
    ])
      expectError(() => new data.ArrayDataset(list), ArgumentError, hint);
    expectError(() => new data.ArrayDataset([labels, labels]), ArgumentError, 'stack([a, b])');
    expectError(() => new data.ArrayDataset([features, labels, numbers]), ArgumentError, 'array of 3 with 7 samples');
  });

  it('columns of different length, naming both', () => {
    expectError(
      () => new data.ArrayDataset(features, numbers, Float32Array.of(1, 2)),
      ShapeError,
      'ArrayDataset takes columns of one length, but got 7 samples in column 0 and 2 in column 2',
    );
  });

  it('scalars, other things, and nothing', () => {
    for (const wrong of [[], [tensor(1)], [3], [null], ['text'], [{ length: 1 }]])
      expectError(() => new data.ArrayDataset(...(wrong as never[])), ArgumentError, 'ArrayDataset takes');
    expectError(() => new data.ArrayDataset(numbers, 3 as never), ArgumentError, 'got 3 as column 1');
    expectError(() => new data.ArrayDataset(BigInt64Array.of(1n) as never), DTypeError, 'convert it to a Float32Array');
  });

  it('samples that are not there', () => {
    const dataset = new data.ArrayDataset(numbers);
    for (const index of [-1, 7, 0.5]) expect(() => dataset.get(index)).toThrow(ArgumentError);
    for (const index of [-1, 7])
      expectError(
        () => dataset.batch(Int32Array.of(0, index)),
        ArgumentError,
        `ArrayDataset.batch: there is no sample ${index} among 7`,
      );
  });
});
