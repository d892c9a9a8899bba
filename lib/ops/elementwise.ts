import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { opcode } from '../native/register.js';
import { checkNumber, checkOneOf, checkOptions, shownShape } from '../support/check.js';
import { type DType, isFloat, promote, promoteNumber, toFloat } from '../tensor/dtype.js';
import { broadcastShapes } from '../tensor/shape.js';
import type { Bin, BinOut, Broadcast, Dt, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, installMethods, type Tensor } from '../tensor/tensor.js';
import { inDType } from './cast.js';
import { zerosLike } from './create.js';
import { invoke, setInt, setReal } from './invoke.js';
import {
  apply,
  defineOp,
  type Gradient,
  type GradientContext,
  type NotDifferentiable,
  noAttrs,
  notDifferentiable,
  type Op,
  type Operand,
  type Signature,
} from './op.js';
import { sumTo } from './reduce.js';

// ---------- operands

function checkOperand(who: string, value: unknown): Operand {
  return typeof value === 'number' ? value : checkTensor(who, value);
}

function dtypeOfPair(a: Operand, b: Operand): DType {
  if (typeof a === 'number') return promoteNumber((b as Tensor).dtype, a);
  if (typeof b === 'number') return promoteNumber(a.dtype, b);
  return promote(a.dtype, b.dtype);
}

const scalarShape: readonly number[] = Object.freeze([]);

function shapeOf(x: Operand): readonly number[] {
  return typeof x === 'number' ? scalarShape : x.shape;
}

function broadcastPair(name: string, a: Operand, b: Operand): readonly number[] {
  const shape = broadcastShapes(shapeOf(a), shapeOf(b));
  if (shape === undefined) {
    throw new ShapeError(
      `${name}: shapes ${shownShape(shapeOf(a))} and ${shownShape(shapeOf(b))} do not broadcast; sizes must be equal, or 1`,
    );
  }
  return shape;
}

/** A gradient in the shape and type of the operand that it belongs to. */
function towards(g: Tensor, signature: Signature): Tensor {
  return inDType(sumTo(g, signature.shape), signature.dtype) as Tensor;
}

function bothTowards(
  context: GradientContext<unknown>,
  ga: () => Tensor,
  gb: () => Tensor,
): readonly (Tensor | null)[] {
  const [a, b] = context.signatures as readonly [Signature, Signature];
  return [context.needs[0] ? towards(ga(), a) : null, context.needs[1] ? towards(gb(), b) : null];
}

// ---------- one operand

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

/** g·f'(x), in one pass: `saved` is y = f(x) for relu, tanh and sigmoid, and x for the others. */
function activationGradient(name: string): (g: Tensor, saved: Tensor) => Tensor {
  const code = opcode(name);
  return (g, saved) => {
    setInt(0, code);
    return invoke(name, ACTIVATION_GRADIENT, [g, saved], g.shape, g.dtype);
  };
}

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
  tanh: defineUnary('tanh', { saves: 'output', gradient: activationGradient('tanh') }),
  sigmoid: defineUnary('sigmoid', { saves: 'output', gradient: activationGradient('sigmoid') }),
  relu: defineUnary('relu', { integers: true, saves: 'output', gradient: activationGradient('relu') }),
  gelu: defineUnary('gelu', { saves: 'input', gradient: activationGradient('gelu') }),
  geluTanh: defineUnary('geluTanh', { saves: 'input', gradient: activationGradient('geluTanh') }),
  silu: defineUnary('silu', { saves: 'input', gradient: activationGradient('silu') }),
  softplus: defineUnary('softplus', { saves: 'input', gradient: (g, x) => mul(g, sigmoid(x)) }),
  softsign: defineUnary('softsign', { saves: 'input', gradient: (g, x) => div(g, square(add(abs(x), 1))) }),
  erf: defineUnary('erf', {
    saves: 'input',
    gradient: (g, x) => mul(mul(g, 2 / Math.sqrt(Math.PI)), exp(neg(square(x)))),
  }),
};

function applyUnary(op: Op<object>, x: Tensor): never {
  return apply(op, [checkTensor(op.name, x)], noAttrs) as never;
}

