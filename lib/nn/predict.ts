import { predictMode, unrecorded } from '../autograd/modes.js';
import { AbortError, ArgumentError, BlockError } from '../errors.js';
import { concat } from '../ops/join.js';
import { slice } from '../ops/view.js';
import type { Found } from '../plan/cache.js';
import type { Asker } from '../plan/evaluate.js';
import { fill, flatten } from '../plan/structure.js';
import { checkOptions, checkSize, shown } from '../support/check.js';
import { checkHeap } from '../support/heap.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { mapTensors } from '../trace/shape-pass.js';
import type { BlockBase } from './block-base.js';
import { checkIdle, describeBlock, settleFromShapes, subjectOf } from './call.js';
import { plansFor } from './planned.js';
import { classOf, treeOf } from './structure.js';

export interface PredictSyncOptions {
  /** The most samples that are run at once; all by default. Results are joined again. */
  batchSize?: number | undefined;
}

export interface PredictOptions extends PredictSyncOptions {
  /** Gives up: the promise rejects with an AbortError. */
  signal?: AbortSignal | undefined;
}

const SEVERAL = 'several inputs as one array';

const asker: Asker = { who: 'predict', instead: 'call the net in predictMode()' };

/** What a net is called with: the input, or each entry of an array. */
function inputsOf(input: unknown): unknown[] {
  return Array.isArray(input) ? input : [input];
}

/** Settles the shapes of a net that waits for them. */
function settle(block: BlockBase, inputs: readonly unknown[]): void {
  if (![...treeOf(block).parameters.values()].some(parameter => parameter.state === 'deferred')) return;
  settleFromShapes(
    block,
    inputs.map(x => checkTensor(`predict: ${classOf(block)}, which waits for the shapes of its inputs,`, x)),
    'predict',
    'call the net once before',
  );
}

/** About what a part keeps on the heap, of the least net: its inputs and results, and what joins these. */
const PART = 2000;

/** The inputs by at most `most` samples at once. */
function chunks(inputs: unknown[], most: number | undefined): unknown[][] {
  const [first] = flatten(inputs).tensors;
  const count = first?.shape[0] ?? 0;
  if (most === undefined || count <= most) return [inputs];
  const parts: unknown[][] = [];
  const pieces = Math.ceil(count / most);
  checkHeap(
    `predict: ${pieces} parts of ${count} samples (batchSize ${most})`,
    pieces * PART,
    'take a larger batchSize',
  );
  for (let from = 0; from < count; from += most) {
    const range = [from, Math.min(count, from + most)] as const;
    parts.push(mapTensors(inputs, t => (t.shape[0] === count ? slice(t, range) : t)) as unknown[]);
  }
  return parts;
}

/** Results of parts as one: tensors joined along their first axis. */
function join(
  who: string,
  results: readonly { frame: unknown; tensors: readonly Tensor[] }[],
  counts: readonly number[],
): unknown {
  const [first] = results as [(typeof results)[number]];
  const joined = first.tensors.map((_, i) => {
    const parts = results.map(result => result.tensors[i] as Tensor);
    if (parts.some((t, j) => t.shape[0] !== counts[j]))
      throw new ArgumentError(
        `predict: batchSize takes a net whose results have a row for each sample, but ${who} gives ${shown(parts[0])}`,
      );
    return concat(parts as [Tensor, ...Tensor[]]) as Tensor;
  });
  return fill(first.frame, joined);
}

const resultOf = ({ result }: Found, outputs: readonly Tensor[]): unknown =>
  result === null ? outputs[0] : fill(result, outputs);

/** Finds the plan of each part, in prediction mode, and starts it. */
function start<R>(block: BlockBase, input: unknown, batchSize: number | undefined, run: (found: Found) => R): R[] {
  checkIdle(block, 'predict');
  const inputs = inputsOf(input);
  return predictMode(() =>
    unrecorded(() => {
      settle(block, inputs);
      const plans = plansFor(block, subjectOf(block));
      return chunks(inputs, batchSize).map(part => run(plans.find(part, asker)));
    }),
  );
}

function checkBatchSize(value: number | undefined): number | undefined {
  return value === undefined ? undefined : checkSize('predict: batchSize', value);
}

export function predictSync(block: BlockBase, input: unknown, options: PredictSyncOptions | undefined): unknown {
  const { batchSize } = checkOptions('predictSync', options, ['batchSize'], SEVERAL);
  const parts = start(block, input, checkBatchSize(batchSize), found => ({
    found,
    value: resultOf(found, found.plan.run(found.tensors, found.batch)),
  }));
  return whole(block, parts);
}

function whole(block: BlockBase, parts: readonly { found: Found; value: unknown }[]): unknown {
  if (parts.length === 1) return parts[0]?.value;
  return join(
    describeBlock(block),
    parts.map(part => flatten(part.value)),
    parts.map(part => part.found.batch),
  );
}

const aborting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls back when a signal aborts, and answers what ends that: many predictions of one signal are one listener to it. */
function onAbort(signal: AbortSignal, call: () => void): () => void {
  let calls = aborting.get(signal);
  if (calls === undefined) {
    const made = new Set<() => void>();
    calls = made;
    aborting.set(signal, made);
    signal.addEventListener('abort', () => made.forEach(one => void one()), { once: true });
  }
  const all = calls;
  all.add(call);
  return () => void all.delete(call);
}

export async function predict(block: BlockBase, input: unknown, options: PredictOptions | undefined): Promise<unknown> {
  const { signal, batchSize } = checkOptions('predict', options, ['signal', 'batchSize'], SEVERAL);
  const most = checkBatchSize(batchSize);
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new ArgumentError(`predict: signal takes an AbortSignal, but got ${shown(signal)}`);
  const aborted = () => new AbortError('predict: the prediction was aborted by its signal', { cause: signal?.reason });
  if (signal?.aborted === true) throw aborted();
  const running: { found: Found; outputs: Promise<Tensor[]>; stop(): void }[] = [];
  try {
    start(block, input, most, found => {
      if (found.plan.written.length > 0) {
        throw new BlockError(
          `predict: the forward of ${describeBlock(block)} writes to a tensor, which a prediction beside the program must not; call predictSync`,
        );
      }
      running.push({ found, ...found.plan.predict(found.tensors, found.batch) });
    });
  } catch (error) {
    // Parts that have begun have nobody to tell.
    for (const one of running) {
      one.stop();
      one.outputs.catch(() => undefined);
    }
    throw error;
  }
  const done = Promise.all(
    running.map(async ({ found, outputs }) => ({ found, value: resultOf(found, await outputs) })),
  );
  if (signal === undefined) return whole(block, await done);
  let ignore = (): void => undefined;
  const abort = new Promise<never>((_, reject) => {
    ignore = onAbort(signal, () => {
      for (const one of running) one.stop();
      reject(aborted());
    });
  });
  try {
    return whole(block, await Promise.race([done, abort]));
  } finally {
    // What ends later, for it was stopped, has nobody to tell.
    done.catch(() => undefined);
    ignore();
  }
}
