import type { DType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import type { AnyOp, Operand, Signature } from './op.js';

/** Evaluates operations without numbers; lib/trace puts one here for the length of a pass. */
export interface AbstractEvaluator {
  /** The result of an operation. */
  evaluate(signature: Signature, op: AnyOp, inputs: readonly Operand[], attrs: unknown): Tensor;
  /** A tensor without operands: zeros, or random numbers where it `draws`. */
  create(signature: Signature, make: () => Tensor, draws: boolean): Tensor;
  /** A tensor of numbers that JavaScript holds. */
  constant(signature: Signature, make: () => Tensor): Tensor;
  /** The same tensor outside any recorded graph. */
  alias(t: Tensor): Tensor;
  /** A copy of `source` into a tensor that existed before the pass; refused where nothing may change. */
  write(target: Tensor, source: Tensor): void;
  /** Refuses any other write to a tensor that existed before the pass. */
  refuseWrite(t: Tensor): never;
}

/** The strides of a window of such a shape and attributes onto a tensor of shape `from` and `strides`. */
export type ViewStrides<A> = (
  strides: readonly number[],
  from: readonly number[],
  shape: readonly number[],
  attrs: A,
) => readonly number[];

/** Takes native calls down instead of their being made; lib/plan puts one here while it turns a graph into steps. */
export interface Recorder {
  /** A call with new tensors of one dtype for its results. */
  make(
    code: number,
    inputs: readonly Operand[],
    shapes: readonly (readonly number[])[],
    dtype: DType,
    scalarDType: DType,
  ): Tensor[];
  /** A call whose result is a window onto its input's elements. */
  view<A>(code: number, input: Tensor, shape: readonly number[], strides: ViewStrides<A>, attrs: A): Tensor;
  /** A call that writes into a tensor that the others made. */
  into(code: number, inputs: readonly Operand[], target: Tensor): void;
  /** Whether a tensor that is made by the calls, or given to them, is contiguous; undefined for any other. */
  isContiguous(t: Tensor): boolean | undefined;
  /** The next call draws from a generator, a block of its stream for so many elements. */
  draw(generator: object, perBlock: number): void;
}

/** Sees operations go by; lib/autograd puts one here while it records. */
export interface Tape {
  record(op: AnyOp, attrs: unknown, inputs: readonly Operand[], output: Tensor, work: readonly Tensor[]): void;
  /** Refuses or allows a write in place. */
  beforeWrite(t: Tensor): void;
}

/** Sees writes in place before they happen; lib/trace puts one here while a first call can still be rolled back. */
export interface WriteLog {
  beforeWrite(t: Tensor): void;
}

/** Hears of a generator that is about to move; lib/trace puts one here while random streams can still be taken back. */
export type MoveLog = (generator: object) => void;

/**
 * The state of this thread during a call: who watches operations and native calls, and on whose behalf. Modules above add what
 * they own. A call that sets any of it for a while does so by `within`.
 */
export interface Context {
  /** Evaluates operations without numbers. */
  abstract: AbstractEvaluator | null;
  /** Records operations for gradients. */
  tape: Tape | null;
  /** Takes native calls down. */
  recorder: Recorder | null;
  /** Sees writes in place before they happen. */
  writes: WriteLog | null;
  /** Hears of generators before they move. */
  moves: MoveLog | null;
  /** Takes charge of new tensors, which then have no weak reference: their owner frees them at once when it is done. */
  scope: Tensor[] | null;
}

export const context = {
  abstract: null,
  tape: null,
  recorder: null,
  writes: null,
  moves: null,
  scope: null,
} as Context;

/** Runs `body` in the context with such changes, which are taken back when it ends. */
export function within<R>(changes: Partial<Context>, body: () => R): R {
  const fields: Record<string, unknown> = { ...changes };
  exchange(fields);
  try {
    return body();
  } finally {
    exchange(fields);
  }
}

/** Gives the context such fields and takes those that they replace. */
function exchange(fields: Record<string, unknown>): void {
  const all = context as unknown as Record<string, unknown>;
  for (const name in fields) {
    const before = all[name];
    all[name] = fields[name];
    fields[name] = before;
  }
}