type Same<T> = Tensor<Sh<T>, Dt<T>>;

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
export function exp<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.exp, x);
}
/** ln x */
export function log<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.log, x);
}
/** ln(1 + x), exact for small x */
export function log1p<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.log1p, x);
}
/** e^x - 1, exact for small x */
export function expm1<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.expm1, x);
}
/** √x */
export function sqrt<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.sqrt, x);
}
/** 1/√x */
export function rsqrt<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.rsqrt, x);
}
/** x² */
export function square<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.square, x);
}
/** 1/x */
export function reciprocal<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.reciprocal, x);
}
/** tanh x */
export function tanh<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.tanh, x);
}
/** 1/(1 + e^-x) */
export function sigmoid<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.sigmoid, x);
}
/** max(x, 0) */
export function relu<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.relu, x);
}
/** x·σ(x) */
export function silu<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.silu, x);
}
/** ln(1 + e^x) */
export function softplus<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.softplus, x);
}
/** x/(1 + |x|) */
export function softsign<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.softsign, x);
}
/** The error function. */
export function erf<T extends Tensor>(x: T): Same<T> {
  return applyUnary(unary.erf, x);
}

export interface GeluOptions {
  /** 'none' (default) is exact; 'tanh' is the approximation of Hendrycks and Gimpel. */
  approximate?: 'none' | 'tanh' | undefined;
}

/** x·Φ(x), Φ the normal distribution's cumulative function; or 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))). */
export function gelu<T extends Tensor>(x: T, options?: GeluOptions): Same<T> {
  const { approximate = 'none' } = checkOptions('gelu', options, ['approximate']);
  if (checkOneOf('gelu: approximate', approximate, ['none', 'tanh'] as const) === 'none')
    return applyUnary(unary.gelu, x);
  return applyUnary(unary.geluTanh, x);
}

// ---------- two operands

const ranges = { int32: [-(2 ** 31), 2 ** 31 - 1], uint8: [0, 255], bool: [0, 1] } as const;

/** Whether a number lies in an integer type. */
function fitsInteger(value: number, dtype: keyof typeof ranges): boolean {
  return value >= ranges[dtype][0] && value <= ranges[dtype][1];
}

/** A number as integer arithmetic sees it: modulo the type's range, as its results are. */
function wrapped(operand: Operand, dtype: DType): Operand {
  if (typeof operand !== 'number' || isFloat(dtype)) return operand;
  return dtype === 'uint8' ? operand & 255 : operand | 0;
}

function defineBinary(
  name: string,
  gradient: Gradient<object>,
  saves: Op<object>['saves'],
  dtypeRule: (d: DType) => DType = d => (d === 'bool' ? 'int32' : d),
): Op<object> {
  const code = opcode(name);
  const wraps = name === 'add' || name === 'sub' || name === 'mul';
  const operand = (x: Operand, dtype: DType) => inDType(wraps ? wrapped(x, dtype) : x, dtype);
  return defineOp<object>({
    name,
    infer: inputs => {
      const a = inputs[0] as Operand;
      const b = inputs[1] as Operand;
      return { shape: broadcastPair(name, a, b), dtype: dtypeRule(dtypeOfPair(a, b)) };
    },
    run: (inputs, _, { shape, dtype }) => {
      const a = operand(inputs[0] as Operand, dtype);
      const b = operand(inputs[1] as Operand, dtype);
      return invoke(name, code, a === inputs[0] && b === inputs[1] ? inputs : [a, b], shape, dtype);
    },
    gradient,
    saves,
  });
}

/** The share of the gradient of max or min that goes to `a`: all where it wins, half where both are equal. */
function winner(g: Tensor, a: Operand, b: Operand, wins: (a: Tensor, b: Operand) => Tensor): Tensor {
  const won = typeof a === 'number' ? wins(neg(b as Tensor), -a) : wins(a, b);
  const tied = typeof a === 'number' ? equal(b as Tensor, a) : equal(a, b);
  return where(won, g, where(tied, mul(g, 0.5), 0));
}

