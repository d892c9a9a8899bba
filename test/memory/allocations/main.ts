/**
 * Fails each memory request of each operation in turn, in a process that test/support/allocation-faults.ts starts. Arguments:
 * how many of an operation's requests are failed in each way, how many operations are drawn (0 is all of them), and what their
 * names contain. Before each operation its name goes to the standard error, so that a process that dies tells where; in the end
 * a line of JSON tells what was seen.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { memory, OutOfMemoryError } from '../../../lib/index.js';
import { makeRandom } from '../../support/random.js';
import { operations } from './operations/index.js';
import { type Operation, shown, stateOf } from './operations/operation.js';

interface Faults {
  begin(path: string, k: number, always: boolean): void;
  end(): number;
}

const faults = require(process.env.LATENT_TEST_FAULTS as string) as Faults;
const addon = join(__dirname, '..', '..', '..', 'build', 'Release', 'latent.node');
const [most, drawn] = [2, 3].map(i => Number(process.argv[i] ?? 0)) as [number, number];
const wanted = process.argv[4] ?? '';

const seen = { operations: 0, requests: 0, refused: 0, absorbed: 0, wrong: [] as string[] };

/** What differs between two states, as far as it fits a line. */
function difference(a: unknown, b: unknown, path = ''): string {
  if (isDeepStrictEqual(a, b)) return '';
  if (typeof a === 'object' && a !== null && typeof b === 'object' && b !== null) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const [one, other] = [(a as never)[key], (b as never)[key]] as unknown[];
      const text = difference(one, other, `${path}.${key}`);
      if (text !== '') return text;
    }
  }
  return `${path}: ${String(a).slice(0, 60)} became ${String(b).slice(0, 60)}`;
}

type Ending = { readonly value: unknown } | { readonly error: unknown };

async function acting(act: () => unknown): Promise<Ending> {
  try {
    return { value: await act() };
  } catch (error) {
    return { error };
  }
}

async function inFolder<R>(body: (folder: string) => Promise<R>): Promise<R> {
  const folder = mkdtempSync(join(tmpdir(), 'latent-faults-'));
  try {
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const emptyPools = (): void => memory.collect();

/** The result and the state after it of a run that nothing disturbs, and how many requests it makes. */
function undisturbed(operation: Operation) {
  return inFolder(async folder => {
    const prepared = operation.prepare(folder);
    emptyPools();
    faults.begin(addon, 0, false);
    const ending = await acting(prepared.act);
    const requests = faults.end();
    if ('error' in ending) throw ending.error;
    return { requests, value: shown(ending.value), state: stateOf(prepared, folder) };
  });
}

/** A state without the gradients that are gone after a failure. */
const withoutGone = (state: any, after: any): unknown => ({
  ...state,
  parameters: state.parameters.map((list: object[], i: number) =>
    list.map((p, j) => (after.parameters[i][j].gradient === null ? { ...p, gradient: null } : p)),
  ),
});

/** One request fails, or all from it on; answers whether the operation made fewer. */
async function failOne(operation: Operation, k: number, always: boolean, expected: any): Promise<boolean> {
  return inFolder(async folder => {
    const prepared = operation.prepare(folder);
    const before = stateOf(prepared, folder);
    emptyPools();
    faults.begin(addon, k, always);
    const ending = await acting(prepared.act);
    const isBeyond = faults.end() < k;
    const wrong = (what: string): void => {
      seen.wrong.push(`${operation.name}, request ${k}${always ? ' and all after it' : ''}: ${what}`);
    };
    if ('error' in ending) {
      const { error } = ending;
      seen.refused++;
      if (!(error instanceof OutOfMemoryError)) wrong(`raised ${(error as Error)?.stack?.slice(0, 600)}`);
      const after = stateOf(prepared, folder);
      const text = difference(operation.mayDropGradients ? withoutGone(before, after) : before, after);
      if (text !== '') wrong(`left something else, ${text}`);
      const again = await acting(prepared.act);
      if ('error' in again) {
        wrong(`raised when it was called again: ${(again.error as Error)?.stack?.slice(0, 600)}`);
        return isBeyond;
      }
      const answer = { value: shown(again.value), state: stateOf(prepared, folder) };
      const { value, state } = expected;
      const other = difference({ value, state }, answer);
      if (other !== '') wrong(`gave something else when it was called again, ${other}`);
    } else {
      if (!isBeyond) seen.absorbed++;
      const answer = { value: shown(ending.value), state: stateOf(prepared, folder) };
      const { value, state } = expected;
      const other = difference({ value, state }, answer);
      if (other !== '') wrong(`gave something else, ${other}`);
    }
    return isBeyond;
  });
}

async function sweep(operation: Operation, index: number): Promise<void> {
  process.stderr.write(`${operation.name}\n`);
  // What is kept from one run to the next is there from here on.
  await undisturbed(operation);
  const expected = await undisturbed(operation);
  seen.operations++;
  seen.requests += expected.requests;
  const random = makeRandom(index);
  for (const always of [false, true]) {
    if (most > 0) {
      for (let i = 0; i < most; i++) await failOne(operation, random.int(1, expected.requests + 1), always, expected);
      continue;
    }
    for (let k = 1; !(await failOne(operation, k, always, expected)); k++);
  }
}

(async () => {
  process.removeAllListeners('warning');
  const all = operations().filter(operation => operation.name.includes(wanted));
  const draw = makeRandom(all.length);
  while (drawn > 0 && all.length > drawn) all.splice(draw.int(0, all.length - 1), 1);
  for (const [i, operation] of all.entries()) {
    try {
      await sweep(operation, i);
    } catch (error) {
      faults.end();
      seen.wrong.push(`${operation.name} cannot be run: ${(error as Error).stack}`);
    }
  }
  console.log(JSON.stringify(seen));
})();
