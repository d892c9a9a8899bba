import type { Generator } from '../random/generator.js';
import type { DType } from '../tensor/dtype.js';
import type { Owner } from '../trace/shape-pass.js';
import type { TracedNode } from '../trace/trace.js';

export type StepKind = 'new' | 'view' | 'into';

/** A tensor that steps read or write, by its number. */
export interface Value {
  readonly origin: 'input' | 'held' | 'made';
  /** Among the inputs, or what is held. */
  readonly index: number;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** A native call of a plan. */
export interface Step {
  readonly code: number;
  readonly kind: StepKind;
  /** Numbers of values; a number itself stands among `numbers`, its place here is -1. */
  readonly inputs: readonly number[];
  readonly numbers: readonly number[];
  readonly scalarDType: DType;
  readonly outputs: readonly number[];
  readonly ints: readonly number[];
  readonly reals: readonly number[];
  /** The generator. */
  readonly draw: Draw | null;
  /** The owner of the traced operation, for messages. */
  readonly node: TracedNode | null;
}

export interface Draw {
  readonly generator: Generator;
  readonly perBlock: number;
}

/** Where an output of the forward comes from: what steps made, or a tensor that it hands on. */
export interface Output {
  readonly from: 'made' | 'input' | 'held';
  /** A value, or a place among the inputs or what is held. */
  readonly index: number;
}

/** A made value that has one of the held tensors for its storage. */
export interface Placement {
  readonly value: number;
  readonly held: number;
}

/** A graph as native calls, for inputs of certain sizes. */
export interface Program {
  readonly inputCount: number;
  readonly held: readonly Owner[];
  readonly values: readonly Value[];
  readonly steps: readonly Step[];
  readonly outputs: readonly Output[];
  readonly placements: readonly Placement[];
}
