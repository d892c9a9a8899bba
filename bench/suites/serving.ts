import { availableParallelism } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { Contender, ContenderError, type Launch } from '../contenders/contender.js';
import { onnxruntime } from '../contenders/node-peers.js';
import { worker } from '../contenders/workers.js';
import { makeRow, type Row } from '../report/row.js';
import { median } from '../report/statistics.js';
import { Load, type Loaded, loadGenerator } from '../workers/load-generator.js';
import type { ServingSpec } from '../workers/serving.js';
import { nameOf } from './nets.js';
import type { CaseName, Context, Suite } from './suite.js';

const NAME = 'serving';
const TIMEOUT = 60_000;
const SIZES = [784, 512, 512, 10];
const ONE_BY_ONE = 'one by one';

const RATE = 'requests answered';
const LATE = '99th percentile of the time to an answer';

const connectionsOf = (quick: boolean): readonly number[] => (quick ? [32] : [1, 8, 64]);
const shapeOf = (connections: number): string => `${nameOf(SIZES)}, ${connections} at a time`;
/** The generator tells milliseconds, less than which one request alone takes. */
const figuresOf = (connections: number): readonly string[] => (connections === 1 ? [RATE] : [RATE, LATE]);
const namesOf = (quick: boolean): CaseName[] =>
  connectionsOf(quick).flatMap(connections =>
    figuresOf(connections).map(name => ({ case: name, shape: shapeOf(connections) })),
  );

const spec = (batching: ServingSpec['batching']): ServingSpec => ({
  kind: 'serving',
  batching,
  sizes: SIZES,
  batch: 1,
});

/** A server that is ready, by its port. */
interface Ready {
  readonly contender: Contender;
  readonly port: number;
}

async function start(
  name: string,
  launch: Launch,
  batching: ServingSpec['batching'],
  context: Context,
): Promise<Ready | null> {
  try {
    const { contender, version } = await Contender.start(name, launch, TIMEOUT);
    context.version(name, version);
    await contender.prepare(spec(batching), NAME);
    const { values } = await contender.answer(NAME);
    return { contender, port: values[0] as number };
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    context.problem(error.message);
    return null;
  }
}

/** Milliseconds that a server has before it is asked, and after that. */
const AROUND = 200;

/** What a server stands: it runs while it is asked, and is stopped otherwise, as all contenders are. */
async function asked({ contender, port }: Ready, connections: number, seconds: number): Promise<Loaded> {
  const standing = contender.time(1000 * (seconds + 1) + 2 * AROUND, 0, NAME);
  await setTimeout(AROUND);
  const loaded = await new Load(port, 4 * (SIZES[0] as number)).run(connections, seconds);
  await standing;
  return loaded;
}

/** What each server stood, in turns, medians over the rounds. */
async function measured(
  servers: ReadonlyMap<string, Ready>,
  connections: number,
  context: Context,
): Promise<Map<string, Loaded>> {
  const [rounds, seconds] = context.quick ? [2, 2] : [5, 3];
  const seen = new Map<string, Loaded[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, server] of servers) {
      context.progress(`${NAME}: ${name}, ${connections} at a time`);
      const one = await asked(server, connections, seconds);
      if (one.failed > 0) context.problem(`${name} answered ${one.failed} of its requests wrongly`);
      seen.set(name, [...(seen.get(name) ?? []), one]);
    }
  }
  const middle = (list: readonly Loaded[], of: (one: Loaded) => number): number => median(list.map(of));
  return new Map(
    [...seen].map(([name, list]) => [
      name,
      { perSecond: middle(list, one => one.perSecond), p99: middle(list, one => one.p99), failed: 0 },
    ]),
  );
}

export const serving: Suite = {
  name: NAME,
  about:
    'an HTTP server that predicts a row for each request, on all cores, which it shares with those who ask: in micro-batches, one by one, and with onnxruntime in the same server',
  peers: [onnxruntime],
  cases: ({ quick }) => namesOf(quick),
  async run(context) {
    if (!namesOf(context.quick).some(context.chosen)) return [];
    if (!loadGenerator.installed) {
      context.missing(loadGenerator.peer);
      return [];
    }
    const threads = availableParallelism();
    const ours = worker('latent', [String(threads)]);
    const launches: [string, Launch | undefined, ServingSpec['batching']][] = [
      ['latent', ours, 'micro-batches'],
      [ONE_BY_ONE, ours, 'one by one'],
    ];
    if (context.peers?.includes(onnxruntime.name) !== false) {
      const found = onnxruntime.find(threads);
      if (found === null) context.missing(onnxruntime);
      else launches.push([onnxruntime.name, found[0], 'one by one']);
    }
    const servers = new Map<string, Ready>();
    const rows: Row[] = [];
    try {
      for (const [name, launch, batching] of launches) {
        const server = launch === undefined ? null : await start(name, launch, batching, context);
        if (server !== null) servers.set(name, server);
      }
      for (const connections of connectionsOf(context.quick)) {
        const found = await measured(servers, connections, context);
        const row = (name: string, unit: Row['unit'], better: Row['better'], of: (one: Loaded) => number): Row => {
          const all = Object.fromEntries([...found].map(([who, one]) => [who, of(one)]));
          const { latent = Number.NaN, [ONE_BY_ONE]: single = Number.NaN, ...peers } = all;
          const baselines = { [ONE_BY_ONE]: single };
          return makeRow({
            suite: NAME,
            case: name,
            shape: shapeOf(connections),
            threads,
            unit,
            better,
            ours: latent,
            peers,
            baselines,
          });
        };
        rows.push(row(RATE, '/s', 'more', one => one.perSecond));
        if (figuresOf(connections).includes(LATE)) rows.push(row(LATE, 'ms', 'less', one => one.p99));
      }
    } finally {
      await Promise.all([...servers.values()].map(({ contender }) => contender.close()));
    }
    return rows.filter(context.chosen);
  },
};
