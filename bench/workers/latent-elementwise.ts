import { type Tensor, tensor } from 'latent';
import type { Spec } from '../contenders/protocol.js';
import { uniform } from './generate.js';
import { calls, type Job } from './serve.js';

export type ElementwiseOp = 'add' | 'add number' | 'relu' | 'exp' | 'gelu' | 'softmax' | 'sum' | 'mean';

export interface ElementwiseSpec extends Spec {
  readonly kind: 'elementwise';
  readonly op: ElementwiseOp;
  readonly shape: readonly number[];
  /** Of the second operand, where there is one. */
  readonly other?: readonly number[];
  /** Of a reduction; all when absent. */
  readonly axis?: number;
}

function operand(shape: readonly number[], seed: number): Tensor {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return tensor(uniform(new Float32Array(size), seed)).reshape([...shape]);
}

/** The number of 'add number'. */
export const ADDED = 2;

function bodyOf({ op, shape, other, axis }: ElementwiseSpec): () => Tensor {
  const x = operand(shape, 1);
  switch (op) {
    case 'add': {
      const y = operand(other ?? shape, 2);
      return () => x.add(y);
    }
    case 'add number':
      return () => x.add(ADDED);
    case 'relu':
      return () => x.relu();
    case 'exp':
      return () => x.exp();
    case 'gelu':
      return () => x.gelu();
    case 'softmax':
      return () => x.softmax();
    case 'sum':
      return axis === undefined ? () => x.sum() : () => x.sum({ axis });
    case 'mean':
      return axis === undefined ? () => x.mean() : () => x.mean({ axis });
  }
}

export function elementwiseJob(spec: ElementwiseSpec): Job {
  const body = bodyOf(spec);
  return calls(body, () => body().toTypedArray());
}
