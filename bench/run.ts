import { join } from 'node:path';
import type { Peer } from './contenders/peer.js';
import { describeMachine, readMachine } from './machine.js';
import { writeOverview } from './report/folder.js';
import { type Results, writeResults } from './report/json.js';
import { plotOf, writePlot } from './report/plot.js';
import type { Row } from './report/row.js';
import { tableOf } from './report/table.js';
import { type Context, hasText, type Suite } from './suites/suite.js';

export interface RunOptions {
  readonly quick: boolean;
  readonly threads: number;
  /** What the name or the shape of a case must have; the suites' own files, which are of whole suites, aren't written then. */
  readonly filter?: string | undefined;
  /** Names of the peers wanted; all when absent. */
  readonly peers?: readonly string[] | undefined;
  /** Where the rows of all suites go, besides each suite's own files. */
  readonly json?: string | undefined;
  /** The folder of the suites' files. */
  readonly results: string;
}

/** Shows what is being done in one line of a terminal, and nothing elsewhere. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
}

/** Runs suites, prints and writes what they find, and answers how many things were wrong. */
export async function runSuites(
  suites: readonly Suite[],
  options: RunOptions,
  print: (text: string) => void,
): Promise<number> {
  const about = {
    date: new Date().toISOString(),
    machine: readMachine(),
    threads: options.threads,
    quick: options.quick,
  };
  const versions = new Map<string, string>();
  const missing = new Map<string, string>();
  const problems: string[] = [];
  const rows: Row[] = [];
  print(`${describeMachine(about.machine)}; ${options.threads} ${options.threads === 1 ? 'thread' : 'threads'}`);

  for (const suite of suites.filter(({ cases }) => cases(options).some(name => hasText(name, options.filter)))) {
    const own: Results = await runSuite(suite, options, about);
    print(`\n${suite.name}: ${suite.about}`);
    print(tableOf(own.rows).trimEnd());
    for (const [name, version] of Object.entries(own.versions)) print(`${name}: ${version}`);
    for (const [peer, install] of Object.entries(own.missing)) print(`${peer} is missing; to install it: ${install}`);
    for (const problem of own.problems) print(`PROBLEM: ${problem}`);
    if (options.filter === undefined) writeFiles(join(options.results, suite.name), suite, own);
    for (const [name, version] of Object.entries(own.versions)) versions.set(name, version);
    for (const [peer, install] of Object.entries(own.missing)) missing.set(peer, install);
    problems.push(...own.problems);
    rows.push(...own.rows);
  }
  if (options.filter === undefined) writeOverview(options.results);
  if (options.json !== undefined)
    writeResults(options.json, {
      ...about,
      versions: Object.fromEntries(versions),
      missing: Object.fromEntries(missing),
      problems,
      rows,
    });
  return problems.length;
}

function writeFiles(path: string, { name }: Suite, results: Results): void {
  writeResults(`${path}.json`, results);
  const plot = plotOf(`${name}: latent relative to others`, results.rows);
  if (plot !== null) writePlot(`${path}.svg`, plot);
}

async function runSuite(
  suite: Suite,
  { filter, peers, quick, threads }: RunOptions,
  about: Pick<Results, 'date' | 'machine' | 'threads' | 'quick'>,
): Promise<Results> {
  const versions: Record<string, string> = {};
  const missing: Record<string, string> = {};
  const problems: string[] = [];
  const context: Context = {
    quick,
    threads,
    machine: about.machine,
    peers: peers ?? null,
    chosen: name => hasText(name, filter),
    problem: text => problems.push(text),
    version(name, version) {
      versions[name] = version;
    },
    missing(peer: Peer) {
      missing[peer.name] = peer.install;
      if (peers !== undefined) problems.push(`${peer.name} was asked for and is missing`);
    },
    progress: showProgress,
  };
  let rows: Row[] = [];
  try {
    rows = await suite.run(context);
  } catch (error) {
    problems.push(`${suite.name} stopped: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  }
  showProgress('');
  return { ...about, versions, missing, problems, rows };
}
