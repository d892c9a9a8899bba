import type { Spec } from '../contenders/protocol.js';
import type { ProductShape } from './addon.js';
import { uniform } from './generate.js';

export interface ProductSpec extends Spec, ProductShape {
  readonly kind: 'gemm';
  readonly dtype: 'float32' | 'float64';
  /** Whether the second operand is a weight, which may be packed once for many products. */
  readonly packed: boolean;
  readonly threads: number;
}

/** The operands of a product, and room for its result. */
export function operandsOf({ dtype, m, n, k, batch }: ProductSpec) {
  const make = (size: number) => (dtype === 'float32' ? new Float32Array(size) : new Float64Array(size));
  return {
    a: uniform(make(batch * m * k), 1),
    b: uniform(make(batch * k * n), 2),
    out: () => make(batch * m * n),
  };
}
