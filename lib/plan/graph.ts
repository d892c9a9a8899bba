import type { Tensor } from '../tensor/tensor.js';
import type { Owner } from '../trace/shape-pass.js';
import type { Result, RowsResult, TracedNode } from '../trace/trace.js';

/**
 * The operations of a forward, in order: the one structure that plans, files and pictures are made from. Its tensors are the
 * abstract ones of a trace, and those that the forward took from outside.
 */
export interface Graph {
  readonly inputs: readonly Tensor[];
  /** Inputs whose elements are not contiguous. */
  readonly strided: ReadonlySet<Tensor>;
  readonly nodes: readonly TracedNode[];
  readonly outputs: readonly Tensor[];
  /** The abstract tensor of each tensor that outlives the graph. */
  readonly held: ReadonlyMap<Tensor, Owner>;
  /** The values that are written, in the end, into tensors that outlive it. */
  readonly results: readonly (Result | RowsResult)[];
}
