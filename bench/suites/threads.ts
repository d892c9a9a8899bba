import { availableParallelism } from 'node:os';
import { worker } from '../contenders/workers.js';
import type { LayerForm } from '../workers/layers.js';
import { type Comparison, comparisonSuite } from './comparison.js';
import { product } from './gemm.js';
import { joined } from './joined.js';
import { plannedForward } from './layers.js';
import { OF_PEAK } from './names.js';
import { trainFlops } from './nets.js';
import { trainSpec } from './train.js';

const ONE = 'one thread';
const OF_GAIN = "of the peak's gain";

/** 1, 2, 4 and so on, and all cores. */
export function threadCounts(cores: number): number[] {
  const counts: number[] = [];
  for (let count = 1; count < cores; count *= 2) counts.push(count);
  return [...counts, cores];
}

/** Forwards by plans whose branches hang on nothing of each other, and are too small to be split inside. */
const branches: readonly (readonly [string, readonly LayerForm[], readonly number[]])[] = [
  ['LSTM 32, both directions', [{ is: 'lstm', size: 32, bidirectional: true }], [20, 8, 16]],
  ['LSTM 32, both directions', [{ is: 'lstm', size: 32, bidirectional: true }], [20, 64, 16]],
  ['4 heads of 16', [{ is: 'attention', heads: 4 }], [4, 32, 64]],
];

/** A case on so many threads, held against itself on one, and what that gains against what the peak gains. */
function onThreads(one: Comparison, threads: number, work: number): Comparison {
  const peak = { name: OF_PEAK, roof: { kind: 'fma' as const, work, threads } };
  const on = (count: number) => ({ ...one.spec, threads: count });
  const common = { ...one, case: `${one.case}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`, threads };
  if (threads === 1) return { ...common, spec: on(1), roofs: [peak] };
  return {
    ...common,
    spec: on(threads),
    baselines: { [ONE]: on(1) },
    roofs: [peak, { name: 'of peak of one thread', roof: { kind: 'fma', work, threads: 1 } }],
    figures({ ours, baselines, roofs }) {
      const gain = (baselines[ONE] ?? Number.NaN) / ours;
      const peakGain = (roofs[OF_PEAK] ?? Number.NaN) / (roofs['of peak of one thread'] ?? Number.NaN);
      return { [OF_GAIN]: gain / peakGain };
    },
  };
}

/** The same for what is no product. */
function gainOn(one: Comparison, threads: number): Comparison {
  const on = (count: number) => ({ ...one.spec, threads: count });
  const title = `${one.case}, by a plan, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  const common = { ...one, case: title, threads, spec: on(threads) };
  return threads === 1 ? common : { ...common, baselines: { [ONE]: on(1) } };
}

const NAME = 'threads';
const ABOUT =
  "what more threads bring, held against what they bring to the machine's peak of fused multiply-adds itself";
const NET = [784, 512, 512, 10];
const BATCH = 1024;

export const threads = joined(
  comparisonSuite({
    name: NAME,
    about: ABOUT,
    peers: [],
    ours: () => worker('library'),
    cases: ({ quick }) =>
      (quick ? [1024] : [1024, 2048]).flatMap(size =>
        threadCounts(availableParallelism()).map(count => {
          const one = product({ title: 'product', shape: [size, size, size], packed: true, threads: count });
          return onThreads(one, count, 2 * size ** 3);
        }),
      ),
  }),
  comparisonSuite({
    name: NAME,
    about: ABOUT,
    peers: [],
    ours: count => worker('latent', [String(count)]),
    cases: () =>
      threadCounts(availableParallelism()).map(count =>
        onThreads(
          {
            case: 'training step, SGD',
            shape: `${NET.join('-')}, batch ${BATCH}`,
            unit: 'ms',
            better: 'less',
            figure: seconds => seconds * 1000,
            spec: trainSpec('train', NET, BATCH, 'sgd'),
            tolerance: 0,
            roofs: [],
          },
          count,
          trainFlops(NET, BATCH),
        ),
      ),
  }),
  comparisonSuite({
    name: NAME,
    about: ABOUT,
    peers: [],
    ours: count => worker('latent', [String(count)]),
    cases: () =>
      branches.flatMap(([title, layers, input]) =>
        threadCounts(availableParallelism()).map(count => gainOn(plannedForward(title, layers, input), count)),
      ),
  }),
);
