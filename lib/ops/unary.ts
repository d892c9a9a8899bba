import { opcode } from '../native/register.js';
import { checkOneOf, checkOptions } from '../support/check.js';
import { type DType, toFloat } from '../tensor/dtype.js';
import type { Counted, Dt, Real, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, installMethods, type Tensor } from '../tensor/tensor.js';
import { add, div, mul, rsub } from './binary.js';
import { inDType } from './cast.js';
import { greater } from './compare.js';
import { zerosLike } from './create.js';
import { invoke, setInt } from './invoke.js';
import { apply, defineOp, type Gradient, noAttrs, type Op, type Signature } from './op.js';
import { watchers } from './watch.js';

interface UnarySpec {
  /** Whether integers stay integers; else they are computed as float32. */
  readonly integers?: boolean;
  readonly saves: 'input' | 'output' | 'nothing';
  /** dL/dx from g = dL/dy and the saved x or y. */
  readonly gradient: (g: Tensor, saved: Tensor) => Tensor;
}

function defineUnary(name: string, spec: UnarySpec): Op<object> {
  const code = opcode(name);
  const gradient: Gradient<object> = (g, { inputs, output, signatures }) => {
    const saved = spec.saves === 'output' ? output : inputs[0];
    return [inDType(spec.gradient(g, saved as Tensor), (signatures[0] as Signature).dtype) as Tensor];
  };
  return defineOp<object>({
    name,
    infer: inputs => {
      const { shape, dtype } = inputs[0] as Tensor;
      if (!spec.integers) return { shape, dtype: toFloat(dtype) };
      return { shape, dtype: dtype === 'bool' ? 'int32' : dtype };
    },
    run: (inputs, _, { shape, dtype }) => invoke(name, code, [inDType(inputs[0] as Tensor, dtype)], shape, dtype),
    gradient,
    saves: spec.saves === 'output' ? { output: true } : spec.saves === 'input' ? { inputs: [0] } : {},
  });
}

const ACTIVATION_GRADIENT = opcode('activationGradient');

/**
 * g·f'(x), in one pass: `saved` is y = f(x) for relu, tanh and sigmoid, and x for the others. Where the gradient is
 * recorded itself, by operations that have gradients.
 */
function activationGradient(name: string, slope: (saved: Tensor) => Tensor): (g: Tensor, saved: Tensor) => Tensor {
  const code = opcode(name);
  return (g, saved) => {
    if (watchers.tape !== null) return mul(g, slope(saved));
    setInt(0, code);
    return invoke(name, ACTIVATION_GRADIENT, [g, saved], g.shape, g.dtype);
  };
}

export const slopes = {
  tanh: (y: Tensor): Tensor => rsub(1, square(y)),
  sigmoid: (y: Tensor): Tensor => mul(y, rsub(1, y)),
  relu: (y: Tensor): Tensor => greater(y, 0).cast(y.dtype),
  // Φ(x) + x·φ(x)
  gelu: (x: Tensor): Tensor => {
    const cumulative = mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);
    return add(cumulative, mul(x, mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI))));
  },
  // σ(v) + x·v'·σ(v)·(1 - σ(v)) with v = 2√(2/π)·(x + 0.044715·x³)
  geluTanh: (x: Tensor): Tensor => {
    const scale = 2 * Math.sqrt(2 / Math.PI);
    const s: Tensor = sigmoid(mul(mul(x, scale), add(mul(square(x), 0.044715), 1)));
    const inner = mul(add(mul(square(x), 3 * 0.044715), 1), scale);
    return add(s, mul(mul(x, inner), mul(s, rsub(1, s))));
  },
  // σ(x)·(1 + x·(1 - σ(x)))
  silu: (x: Tensor): Tensor => {
    const s: Tensor = sigmoid(x);
    return mul(s, add(mul(x, rsub(1, s)), 1));
  },
};