const binary = {
  add: defineBinary(
    'add',
    (g, c) =>
      bothTowards(
        c,
        () => g,
        () => g,
      ),
    {},
  ),
  sub: defineBinary(
    'sub',
    (g, c) =>
      bothTowards(
        c,
        () => g,
        () => neg(g),
      ),
    {},
  ),
  mul: defineBinary(
    'mul',
    (g, c) => {
      const [a, b] = c.inputs as readonly [Operand, Operand];
      return bothTowards(
        c,
        () => mul(g, b as Tensor),
        () => mul(g, a as Tensor),
      );
    },
    { inputs: [0, 1] },
  ),
  div: defineBinary(
    'div',
    (g, c) => {
      const [a, b] = c.inputs as readonly [Tensor, Tensor];
      return bothTowards(
        c,
        () => div(g, b),
        () => neg(div(mul(g, a), square(b))),
      );
    },
    { inputs: [0, 1] },
    toFloat,
  ),
  pow: defineBinary(
    'pow',
    (g, c) => {
      const [a, b] = c.inputs as readonly [Operand, Operand];
      return bothTowards(
        c,
        () => {
          if (b === 0) return zerosLike(g);
          const slope = mul(
            mul(g, b as Tensor),
            pow(a as Tensor, (typeof b === 'number' ? b - 1 : sub(b, 1)) as Tensor),
          );
          return typeof b === 'number' ? slope : where(equal(b, 0), 0, slope);
        },
        () => {
          if (typeof a === 'number') return mul(mul(g, c.output as Tensor), Math.log(a));
          return where(equal(a, 0), 0, mul(mul(g, c.output as Tensor), log(a)));
        },
      );
    },
    { inputs: [0, 1], output: true },
  ),
  maximum: defineBinary(
    'maximum',
    (g, c) => {
      const [a, b] = c.inputs as readonly [Operand, Operand];
      return bothTowards(
        c,
        () => winner(g, a, b, greater),
        () => winner(g, b, a, greater),
      );
    },
    { inputs: [0, 1] },
  ),
  minimum: defineBinary(
    'minimum',
    (g, c) => {
      const [a, b] = c.inputs as readonly [Operand, Operand];
      return bothTowards(
        c,
        () => winner(g, a, b, less),
        () => winner(g, b, a, less),
      );
    },
    { inputs: [0, 1] },
  ),
};

function applyBinary(op: Op<object>, a: unknown, b: unknown): never {
  const left = checkOperand(op.name, a);
  const right = checkOperand(op.name, b);
  if (typeof left === 'number' && typeof right === 'number') {
    throw new ArgumentError(`${op.name} takes at least one tensor, but got two numbers`);
  }
  return apply(op, [left, right], noAttrs) as never;
}

/** number - tensor */
export function rsub(a: number, b: Tensor): Tensor {
  return applyBinary(binary.sub, a, b);
}

/** a + b, broadcast. */
export function add<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'add', T, U>): BinOut<T, U> {
  return applyBinary(binary.add, a, b);
}
/** a - b, broadcast. */
export function sub<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'sub', T, U>): BinOut<T, U> {
  return applyBinary(binary.sub, a, b);
}
/** a · b element by element, broadcast. */
export function mul<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'mul', T, U>): BinOut<T, U> {
  return applyBinary(binary.mul, a, b);
}
/** a / b, broadcast; integers divide to float32. */
export function div<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'div', T, U>): BinOut<T, U> {
  return applyBinary(binary.div, a, b);
}
/** a to the power b, broadcast. */
export function pow<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'pow', T, U>): BinOut<T, U> {
  return applyBinary(binary.pow, a, b);
}
/** The larger of a and b, broadcast; NaN where either is. */
export function maximum<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'maximum', T, U>): BinOut<T, U> {
  return applyBinary(binary.maximum, a, b);
}
/** The smaller of a and b, broadcast; NaN where either is. */
export function minimum<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'minimum', T, U>): BinOut<T, U> {
  return applyBinary(binary.minimum, a, b);
}

// ---------- comparisons

const comparison: NotDifferentiable = notDifferentiable('a comparison has no slope');

/** The type that two operands are compared in: float64 where a number lies outside the integers of a tensor. */
function comparedIn(a: Operand, b: Operand): DType {
  const dtype = dtypeOfPair(a, b);
  const number = typeof a === 'number' ? a : b;
  if (typeof number !== 'number' || isFloat(dtype)) return dtype;
  return fitsInteger(number, dtype as keyof typeof ranges) ? dtype : 'float64';
}

