import { matmul, nn, type Tensor, tensor } from 'latent';
import type { Spec } from '../contenders/protocol.js';
import { uniform } from './generate.js';
import { calls, type Job } from './serve.js';

export type DenseActivation = 'relu' | 'tanh' | 'sigmoid' | 'gelu' | 'silu';

export interface DenseSpec extends Spec {
  readonly kind: 'dense';
  /**
   * A layer without bias; one with bias and activation; an activation alone; a batch of products in one call; the same as
   * products x·Wᵀ with a call for each.
   */
  readonly part: 'product' | 'layer' | 'activation' | 'batched' | 'one by one';
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly activation?: DenseActivation;
  /** Of batched products. */
  readonly batch?: number;
}

function values(shape: readonly number[], seed: number, scale = 1): Tensor {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return tensor(uniform(new Float32Array(size), seed, scale)).reshape([...shape]);
}

function layerOf({ n, k }: DenseSpec, options: nn.DenseOptions): nn.Dense {
  const layer = new nn.Dense(n, options);
  // What the activation gets spreads by 1.
  layer.weight.setData(values([n, k], 2, 3 / Math.sqrt(k)));
  layer.bias?.setData(values([n], 3));
  return layer;
}

export function denseJob(spec: DenseSpec): Job {
  const { part, m, n, k, activation = 'relu', batch = 1 } = spec;
  switch (part) {
    case 'product': {
      const layer = layerOf(spec, { useBias: false });
      const x = values([m, k], 1);
      return calls(() => layer(x));
    }
    case 'layer': {
      const layer = layerOf(spec, { activation });
      const x = values([m, k], 1);
      return calls(() => layer(x));
    }
    case 'activation': {
      const y = values([m, n], 1);
      return calls(() => y[activation]());
    }
    case 'batched': {
      const a = values([batch, m, k], 1);
      const b = values([batch, k, n], 2);
      return calls(() => matmul(a, b));
    }
    case 'one by one': {
      const pairs = Array.from(
        { length: batch },
        (_, i) => [values([m, k], 2 * i), values([n, k], 2 * i + 1)] as const,
      );
      return calls(() => {
        for (const [x, weight] of pairs) matmul(x, weight.transpose());
      });
    }
  }
}
