import { blis, mkl, onednn, openblas } from '../contenders/blas.js';
import { worker } from '../contenders/workers.js';
import type { ProductSpec } from '../workers/product.js';
import { type Comparison, comparisonSuite } from './comparison.js';
import { OF_PEAK, OF_READING } from './names.js';

type Shape = readonly [m: number, n: number, k: number];

/** Layers as they are served and trained: squares, few rows on large layers, narrow outputs, short depths. */
const grid: readonly Shape[] = [
  [64, 64, 64],
  [128, 128, 128],
  [512, 512, 512],
  [1024, 1024, 1024],
  [2048, 2048, 2048],
  [64, 1024, 1024],
  [32, 1024, 1024],
  [8, 1024, 1024],
  [2, 1024, 1024],
  [1, 1024, 1024],
  [1024, 10, 256],
  [1024, 256, 20],
  [32, 512, 784],
  [256, 512, 784],
];
const quickGrid: readonly Shape[] = [
  [64, 64, 64],
  [512, 512, 512],
  [32, 1024, 1024],
  [8, 1024, 1024],
  [1, 1024, 1024],
  [1024, 10, 256],
  [1024, 256, 20],
];
const doubles: readonly Shape[] = [
  [64, 64, 64],
  [512, 512, 512],
  [1024, 1024, 1024],
  [32, 1024, 1024],
  [1, 1024, 1024],
];
/** Up to so many rows the second operand is read about once, and reading it is what takes the time. */
const ROWS_OF_READING = 2;

interface Wanted {
  readonly title: string;
  readonly shape: Shape;
  readonly layout?: 'NN' | 'NT' | 'TN' | 'TT';
  readonly dtype?: 'float32' | 'float64';
  readonly packed?: boolean;
  readonly batch?: number;
  readonly threads: number;
}

export function product(wanted: Wanted): Comparison {
  const { title, shape, layout = 'NT', dtype = 'float32', packed = false, batch = 1, threads } = wanted;
  const [m, n, k] = shape;
  const flops = 2 * batch * m * n * k;
  const spec: ProductSpec = {
    kind: 'gemm',
    m,
    n,
    k,
    batch,
    transposeA: layout.startsWith('T'),
    transposeB: layout.endsWith('T'),
    dtype,
    packed,
    threads,
  };
  const weightBytes = n * k * (dtype === 'float32' ? 4 : 8);
  const peak = { name: OF_PEAK, roof: { kind: 'fma', work: flops, dtype } } as const;
  const reading = { name: OF_READING, roof: { kind: 'read', work: weightBytes, bytes: weightBytes } } as const;
  return {
    case: title,
    shape: `${batch === 1 ? '' : `${batch} × `}${m}x${n}x${k}`,
    unit: 'GFLOP/s',
    better: 'more',
    figure: seconds => flops / seconds / 1e9,
    spec,
    tolerance: dtype === 'float32' ? 1e-5 : 1e-13,
    roofs: m <= ROWS_OF_READING ? [peak, reading] : [peak],
  };
}

export const gemm = comparisonSuite({
  name: 'gemm',
  about:
    "matrix products M x N x K, timed below the binding, against BLAS libraries; NT is x·Wᵀ, a layer's product, and shares are of the peak of fused multiply-adds",
  peers: [openblas, blis, mkl, onednn],
  ours: () => worker('library'),
  cases({ quick, threads }) {
    const shapes = quick ? quickGrid : grid;
    const layouts = (['NN', 'NT', 'TN', 'TT'] as const).flatMap(layout =>
      (quick ? [512] : [256, 512, 1024]).map(size =>
        product({ title: layout, shape: [size, size, size], layout, threads }),
      ),
    );
    return [
      ...shapes.map(shape => product({ title: 'W packed once', shape, packed: true, threads })),
      ...shapes.map(shape => product({ title: 'W in each call', shape, threads })),
      ...layouts,
      product({ title: 'batched', shape: [64, 64, 64], batch: 32, threads }),
      ...(quick ? [] : doubles).flatMap(shape => [
        product({ title: 'float64, W packed once', shape, dtype: 'float64', packed: true, threads }),
        product({ title: 'float64, W in each call', shape, dtype: 'float64', threads }),
      ]),
    ];
  },
});
