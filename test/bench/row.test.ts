import { geometricMean, makeRow, meansOf, type Row, ratio, ratioToBest } from '../../bench/report/row';
import { median, quantile, spreadOf } from '../../bench/report/statistics';
import { shortNumber, tableOf } from '../../bench/report/table';
import { shareOf } from '../../bench/suites/roof';

const row = (given: Partial<Parameters<typeof makeRow>[0]>): Row =>
  makeRow({
    suite: 'gemm',
    case: 'NT',
    shape: '2x3x4',
    threads: 1,
    unit: 'GFLOP/s',
    better: 'more',
    ours: 100,
    ...given,
  });

test('a ratio above 1 means that we are ahead, whether more or less is better', () => {
  expect(ratio('more', 100, 50)).toBe(2);
  expect(ratio('less', 100, 50)).toBe(0.5);
});

test('the best peer is the one that leaves us the smallest ratio', () => {
  expect(ratioToBest('more', 100, { a: 50, b: 80 })).toBe(1.25);
  expect(ratioToBest('less', 100, { a: 50, b: 80 })).toBe(0.5);
  expect(ratioToBest('less', 100, {})).toBeNull();
});

test('a row tells our multiple of each baseline, and compares with peers alone', () => {
  const made = row({ unit: 'ns', better: 'less', baselines: { 'an empty call': 20 }, figures: { other: 7 } });
  expect(made.ratioToBest).toBeNull();
  expect(made.figures).toEqual({ '× an empty call': 5, other: 7 });
});

test('geometric means go over the rows where a peer has a figure', () => {
  expect(geometricMean([2, 8])).toBeCloseTo(4);
  expect(geometricMean([])).toBeNaN();
  const rows = [
    row({ peers: { a: 50, b: 100 } }),
    row({ peers: { a: 200 } }),
    row({ case: 'TN', peers: { b: 25 } }),
    row({ case: 'alone' }),
  ];
  const [nt, all, ...others] = meansOf(rows);
  expect(others).toEqual([]);
  expect(nt).toMatchObject({ case: 'NT', rows: 2 });
  expect(nt?.peers.a).toBeCloseTo(1);
  expect(nt?.peers.b).toBeCloseTo(1);
  expect(nt?.best).toBeCloseTo(Math.sqrt(0.5));
  expect(all).toMatchObject({ case: 'all', rows: 3 });
  expect(all?.peers.b).toBeCloseTo(2);
  expect(meansOf([row({})])).toEqual([]);
});

test('quantiles lie between neighbours in proportion', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(quantile([0, 10], 0.25)).toBe(2.5);
  expect(median([])).toBeNaN();
  expect(spreadOf([9, 10, 11])).toBeCloseTo(0.05);
});

test('a share is what a case needs per second of what the roof gives', () => {
  expect(shareOf({ kind: 'fma', work: 50 }, 0.5, 200)).toBe(0.5);
  expect(shareOf({ kind: 'fma', work: 50, dtype: 'float64' }, 0.5, 200)).toBe(1);
  expect(shareOf({ kind: 'read', work: 10, bytes: 10 }, 1, 100)).toBe(0.1);
});

test('the table has our figure, the peers with our ratio, the share of the peak, and means at its foot', () => {
  const text = tableOf([row({ peers: { BLIS: 80, OpenBLAS: 50 }, shareOfPeak: 0.925, spread: 0.01 })]);
  for (const part of ['2x3x4', 'GFLOP/s', '80.0 (1.25 ×)', '50.0 (2.00 ×)', '93 %', 'Geometric means', 'OpenBLAS'])
    expect(text).toContain(part);
  expect(tableOf([])).toBe('no cases\n');
});

test('numbers keep three digits that count', () => {
  expect([0, 0.0012345, 1.23456, 12.3456, 1234.56].map(shortNumber)).toEqual(['0', '0.00123', '1.23', '12.3', '1235']);
});