function defineCompare(name: string): Op<object> {
  const code = opcode(name);
  return defineOp<object>({
    name,
    infer: ([a, b]) => ({ shape: broadcastPair(name, a as Operand, b as Operand), dtype: 'bool' }),
    run: ([a, b], _, { shape }) => {
      const dtype = comparedIn(a as Operand, b as Operand);
      return invoke(name, code, [inDType(a as Operand, dtype), inDType(b as Operand, dtype)], shape, 'bool', dtype);
    },
    gradient: comparison,
    saves: {},
  });
}

const compare = {
  equal: defineCompare('equal'),
  notEqual: defineCompare('notEqual'),
  less: defineCompare('less'),
  lessEqual: defineCompare('lessEqual'),
  greater: defineCompare('greater'),
  greaterEqual: defineCompare('greaterEqual'),
};

type BoolOut<T, U> = Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;

/** a = b, broadcast, as bool. */
export function equal<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'equal', T, U>): BoolOut<T, U> {
  return applyBinary(compare.equal, a, b);
}
/** a ≠ b, broadcast, as bool. */
export function notEqual<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'notEqual', T, U>): BoolOut<T, U> {
  return applyBinary(compare.notEqual, a, b);
}
/** a < b, broadcast, as bool. */
export function less<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'less', T, U>): BoolOut<T, U> {
  return applyBinary(compare.less, a, b);
}
/** a ≤ b, broadcast, as bool. */
export function lessEqual<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'lessEqual', T, U>): BoolOut<T, U> {
  return applyBinary(compare.lessEqual, a, b);
}
/** a > b, broadcast, as bool. */
export function greater<T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'greater', T, U>): BoolOut<T, U> {
  return applyBinary(compare.greater, a, b);
}
/** a ≥ b, broadcast, as bool. */
export function greaterEqual<T extends Tensor, U extends Tensor | number>(
  a: T,
  b: Bin<'greaterEqual', T, U>,
): BoolOut<T, U> {
  return applyBinary(compare.greaterEqual, a, b);
}

// ---------- selecting

const WHERE = opcode('where');
const CLIP = opcode('clip');

const whereOp = defineOp<object>({
  name: 'where',
  infer: ([c, a, b]) => {
    const pair = broadcastPair('where', a as Operand, b as Operand);
    const shape = broadcastShapes((c as Tensor).shape, pair);
    if (shape === undefined) {
      throw new ShapeError(
        `where: the condition's shape ${shownShape((c as Tensor).shape)} and ${shownShape(pair)} do not broadcast`,
      );
    }
    if (typeof a === 'number' && typeof b === 'number') {
      return { shape, dtype: Number.isInteger(a) && Number.isInteger(b) ? 'int32' : 'float32' };
    }
    return { shape, dtype: dtypeOfPair(a as Operand, b as Operand) };
  },
  run: ([c, a, b], _, { shape, dtype }) =>
    invoke('where', WHERE, [c as Tensor, inDType(a as Operand, dtype), inDType(b as Operand, dtype)], shape, dtype),
  gradient: (g, context) => {
    const condition = context.inputs[0] as Tensor;
    const [, a, b] = context.signatures as readonly [Signature, Signature, Signature];
    return [
      null,
      context.needs[1] ? towards(where(condition, g, 0), a) : null,
      context.needs[2] ? towards(where(condition, 0, g), b) : null,
    ];
  },
  saves: { inputs: [0] },
});

/** a where the condition (bool) holds, else b; all broadcast. */
export function where(condition: Tensor, a: Tensor | number, b: Tensor | number): Tensor {
  checkTensor('where', condition);
  if (condition.dtype !== 'bool') {
    throw new DTypeError(
      `where takes a bool condition, but got ${condition.dtype}; compare it first, as in x.greater(0)`,
    );
  }
  return apply(whereOp, [condition, checkOperand('where', a), checkOperand('where', b)], noAttrs);
}

const clipOp = defineOp<{ readonly low: number; readonly high: number }>({
  name: 'clip',
  infer: ([x]) => {
    const { shape, dtype } = x as Tensor;
    return { shape, dtype: dtype === 'bool' ? 'int32' : dtype };
  },
  run: ([x], { low, high }, { shape, dtype }) => {
    const input = inDType(x as Tensor, dtype);
    setReal(0, low);
    setReal(1, high);
    return invoke('clip', CLIP, [input], shape, dtype);
  },
  gradient: (g, { inputs, attrs }) => {
    const x = inputs[0] as Tensor;
    return [where(less(x, attrs.low), 0, where(greater(x, attrs.high), 0, g))];
  },
  saves: { inputs: [0] },
});

