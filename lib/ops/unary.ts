import type { DType } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape-types.js';
import type { Tensor } from '../tensor/tensor.js';
import { add, div, mul, rsub } from './binary.js';
import { greater } from './compare.js';
import { zerosLike } from './create.js';
import { type ToFloat, type ToSame, unary } from './define-unary.js';
import type { MethodsOf } from './methods.js';

/** -x */
export const neg: ToSame = unary('neg', { integers: true, saves: 'nothing', gradient: g => neg(g) });
/** |x| */
export const abs: ToSame = unary('abs', { integers: true, saves: 'input', gradient: (g, x) => mul(g, sign(x)) });
/** -1, 0 or 1 */
export const sign: ToSame = unary('sign', { integers: true, saves: 'nothing', gradient: g => zerosLike(g) });
/** e^x */
export const exp: ToFloat = unary('exp', { saves: 'output', atZero: 'finite', gradient: (g, y) => mul(g, y) });
/** ln x */
export const log: ToFloat = unary('log', { saves: 'input', atZero: 'infinite', gradient: (g, x) => div(g, x) });
/** ln(1 + x), exact for small x */
export const log1p: ToFloat = unary('log1p', { saves: 'input', gradient: (g, x) => div(g, add(x, 1)) });
/** e^x - 1, exact for small x */
export const expm1: ToFloat = unary('expm1', { saves: 'output', gradient: (g, y) => mul(g, add(y, 1)) });
/** √x */
export const sqrt: ToFloat = unary('sqrt', { saves: 'output', gradient: (g, y) => div(g, mul(y, 2)) });
/** 1/√x */
export const rsqrt: ToFloat = unary('rsqrt', {
  saves: 'output',
  atZero: 'infinite',
  gradient: (g, y) => mul(mul(g, -0.5), mul(y, square(y))),
});
/** x² */
export const square: ToSame = unary('square', {
  integers: true,
  saves: 'input',
  gradient: (g, x) => mul(mul(x, 2), g),
});
/** 1/x */
export const reciprocal: ToFloat = unary('reciprocal', {
  saves: 'output',
  atZero: 'infinite',
  gradient: (g, y) => neg(mul(g, square(y))),
});
/** tanh x */
export const tanh: ToFloat = unary('tanh', { saves: 'output', slope: y => rsub(1, square(y)) });
/** 1/(1 + e^-x) */
export const sigmoid: ToFloat = unary('sigmoid', { saves: 'output', atZero: 'finite', slope: y => mul(y, rsub(1, y)) });
/** max(x, 0) */
export const relu: ToSame = unary('relu', {
  integers: true,
  saves: 'output',
  slope: y => greater(y, 0).cast(y.dtype) as Tensor,
});
/** x·σ(x) */
export const silu: ToFloat = unary('silu', {
  saves: 'input',
  // σ(x)·(1 + x·(1 - σ(x)))
  slope: x => {
    const s: Tensor = sigmoid(x);
    return mul(s, add(mul(x, rsub(1, s)), 1));
  },
});
/** ln(1 + e^x) */
export const softplus: ToFloat = unary('softplus', {
  saves: 'input',
  atZero: 'finite',
  gradient: (g, x) => mul(g, sigmoid(x)),
});
/** x/(1 + |x|) */
export const softsign: ToFloat = unary('softsign', {
  saves: 'input',
  gradient: (g, x) => div(g, square(add(abs(x), 1))),
});
/** sin x, x in radians */
export const sin: ToFloat = unary('sin', { saves: 'input', gradient: (g, x) => mul(g, cos(x)) });
/** cos x, x in radians */
export const cos: ToFloat = unary('cos', { saves: 'input', atZero: 'finite', gradient: (g, x) => neg(mul(g, sin(x))) });
/** The largest whole number that is not above x. Its gradient is 0. */
export const floor: ToSame = unary('floor', { integers: true, saves: 'nothing', gradient: g => zerosLike(g) });
/** The smallest whole number that is not below x. Its gradient is 0. */
export const ceil: ToSame = unary('ceil', { integers: true, saves: 'nothing', gradient: g => zerosLike(g) });
/** The nearest whole number, of two the even one: 0.5 → 0, 1.5 → 2. Its gradient is 0. */
export const round: ToSame = unary('round', { integers: true, saves: 'nothing', gradient: g => zerosLike(g) });
/** The error function. */
export const erf: ToFloat = unary('erf', {
  saves: 'input',
  gradient: (g, x) => mul(mul(g, 2 / Math.sqrt(Math.PI)), exp(neg(square(x)))),
});

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> extends MethodsOf<typeof import('./unary.js')> {}
}
