import { worker } from '../contenders/workers.js';
import type { DenseActivation, DenseSpec } from '../workers/latent-dense.js';
import { type Comparison, comparisonSuite } from './comparison.js';

type Shape = readonly [m: number, n: number, k: number];

const PRODUCT = 'its product';
const FUNCTION = 'its function';
const ONE_BY_ONE = 'as many calls';
const TIMES_BOTH = '× both in turn';

/** A layer with bias and activation, held against its product alone and the activation alone. */
function layerCase([m, n, k]: Shape, activation: DenseActivation): Comparison {
  const spec = (part: DenseSpec['part']): DenseSpec => ({ kind: 'dense', part, m, n, k, activation });
  return {
    case: `bias + ${activation}`,
    shape: `${m}x${n}x${k}`,
    unit: 'µs',
    better: 'less',
    figure: seconds => seconds * 1e6,
    spec: spec('layer'),
    tolerance: 0,
    baselines: { [PRODUCT]: spec('product'), [FUNCTION]: spec('activation') },
    roofs: [],
    figures({ ours, baselines }): Record<string, number> {
      const [product, activated] = [baselines[PRODUCT], baselines[FUNCTION]];
      return product === undefined || activated === undefined ? {} : { [TIMES_BOTH]: ours / (product + activated) };
    },
  };
}

/** A batch of products in one call, held against a call x·Wᵀ for each. */
function batchedCase(size: number, batch: number): Comparison {
  const spec = (part: DenseSpec['part']): DenseSpec => ({ kind: 'dense', part, m: size, n: size, k: size, batch });
  return {
    case: 'batched matmul',
    shape: `${batch} × ${size}x${size}x${size}`,
    unit: 'µs',
    better: 'less',
    figure: seconds => seconds * 1e6,
    spec: spec('batched'),
    tolerance: 0,
    baselines: { [ONE_BY_ONE]: spec('one by one') },
    roofs: [],
  };
}

export const dense = comparisonSuite({
  name: 'dense',
  about:
    'what is done along with products, from TypeScript: bias and activation, against the product alone and both in turn; and batches, against a call for each product',
  peers: [],
  ours: threads => worker('latent', [String(threads)]),
  cases({ quick }) {
    const shapes: readonly Shape[] = quick
      ? [[64, 256, 256]]
      : [
          [64, 256, 256],
          [64, 512, 512],
          [256, 512, 784],
          [1024, 256, 784],
          [256, 1024, 1024],
        ];
    const activations = ['relu', 'tanh', 'sigmoid', 'gelu', 'silu'] as const;
    return [
      ...activations.flatMap(activation => shapes.map(shape => layerCase(shape, activation))),
      ...(quick ? [256] : [256, 512, 1024]).map(size => batchedCase(size, 4)),
    ];
  },
});
