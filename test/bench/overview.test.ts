import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFolder, writeOverview } from '../../bench/report/folder';
import { type Results, writeResults } from '../../bench/report/json';
import { overviewPlot, summariesOf } from '../../bench/report/overview';
import { resultsPage } from '../../bench/report/page';
import { makeRow, type Row } from '../../bench/report/row';

const row = (suite: string, name: string, ours: number, peers: Record<string, number>): Row =>
  makeRow({ suite, case: name, shape: '2x3', threads: 1, unit: 'ms', better: 'less', ours, peers, spread: 0.02 });

const resultsOf = (rows: Row[], problems: string[] = []): Results => ({
  date: '2026-01-02T03:04:05.000Z',
  machine: { cpu: 'a CPU', cores: 4, caches: {}, memory: 1e9, hugePages: 'never', platform: 'linux x64', node: 'v20' },
  threads: 1,
  quick: false,
  versions: { other: '3.1', latent: '0.1.0' },
  missing: {},
  problems,
  rows,
});

const gemm = resultsOf([row('gemm', 'NT', 10, { a: 20, b: 40 }), row('gemm', 'NN', 10, { a: 5 })], ['it hung\n  at x']);
const pictures = resultsOf([row('pictures', 'ResNet', 4, { c: 8 })]);
const alone = resultsOf([row('overhead', 'a call', 3, {})]);

test('a summary has the geometric mean of the ratios to the best peer, the lowest and the highest, and all peers', () => {
  const [first, second, ...others] = summariesOf([gemm, alone, pictures]);
  expect(others).toEqual([]);
  expect(first).toMatchObject({ suite: 'pictures', rows: 1, mean: 2, peers: ['c'] });
  expect(second).toMatchObject({ suite: 'gemm', rows: 2, peers: ['a', 'b'] });
  expect(second?.mean).toBeCloseTo(1, 12); // √(2 · 0.5)
  expect([second?.lowest.case, second?.highest.case]).toEqual(['NN', 'NT']);
});

test('the picture names each subject and its mean', () => {
  const svg = overviewPlot(summariesOf([gemm, pictures]));
  for (const text of ['matrix products', 'convolutional nets, predictions', '1.00', '2.00'])
    expect(svg).toContain(text);
});

test('the page has a line for each suite with peers, and every row of every suite', () => {
  const page = resultsPage([alone, gemm, pictures]);
  expect(page).toContain('| [matrix products](#gemm) | 2 | 1.00 × | 0.50 ×: NN, 2x3 | 2.00 ×: NT, 2x3 | a, b |');
  expect(page).toContain(
    '2026-01-02; a CPU, 4 cores, huge pages: never, linux x64, Node v20; 1 thread. other 3.1; latent 0.1.0.',
  );
  expect(page).toContain('Problem: it hung\n\n');
  expect(page).toContain('| NT | 2x3 | 10.0 ms | 2 % | 2.00 × | 4.00 × | 2.00 × |');
  expect(page).toContain('| NN | 2x3 | 10.0 ms | 2 % | 0.50 × |  | 0.50 × |');
  expect(page).toContain('| a call | 2x3 | 3.00 ms | 2 % |');
  expect(page.match(/^## .*/gm)).toEqual(['## pictures', '## gemm', '## overhead']);
});

test('a folder of results gets its page and picture', () => {
  const folder = mkdtempSync(join(tmpdir(), 'latent-'));
  try {
    writeResults(join(folder, 'gemm.json'), gemm);
    writeOverview(folder);
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe(resultsPage([gemm]));
    expect(readFileSync(join(folder, 'overview.svg'), 'utf8')).toBe(overviewPlot(summariesOf([gemm])));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the page and the picture that are kept are those of the results that are kept; else: npm run bench -- --report', () => {
  const folder = join(__dirname, '..', '..', 'bench', 'results');
  const all = readFolder(folder);
  expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe(resultsPage(all));
  expect(readFileSync(join(folder, 'overview.svg'), 'utf8')).toBe(overviewPlot(summariesOf(all)));
});
