import { availableParallelism } from 'node:os';
import { Contender, ContenderError, type Launch } from '../contenders/contender.js';
import { onnxruntime } from '../contenders/node-peers.js';
import { worker } from '../contenders/workers.js';
import { makeRow, type Row } from '../report/row.js';
import { median } from '../report/statistics.js';
import type { PredictionsSpec } from '../workers/predictions.js';
import { nameOf } from './nets.js';
import type { CaseName, Context, Suite } from './suite.js';

const NAME = 'predictions';
const TIMEOUT = 120_000;
/** A forward of about 50 ms on two cores. */
const SIZES = [2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 10];
const BATCH = 352;
const SHAPE = `${nameOf(SIZES.slice(0, 2))}-…-10, batch ${BATCH}`;

const DELAY = 'longest delay of a timer';
const TWO = 'two at a time';
const ONE = 'one at a time';
const SYNC = 'on the calling thread';
const TAKES = 'a prediction';

const spec = (part: PredictionsSpec['part']): PredictionsSpec => ({
  kind: 'predictions',
  part,
  sizes: SIZES,
  batch: BATCH,
});

/** Seconds of a part in turns of all contenders, by contender; null for one that failed. */
async function inTurns(
  contenders: ReadonlyMap<string, Contender>,
  part: PredictionsSpec['part'],
  iterations: number,
  rounds: number,
  context: Context,
): Promise<Map<string, number[]>> {
  const seconds = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, contender] of contenders) {
      try {
        if (round === 0) await contender.prepare(spec(part), part);
        const taken = await contender.time(iterations, 2, part);
        seconds.set(name, [...(seconds.get(name) ?? []), taken]);
      } catch (error) {
        if (!(error instanceof ContenderError)) throw error;
        context.problem(error.message);
      }
    }
  }
  return seconds;
}

async function start(name: string, launch: Launch, context: Context): Promise<Contender | null> {
  try {
    const { contender, version } = await Contender.start(name, launch, TIMEOUT);
    context.version(name, version);
    return contender;
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    context.problem(error.message);
    return null;
  }
}

const namesOf = (): CaseName[] => [DELAY, ONE, TWO].map(name => ({ case: name, shape: SHAPE }));

export const predictions: Suite = {
  name: NAME,
  about:
    'what predictions beside the program leave of its event loop, on all cores: how late a timer of 1 ms comes at most, and what two at once bring',
  peers: [onnxruntime],
  cases: namesOf,
  async run(context) {
    if (!namesOf().some(context.chosen)) return [];
    const threads = availableParallelism();
    const contenders = new Map<string, Contender>();
    const launches: [string, Launch | undefined][] = [['latent', worker('latent', [String(threads)])]];
    if (context.peers?.includes(onnxruntime.name) !== false) {
      const found = onnxruntime.find(threads);
      if (found === null) context.missing(onnxruntime);
      else launches.push([onnxruntime.name, found[0]]);
    }
    const rows: Row[] = [];
    try {
      for (const [name, launch] of launches) {
        const contender = launch === undefined ? null : await start(name, launch, context);
        if (contender !== null) contenders.set(name, contender);
      }
      if (!contenders.has('latent')) return rows;
      const [iterations, rounds] = context.quick ? [10, 3] : [20, 7];
      const measured = async (part: PredictionsSpec['part'], whose = contenders): Promise<Record<string, number>> => {
        context.progress(`${NAME}: ${part}`);
        const seconds = await inTurns(whose, part, iterations, rounds, context);
        return Object.fromEntries(
          [...seconds].map(([name, taken]) => [name, (1000 * median(taken)) / (part === 'delay' ? 1 : iterations)]),
        );
      };
      const ours = new Map([['latent', contenders.get('latent') as Contender]]);
      const [delay, one, two, sync] = [
        await measured('delay'),
        await measured('one'),
        await measured('two'),
        await measured('sync', ours),
      ];
      const row = (name: string, figures: Record<string, number>, baselines: Record<string, number>): Row => {
        const { latent = Number.NaN, ...peers } = figures;
        return makeRow({
          suite: NAME,
          case: name,
          shape: SHAPE,
          threads,
          unit: 'ms',
          better: 'less',
          ours: latent,
          peers,
          baselines,
        });
      };
      rows.push(
        row(DELAY, delay, { [TAKES]: one.latent ?? Number.NaN }),
        row(ONE, one, { [SYNC]: sync.latent ?? Number.NaN }),
        row(TWO, two, { [SYNC]: sync.latent ?? Number.NaN }),
      );
    } finally {
      await Promise.all([...contenders.values()].map(contender => contender.close()));
    }
    return rows.filter(context.chosen);
  },
};
