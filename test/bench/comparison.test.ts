import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { transformFileSync } from '@swc/core';
import type { Launch } from '../../bench/contenders/contender';
import type { Peer } from '../../bench/contenders/peer';
import type { Results } from '../../bench/report/json';
import { runSuites } from '../../bench/run';
import { type Comparison, comparisonSuite } from '../../bench/suites/comparison';
import { root } from '../support/child';

const folder = mkdtempSync(join(tmpdir(), 'latent-bench-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Contenders are many short processes: compiled once, they start at once. */
beforeAll(() => {
  const module = { type: 'commonjs' } as const;
  for (const path of ['bench/workers/serve.ts', 'bench/contenders/protocol.ts', 'test/bench/fake.ts']) {
    const { code } = transformFileSync(join(root, path), { jsc: { parser: { syntax: 'typescript' } }, module });
    const target = join(folder, path.replace(/ts$/, 'js'));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, code);
  }
});

const fake = (how: string, version = '1.2.3'): Launch => ({
  label: '',
  file: process.execPath,
  args: [join(folder, 'test', 'bench', 'fake.js'), how, version],
});
const peer = (name: string, ...launches: readonly Launch[]): Peer => ({
  name,
  install: `install ${name}`,
  find: () => (launches.length === 0 ? null : launches),
});

const one = (kind: string): Comparison => ({
  case: kind,
  shape: '3',
  unit: 'µs',
  better: 'less',
  figure: seconds => seconds * 1e6,
  spec: { kind },
  tolerance: 1e-6,
  roofs: [],
});

/** Runs a suite of two cases against a good peer and others, and reads back what it wrote. */
async function run(
  peers: readonly Peer[],
  { ours = 'good', wanted }: { ours?: string; wanted?: readonly string[] } = {},
) {
  const suite = comparisonSuite({
    name: 'fakes',
    about: 'nothing real',
    peers: [peer('Good', fake('good')), ...peers],
    ours: () => fake(ours),
    cases: () => [one('first'), one('second')],
    timeout: 3000,
  });
  const lines: string[] = [];
  const json = join(folder, 'all.json');
  const problems = await runSuites([suite], { quick: true, threads: 1, peers: wanted, json, results: folder }, text =>
    lines.push(text),
  );
  const results = JSON.parse(readFileSync(join(folder, 'fakes.json'), 'utf8')) as Results;
  const all = JSON.parse(readFileSync(json, 'utf8')) as Results;
  expect(all.rows).toEqual(results.rows);
  return { problems, results, output: lines.join('\n') };
}

const figures = ({ rows }: Results) => rows.map(row => Object.keys(row.peers));

test('peers that answer as we do are timed, and their ratio says how far we are ahead', async () => {
  const { problems, results, output } = await run([peer('Slow', fake('slow'))]);
  expect(problems).toBe(0);
  expect(results.versions).toEqual({ Good: '1.2.3', Slow: '1.2.3', latent: '1.2.3' });
  expect(results.rows.map(row => row.case)).toEqual(['first', 'second']);
  for (const row of results.rows) {
    expect(row.ours).toBeCloseTo(1000);
    expect(row.peers.Slow).toBeCloseTo(2000);
    expect(row.ratioToBest).toBeCloseTo(1);
  }
  expect(output).toContain('2000 (2.00 ×)');
  expect(readFileSync(join(folder, 'fakes.svg'), 'utf8')).toContain('>Slow<');
});

test.each([
  ['crash', /^Bad ended with SIGKILL, asked to run first 3; it is left out of what remains of fakes$/],
  ['hang', /^Bad did not answer within 3 s, asked to run first 3; it was ended; it is left out/],
  ['fail', /^Bad, asked to run first 3, failed: no memory for it; it is left out/],
  ['garble', /^Bad, asked to run first 3, answered no JSON: good morning; it is left out/],
])('a peer that does %s costs its own figures only', async (how, message) => {
  const { problems, results, output } = await run([peer('Bad', fake(how))]);
  expect(problems).toBe(1);
  expect(results.problems).toEqual([expect.stringMatching(message)]);
  expect(output).toContain(`PROBLEM: ${results.problems[0]}`);
  expect(figures(results)).toEqual([['Good'], ['Good']]);
});

test('a peer that does not start is told with its last words', async () => {
  const { problems, results } = await run([peer('Bad', fake('not start'))]);
  expect(problems).toBe(1);
  expect(results.problems[0]).toBe('Bad ended with exit code 3, asked to start; its last words: no such instruction');
  expect(figures(results)).toEqual([['Good'], ['Good']]);
});

test('a peer whose program is not there is told', async () => {
  const { results } = await run([peer('Bad', { label: '', file: join(folder, 'none'), args: [] })]);
  expect(results.problems).toEqual([expect.stringMatching(/^Bad could not be started: spawn .*none ENOENT/)]);
});

test.each([
  ['wrong', /element 2 is 4 where ours is 3/],
  ['short', /2 elements where ours has 3/],
  ['nan', /element 2 is null where ours is 3/],
])('a peer whose answer is %s is not timed', async (how, message) => {
  const { problems, results } = await run([peer('Bad', fake(how))]);
  expect(problems).toBe(2);
  expect(results.problems[0]).toMatch(message);
  expect(results.problems[0]).toMatch(/^Bad answers first 3 wrongly, or we do: .*; its time is left out$/);
  expect(figures(results)).toEqual([['Good'], ['Good']]);
});

test('a peer that is missing is named with what installs it, and nothing is wrong', async () => {
  const { problems, results, output } = await run([peer('Absent')]);
  expect(problems).toBe(0);
  expect(results.missing).toEqual({ Absent: 'install Absent' });
  expect(output).toContain('Absent is missing; to install it: install Absent');
});

test('a peer that was asked for by name and is missing is a problem', async () => {
  const { problems, results } = await run([peer('Absent')], { wanted: ['Good', 'Absent'] });
  expect(problems).toBe(1);
  expect(results.problems).toEqual(['Absent was asked for and is missing']);
  expect(figures(results)).toEqual([['Good'], ['Good']]);
});

test('a peer sits out what it cannot do, and one that was not asked for is left alone', async () => {
  const { problems, results } = await run([peer('Some', fake('unable')), peer('Absent')], { wanted: ['Good', 'Some'] });
  expect(problems).toBe(0);
  expect(results.missing).toEqual({});
  expect(figures(results)).toEqual([['Good', 'Some'], ['Good']]);
});

test('of several ways to start a peer the fastest counts, and one that fails leaves the others', async () => {
  const { problems, results } = await run([peer('Either', fake('slow'), fake('good', '2.0'), fake('crash', '3.0'))]);
  expect(problems).toBe(1);
  expect(results.problems[0]).toMatch(/^Either ended with SIGKILL/);
  expect(results.versions.Either).toBe('1.2.3, or 2.0, or 3.0: in each case the faster');
  expect(results.rows.map(row => row.peers.Either)).toEqual([1000, 1000]);
});

test('ways that come to the same version are one', async () => {
  const { results } = await run([peer('Same', fake('good'), fake('good'))]);
  expect(results.versions.Same).toBe('1.2.3');
});

test('when we fail the case has no row, the next one starts anew, and both are told', async () => {
  const { problems, results } = await run([], { ours: 'crash' });
  expect(problems).toBe(2);
  expect(results.rows).toEqual([]);
  expect(results.problems[1]).toBe('latent ended with SIGKILL, asked to run second 3');
});
