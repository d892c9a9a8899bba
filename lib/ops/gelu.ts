import { checkOneOf, checkOptions } from '../support/check.js';
import type { DType } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape-types.js';
import type { Tensor } from '../tensor/tensor.js';
import { add, mul, rsub } from './binary.js';
import { type Floats, type ToFloat, unary } from './define-unary.js';
import { installFunctions } from './methods.js';
import { erf, exp, sigmoid, square } from './unary.js';

/** x·Φ(x), Φ the normal distribution's cumulative function. */
export const exactGelu: ToFloat = unary(
  'gelu',
  {
    saves: 'input',
    // Φ(x) + x·φ(x)
    slope: x => {
      const cumulative = mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);
      return add(cumulative, mul(x, mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI))));
    },
  },
  false,
);

const tanhGelu: ToFloat = unary(
  'geluTanh',
  {
    saves: 'input',
    // σ(v) + x·v'·σ(v)·(1 - σ(v)) with v = 2√(2/π)·(x + 0.044715·x³)
    slope: x => {
      const scale = 2 * Math.sqrt(2 / Math.PI);
      const s: Tensor = sigmoid(mul(mul(x, scale), add(mul(square(x), 0.044715), 1)));
      const inner = mul(add(mul(square(x), 3 * 0.044715), 1), scale);
      return add(s, mul(mul(x, inner), mul(s, rsub(1, s))));
    },
  },
  false,
);

export interface GeluOptions {
  /** 'none' (default) is exact; 'tanh' is the approximation of Hendrycks and Gimpel. */
  approximate?: 'none' | 'tanh' | undefined;
}

/** x·Φ(x), Φ the normal distribution's cumulative function; or 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))). */
export function gelu<T extends Tensor>(x: T, options?: GeluOptions): Floats<T> {
  const { approximate = 'none' } = checkOptions('gelu', options, ['approximate']);
  return checkOneOf('gelu: approximate', approximate, ['none', 'tanh'] as const) === 'none'
    ? exactGelu(x)
    : tanhGelu(x);
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> {
    /** x·Φ(x) */
    gelu<T extends Tensor>(this: T, options?: GeluOptions): Floats<T>;
  }
}

installFunctions({ gelu });
