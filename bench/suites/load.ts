import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { makeRow, type Row } from '../report/row.js';
import { median, spreadOf } from '../report/statistics.js';
import { root } from '../root.js';
import type { CaseName, Context, Suite } from './suite.js';

const NAME = 'load';
const START: CaseName = { case: 'start of a process', shape: 'node -e "require(\'latent\')"' };
const sizes: readonly CaseName[] = [
  { case: 'package', shape: 'as it is downloaded' },
  { case: 'package', shape: 'installed' },
  { case: 'addon', shape: 'as it was built here' },
];

/** Milliseconds that a process takes to run a script. */
function startUp(script: string): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`node -e "${script}" ended with ${status}: ${stderr.slice(-400)}`);
  return performance.now() - start;
}

function startRow({ quick, threads }: Context): Row {
  const [ours, empty]: [number[], number[]] = [[], []];
  for (let round = 0; round < (quick ? 7 : 25); round++) {
    ours.push(startUp("require('latent')"));
    empty.push(startUp('0'));
  }
  return makeRow({
    suite: NAME,
    ...START,
    threads,
    unit: 'ms',
    better: 'less',
    ours: median(ours),
    baselines: { 'node -e 0': median(empty) },
    spread: spreadOf(ours),
  });
}

function sizeRows(threads: number): Row[] {
  const { status, stdout, stderr } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error(`npm pack --dry-run ended with ${status}: ${stderr.slice(-400)}`);
  const [pack] = Object.values(JSON.parse(stdout) as Record<string, { size: number; unpackedSize: number }>);
  const bytes = [pack?.size, pack?.unpackedSize, statSync(join(root, 'build', 'Release', 'latent.node')).size];
  return sizes.map((name, i) =>
    makeRow({ suite: NAME, ...name, threads, unit: 'KB', better: 'less', ours: (bytes[i] ?? Number.NaN) / 1024 }),
  );
}

export const load: Suite = {
  name: NAME,
  about: 'what it takes to have the library: the start of a process with it, and the sizes of what is installed',
  peers: [],
  cases: () => [START, ...sizes],
  async run(context) {
    const rows: Row[] = [];
    const attempt = (make: () => readonly Row[]): void => {
      try {
        rows.push(...make());
      } catch (error) {
        context.problem(error instanceof Error ? error.message : String(error));
      }
    };
    if (context.chosen(START)) attempt(() => [startRow(context)]);
    if (sizes.some(context.chosen)) attempt(() => sizeRows(context.threads).filter(context.chosen));
    return rows;
  },
};
