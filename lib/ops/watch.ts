import type { Tensor } from '../tensor/tensor.js';
import type { AnyOp, Operand, Signature } from './op.js';

/** Evaluates operations on shapes alone; lib/trace puts one here for the length of a shape pass. */
export interface AbstractEvaluator {
  evaluate(signature: Signature, op?: AnyOp, inputs?: readonly Operand[]): Tensor;
  /** Refuses a write to a tensor that existed before the pass. */
  refuseWrite(t: Tensor): never;
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
export const watchers: { abstract: AbstractEvaluator | null; tape: Tape | null; writes: WriteLog | null } = {
  abstract: null,
  tape: null,
  writes: null,
};
