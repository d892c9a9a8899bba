import { predictMode, unrecorded } from '../../autograd/modes.js';
import { AbortError, ArgumentError, BlockError } from '../../errors.js';
import { concat } from '../../ops/join.js';
import { slice } from '../../ops/view.js';
import type { Found } from '../../plan/cache.js';
import type { Requester } from '../../plan/evaluate.js';
import { fill, flatten } from '../../plan/frame.js';
import { checkRoom } from '../../plan/prediction.js';
import { checkInteger, checkOptions, checkSize, shown } from '../../support/check.js';
import { checkHeap } from '../../support/heap.js';
import { checkTensor, type Tensor } from '../../tensor/tensor.js';
import { mapTensors } from '../../trace/shape-pass.js';
import { guarded } from '../../trace/transaction.js';
import type { BlockBase } from './block.js';
import { plansFor } from './plans.js';
import { checkIdle, describeBlock, settleFromShapes, subjectOf } from './run.js';
import { classOf, treeOf } from './tree.js';

export interface PredictSyncOptions {
  /** The most samples that are run at once; all by default. Results are joined again. */
  batchSize?: number | undefined;
}

export interface PredictOptions extends PredictSyncOptions {
  /** Gives up: the promise rejects with an AbortError. */
  signal?: AbortSignal | undefined;
  /**
   * How many predictions of this thread may be waiting or running, this call's among them, each part of `batchSize` as one;
   * 65536 by default, and Infinity for no bound. Where they would be more the promise rejects at once with a BusyError, and
   * those that go on are left alone.
   */
  maxQueue?: number | undefined;
}

/** The default bound of the queue. So many waiting predictions take some hundred megabytes. */
const MOST_QUEUED = 2 ** 16;

const SEVERAL = 'several inputs as one array';

const requester: Requester = { who: 'predict', instead: 'call the net in predictMode()' };

/** The arguments of a net: the input, or each entry of an array. */
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

/** How many parts the inputs are run in. */
function partsOf(inputs: unknown[], most: number | undefined): number {
  if (most === undefined) return 1;
  const count = flatten(inputs).tensors[0]?.shape[0] ?? 0;
  return Math.max(1, Math.ceil(count / most));
}

/** The inputs by at most `most` samples at once. */
function chunks(inputs: unknown[], most: number | undefined): unknown[][] {
  if (most === undefined) return [inputs];
  const [first] = flatten(inputs).tensors;
  const count = first?.shape[0] ?? 0;
  if (count <= most) return [inputs];
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

/** Finds the plan of each part, in prediction mode, and starts it, once `admit` has let so many parts pass. */
function start<R>(
  block: BlockBase,
  input: unknown,
  batchSize: number | undefined,
  admit: (parts: number) => void,
  run: (found: Found) => R,
): R[] {
  checkIdle(block, 'predict');
  admit(1);
  const inputs = inputsOf(input);
  return predictMode(() =>
    unrecorded(() => {
      settle(block, inputs);
      const plans = plansFor(block, subjectOf(block));
      admit(partsOf(inputs, batchSize));
      return chunks(inputs, batchSize).map(part => run(plans.find(part, requester)));
    }),
  );
}

function checkBatchSize(value: number | undefined): number | undefined {
  return value === undefined ? undefined : checkSize('predict: batchSize', value);
}

export function predictSync(block: BlockBase, input: unknown, options: PredictSyncOptions | undefined): unknown {
  const { batchSize } = checkOptions('predictSync', options, ['batchSize'], SEVERAL);
  const run = (found: Found) => ({ found, value: resultOf(found, found.plan.run(found.tensors)) });
  return guarded(() =>
    whole(
      block,
      start(block, input, checkBatchSize(batchSize), () => undefined, run),
    ),
  );
}

function checkMaxQueue(value: number | undefined): number {
  return value === undefined || value === Infinity
    ? (value ?? MOST_QUEUED)
    : checkInteger('predict: maxQueue', value, 1);
}

function whole(block: BlockBase, parts: readonly { found: Found; value: unknown }[]): unknown {
  if (parts.length === 1) return parts[0]?.value;
  return join(
    describeBlock(block),
    parts.map(part => flatten(part.value)),
    parts.map(part => part.found.tensors[0]?.shape[0] ?? 0),
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

/** One part of a prediction that goes on. */
interface Part {
  readonly found: Found;
  value: unknown;
  stop(): void;
}

/** Whether a signal has been aborted. Raises for what is none, an object that only inherits from one included. */
function isAborted(signal: unknown): boolean {
  try {
    if (signal instanceof AbortSignal) return signal.aborted;
  } catch {
    // told below
  }
  throw new ArgumentError(`predict: signal takes an AbortSignal, but got ${shown(signal)}`);
}

const aborted = (signal: AbortSignal): AbortError =>
  new AbortError('predict: the prediction was aborted by its signal', { cause: signal.reason });

/**
 * A waiting prediction holds one promise and two callbacks for each of its parts, because a server may have many of them.
 */
export function predict(block: BlockBase, input: unknown, options: PredictOptions | undefined): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const { signal, batchSize, maxQueue } = checkOptions(
      'predict',
      options,
      ['signal', 'batchSize', 'maxQueue'],
      SEVERAL,
    );
    const most = checkBatchSize(batchSize);
    const mostQueued = checkMaxQueue(maxQueue);
    if (signal !== undefined && isAborted(signal)) throw aborted(signal);
    const parts: Part[] = [];
    // Parts that go on, and the call itself until all have begun.
    let open = 1;
    let isOver = false;
    let ignore = (): void => undefined;
    const giveUp = (error: unknown): void => {
      if (isOver) return;
      isOver = true;
      ignore();
      for (const part of parts) part.stop();
      reject(error as Error);
    };
    const endOne = (): void => {
      if (--open > 0 || isOver) return;
      isOver = true;
      ignore();
      try {
        resolve(whole(block, parts));
      } catch (error) {
        reject(error as Error);
      }
    };
    try {
      const admit = (count: number): void => checkRoom(count, mostQueued);
      start(block, input, most, admit, found => {
        if (isOver) return;
        if (found.plan.written.length > 0) {
          throw new BlockError(
            `predict: the forward of ${describeBlock(block)} writes to a tensor, which a prediction beside the program must not; call predictSync`,
          );
        }
        const part: Part = { found, value: undefined, stop: () => undefined };
        parts.push(part);
        open++;
        const done = (outputs: readonly Tensor[]): void => {
          part.value = resultOf(found, outputs);
          endOne();
        };
        part.stop = found.plan.predict(found.tensors, done, giveUp);
      });
    } catch (error) {
      // Parts that have begun have nobody to tell.
      giveUp(error);
    }
    if (signal !== undefined && !isOver) {
      // A forward that was traced may have aborted it: then its event has gone by.
      if (signal.aborted) giveUp(aborted(signal));
      else ignore = onAbort(signal, () => giveUp(aborted(signal)));
    }
    endOne();
  });
}
