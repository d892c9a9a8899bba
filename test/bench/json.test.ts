import { type Results, toJson } from '../../bench/report/json';
import { makeRow } from '../../bench/report/row';

const about: Omit<Results, 'rows'> = {
  date: '2026-01-02T03:04:05.000Z',
  machine: {
    cpu: 'a CPU',
    cores: 4,
    caches: { L1: 32768 },
    memory: 1e9,
    hugePages: 'madvise',
    platform: 'linux x64',
    node: 'v20.0.0',
  },
  threads: 2,
  quick: true,
  versions: { BLIS: '0.9' },
  missing: { oneDNN: 'install it' },
  problems: ['something'],
};
const given = {
  suite: 'train',
  case: 'NT',
  shape: '2x3x4',
  threads: 2,
  unit: 'µs',
  better: 'less',
  ours: 100,
  peers: { BLIS: 300 },
  shareOfPeak: 1 / 3,
} as const;

test('a file of results holds the machine, the date, versions, and a row for each case', () => {
  const read = JSON.parse(toJson({ ...about, rows: [makeRow(given), makeRow({ ...given, peers: {} })] })) as Results;
  expect(read).toMatchObject(about);
  expect(read.rows[0]).toEqual({
    ...given,
    baselines: {},
    ratioToBest: 3,
    shareOfPeak: 0.333333,
    spread: null,
    hugePages: null,
    figures: {},
  });
  expect(read.rows[1]?.ratioToBest).toBeNull();
});

test('a file without rows is JSON too', () => {
  expect(JSON.parse(toJson({ ...about, rows: [] }))).toEqual({ ...about, rows: [] });
});
