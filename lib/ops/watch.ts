import type { DType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import type { AnyOp, Operand, Signature } from './op.js';

/** Evaluates operations without numbers; lib/trace puts one here for the length of a pass. */
export interface AbstractEvaluator {
  /** The result of an operation. */
  evaluate(signature: Signature, op: AnyOp, inputs: readonly Operand[], attrs: unknown): Tensor;
  /** What native calls make of nothing: zeros, or where it `draws` random numbers. */
  create(signature: Signature, make: () => Tensor, draws: boolean): Tensor;
  /** What is made of numbers that JavaScript holds. */
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
  /** Whether a tensor that is made by the calls, or given to them, lies in order; undefined for any other. */
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

/** The one place in which those who watch calls go by put themselves. */
export const watchers: {
  abstract: AbstractEvaluator | null;
  tape: Tape | null;
  writes: WriteLog | null;
  recorder: Recorder | null;
} = {
  abstract: null,
  tape: null,
  writes: null,
  recorder: null,
};