const unary = {
  neg: defineUnary('neg', { integers: true, saves: 'nothing', gradient: g => neg(g) }),
  abs: defineUnary('abs', { integers: true, saves: 'input', gradient: (g, x) => mul(g, sign(x)) }),
  sign: defineUnary('sign', { integers: true, saves: 'nothing', gradient: g => zerosLike(g) }),
  exp: defineUnary('exp', { saves: 'output', gradient: (g, y) => mul(g, y) }),
  log: defineUnary('log', { saves: 'input', gradient: (g, x) => div(g, x) }),
  log1p: defineUnary('log1p', { saves: 'input', gradient: (g, x) => div(g, add(x, 1)) }),
  expm1: defineUnary('expm1', { saves: 'output', gradient: (g, y) => mul(g, add(y, 1)) }),
  sqrt: defineUnary('sqrt', { saves: 'output', gradient: (g, y) => div(g, mul(y, 2)) }),
  rsqrt: defineUnary('rsqrt', { saves: 'output', gradient: (g, y) => mul(mul(g, -0.5), mul(y, square(y))) }),
  square: defineUnary('square', { integers: true, saves: 'input', gradient: (g, x) => mul(mul(x, 2), g) }),
  reciprocal: defineUnary('reciprocal', { saves: 'output', gradient: (g, y) => neg(mul(g, square(y))) }),
  tanh: defineUnary('tanh', { saves: 'output', gradient: activationGradient('tanh', slopes.tanh) }),
  sigmoid: defineUnary('sigmoid', { saves: 'output', gradient: activationGradient('sigmoid', slopes.sigmoid) }),
  relu: defineUnary('relu', { integers: true, saves: 'output', gradient: activationGradient('relu', slopes.relu) }),
  gelu: defineUnary('gelu', { saves: 'input', gradient: activationGradient('gelu', slopes.gelu) }),
  geluTanh: defineUnary('geluTanh', { saves: 'input', gradient: activationGradient('geluTanh', slopes.geluTanh) }),
  silu: defineUnary('silu', { saves: 'input', gradient: activationGradient('silu', slopes.silu) }),
  softplus: defineUnary('softplus', { saves: 'input', gradient: (g, x) => mul(g, sigmoid(x)) }),
  softsign: defineUnary('softsign', { saves: 'input', gradient: (g, x) => div(g, square(add(abs(x), 1))) }),
  sin: defineUnary('sin', { saves: 'input', gradient: (g, x) => mul(g, cos(x)) }),
  cos: defineUnary('cos', { saves: 'input', gradient: (g, x) => neg(mul(g, sin(x))) }),
  floor: defineUnary('floor', { integers: true, saves: 'nothing', gradient: g => zerosLike(g) }),
  ceil: defineUnary('ceil', { integers: true, saves: 'nothing', gradient: g => zerosLike(g) }),
  round: defineUnary('round', { integers: true, saves: 'nothing', gradient: g => zerosLike(g) }),
  erf: defineUnary('erf', {
    saves: 'input',
    gradient: (g, x) => mul(mul(g, 2 / Math.sqrt(Math.PI)), exp(neg(square(x)))),
  }),
};

function applyUnary(op: Op<object>, x: Tensor): never {
  return apply(op, [checkTensor(op.name, x)], noAttrs) as never;
}

type Same<T> = Tensor<Sh<T>, Counted<Dt<T>>>;
type Floats<T> = Tensor<Sh<T>, Real<Dt<T>>>;

/** -x */
export function neg<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.neg, x);
}
/** |x| */
export function abs<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.abs, x);
}
/** -1, 0 or 1 */
export function sign<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.sign, x);
}
/** e^x */
export function exp<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.exp, x);
}
/** ln x */
export function log<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.log, x);
}
/** ln(1 + x), exact for small x */
export function log1p<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.log1p, x);
}
/** e^x - 1, exact for small x */
export function expm1<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.expm1, x);
}
/** √x */
export function sqrt<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.sqrt, x);
}
/** 1/√x */
export function rsqrt<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.rsqrt, x);
}
/** x² */
export function square<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.square, x);
}
/** 1/x */
export function reciprocal<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.reciprocal, x);
}
/** tanh x */
export function tanh<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.tanh, x);
}
/** 1/(1 + e^-x) */
export function sigmoid<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.sigmoid, x);
}
/** max(x, 0) */
export function relu<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.relu, x);
}
/** x·σ(x) */
export function silu<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.silu, x);
}
/** ln(1 + e^x) */
export function softplus<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.softplus, x);
}
/** x/(1 + |x|) */
export function softsign<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.softsign, x);
}
/** sin x, x in radians */
export function sin<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.sin, x);
}
/** cos x, x in radians */
export function cos<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.cos, x);
}
/** The largest whole number that is not above x. Its gradient is 0. */
export function floor<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.floor, x);
}
/** The smallest whole number that is not below x. Its gradient is 0. */
export function ceil<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.ceil, x);
}
/** The nearest whole number, of two the even one: 0.5 → 0, 1.5 → 2. Its gradient is 0. */
export function round<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.round, x);
}
/** The error function. */
export function erf<T extends Tensor>(x: T): Floats<T> {
  return applyUnary(unary.erf, x);
}

