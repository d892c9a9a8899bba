import type { Spec } from '../contenders/protocol.js';
import { integers, uniform } from './generate.js';

/** A net of dense layers with relu between them: `sizes` from the inputs to the outputs. */
export interface NetSpec extends Spec {
  readonly sizes: readonly number[];
  readonly batch: number;
  /** Ours by a plan: a hybridized net, or a compiled step. */
  readonly planned?: boolean;
}

export interface TrainSpec extends NetSpec {
  readonly kind: 'train';
  readonly optimizer: 'sgd' | 'adam';
  /** Cross-entropy of softmax against class numbers, or half of the mean of squares. */
  readonly loss: 'softmax' | 'l2';
}

export interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  /** [outputs, inputs] */
  readonly weight: Float32Array;
  /** [outputs] */
  readonly bias: Float32Array;
}

/** The first values of a net's parameters, which keep activations of about the same size through relus. */
export function layersOf({ sizes }: NetSpec): Layer[] {
  return sizes.slice(1).map((outputs, i) => {
    const inputs = sizes[i] as number;
    return {
      inputs,
      outputs,
      weight: uniform(new Float32Array(outputs * inputs), 100 + i, Math.sqrt(6 / inputs)),
      bias: uniform(new Float32Array(outputs), 200 + i, 0.1),
    };
  });
}

/** [batch, inputs] */
export function inputOf({ sizes, batch }: NetSpec): Float32Array {
  return uniform(new Float32Array(batch * (sizes[0] as number)), 1);
}

/** [batch], class numbers */
export function classesOf({ sizes, batch }: NetSpec): Int32Array {
  return integers(batch, 2, sizes.at(-1) as number);
}

/** [batch, outputs] */
export function targetsOf({ sizes, batch }: NetSpec): Float32Array {
  return uniform(new Float32Array(batch * (sizes.at(-1) as number)), 3);
}

export const LEARNING_RATES = { sgd: 0.01, adam: 0.001 } as const;
/** Steps whose losses all contenders must agree on. */
export const COMPARED_STEPS = 4;