/** min(max(x, low), high) with numbers for bounds, -Infinity and Infinity among them; NaN stays. */
export function clip<T extends Tensor>(x: T, low: number, high: number): Same<T> {
  checkTensor('clip', x);
  checkNumber('clip: low', low);
  checkNumber('clip: high', high);
  if (low > high) throw new ArgumentError(`clip takes low ≤ high, but got ${low} and ${high}`);
  if (
    !isFloat(x.dtype) &&
    !((Number.isInteger(low) || low === -Infinity) && (Number.isInteger(high) || high === Infinity))
  ) {
    throw new DTypeError(`clip takes whole bounds for ${x.dtype}, but got ${low} and ${high}; cast to float32 first`);
  }
  return apply(clipOp, [x], { low, high }) as never;
}

// ---------- methods

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> {
    /** -x */
    neg<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** |x| */
    abs<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** -1, 0 or 1 */
    sign<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** e^x */
    exp<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** ln x */
    log<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** ln(1 + x) */
    log1p<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** e^x - 1 */
    expm1<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** √x */
    sqrt<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** 1/√x */
    rsqrt<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** x² */
    square<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** 1/x */
    reciprocal<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** tanh x */
    tanh<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** 1/(1 + e^-x) */
    sigmoid<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** max(x, 0) */
    relu<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** x·Φ(x) */
    gelu<T extends Tensor>(this: T, options?: GeluOptions): Tensor<Sh<T>, Dt<T>>;
    /** x·σ(x) */
    silu<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** ln(1 + e^x) */
    softplus<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** x/(1 + |x|) */
    softsign<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** The error function. */
    erf<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
    /** a + b, broadcast. */
    add<T extends Tensor, U extends Tensor | number>(this: T, other: Bin<'add', T, U>): BinOut<T, U>;
    /** a - b, broadcast. */
    sub<T extends Tensor, U extends Tensor | number>(this: T, other: Bin<'sub', T, U>): BinOut<T, U>;
    /** a · b element by element, broadcast. */
    mul<T extends Tensor, U extends Tensor | number>(this: T, other: Bin<'mul', T, U>): BinOut<T, U>;
    /** a / b, broadcast; integers divide to float32. */
    div<T extends Tensor, U extends Tensor | number>(this: T, other: Bin<'div', T, U>): BinOut<T, U>;
    /** a to the power b, broadcast. */
    pow<T extends Tensor, U extends Tensor | number>(this: T, other: Bin<'pow', T, U>): BinOut<T, U>;
    /** The larger of a and b, broadcast. */
    maximum<T extends Tensor, U extends Tensor | number>(this: T, other: Bin<'maximum', T, U>): BinOut<T, U>;
    /** The smaller of a and b, broadcast. */
    minimum<T extends Tensor, U extends Tensor | number>(this: T, other: Bin<'minimum', T, U>): BinOut<T, U>;
    /** a = b, broadcast, as bool. */
    equal<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'equal', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
    /** a ≠ b, broadcast, as bool. */
    notEqual<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'notEqual', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
    /** a < b, broadcast, as bool. */
    less<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'less', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
    /** a ≤ b, broadcast, as bool. */
    lessEqual<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'lessEqual', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
    /** a > b, broadcast, as bool. */
    greater<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'greater', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
    /** a ≥ b, broadcast, as bool. */
    greaterEqual<T extends Tensor, U extends Tensor | number>(
      this: T,
      other: Bin<'greaterEqual', T, U>,
    ): Tensor<Broadcast<Sh<T>, Sh<U>>, 'bool'>;
    /** min(max(x, low), high) */
    clip<T extends Tensor>(this: T, low: number, high: number): Tensor<Sh<T>, Dt<T>>;
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
for (const op of [...Object.values(binary), ...Object.values(compare)]) {
  installMethods({
    [op.name](this: Tensor, other: Operand) {
      return applyBinary(op, this, other);
    },
  });
}
installMethods({
  gelu(this: Tensor, options?: GeluOptions) {
    return gelu(this, options);
  },
  clip(this: Tensor, low: number, high: number) {
    return clip(this, low, high);
  },
});