export interface GeluOptions {
  /** 'none' (default) is exact; 'tanh' is the approximation of Hendrycks and Gimpel. */
  approximate?: 'none' | 'tanh' | undefined;
}

/** x·Φ(x), Φ the normal distribution's cumulative function; or 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))). */
export function gelu<T extends Tensor>(x: T, options?: GeluOptions): Floats<T> {
  const { approximate = 'none' } = checkOptions('gelu', options, ['approximate']);
  if (checkOneOf('gelu: approximate', approximate, ['none', 'tanh'] as const) === 'none')
    return applyUnary(unary.gelu, x);
  return applyUnary(unary.geluTanh, x);
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> {
    /** -x */
    neg<T extends Tensor>(this: T): Same<T>;
    /** |x| */
    abs<T extends Tensor>(this: T): Same<T>;
    /** -1, 0 or 1 */
    sign<T extends Tensor>(this: T): Same<T>;
    /** e^x */
    exp<T extends Tensor>(this: T): Floats<T>;
    /** ln x */
    log<T extends Tensor>(this: T): Floats<T>;
    /** ln(1 + x) */
    log1p<T extends Tensor>(this: T): Floats<T>;
    /** e^x - 1 */
    expm1<T extends Tensor>(this: T): Floats<T>;
    /** √x */
    sqrt<T extends Tensor>(this: T): Floats<T>;
    /** 1/√x */
    rsqrt<T extends Tensor>(this: T): Floats<T>;
    /** x² */
    square<T extends Tensor>(this: T): Same<T>;
    /** 1/x */
    reciprocal<T extends Tensor>(this: T): Floats<T>;
    /** tanh x */
    tanh<T extends Tensor>(this: T): Floats<T>;
    /** 1/(1 + e^-x) */
    sigmoid<T extends Tensor>(this: T): Floats<T>;
    /** max(x, 0) */
    relu<T extends Tensor>(this: T): Same<T>;
    /** x·Φ(x) */
    gelu<T extends Tensor>(this: T, options?: GeluOptions): Floats<T>;
    /** x·σ(x) */
    silu<T extends Tensor>(this: T): Floats<T>;
    /** ln(1 + e^x) */
    softplus<T extends Tensor>(this: T): Floats<T>;
    /** x/(1 + |x|) */
    softsign<T extends Tensor>(this: T): Floats<T>;
    /** sin x */
    sin<T extends Tensor>(this: T): Floats<T>;
    /** cos x */
    cos<T extends Tensor>(this: T): Floats<T>;
    /** The largest whole number that is not above x. */
    floor<T extends Tensor>(this: T): Same<T>;
    /** The smallest whole number that is not below x. */
    ceil<T extends Tensor>(this: T): Same<T>;
    /** The nearest whole number, of two the even one. */
    round<T extends Tensor>(this: T): Same<T>;
    /** The error function. */
    erf<T extends Tensor>(this: T): Floats<T>;
  }
}

for (const op of Object.values(unary)) {
  if (op === unary.gelu || op === unary.geluTanh) continue;
  installMethods({
    [op.name](this: Tensor) {
      return applyUnary(op, this);
    },
  });
}
installMethods({
  gelu(this: Tensor, options?: GeluOptions) {
    return gelu(this, options);
  },
});
