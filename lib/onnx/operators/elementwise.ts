import { add, div, maximum, minimum, mul, pow, sub } from '../../ops/binary.js';
import { cast } from '../../ops/cast.js';
import { equal, greater, greaterEqual, less, lessEqual } from '../../ops/compare.js';
import { full } from '../../ops/create.js';
import { stack } from '../../ops/join.js';
import { logicalAnd, logicalNot, logicalOr } from '../../ops/logical.js';
import { clip, where } from '../../ops/select.js';
import {
  abs,
  ceil,
  cos,
  erf,
  exp,
  expm1,
  floor,
  log,
  neg,
  reciprocal,
  relu,
  round,
  sigmoid,
  sign,
  sin,
  softplus,
  softsign,
  sqrt,
  tanh,
} from '../../ops/unary.js';
import { type DType, isFloat } from '../../tensor/dtype.js';
import type { Tensor } from '../../tensor/tensor.js';
import { dtypeOf } from '../elements.js';
import type { Call, Emitter, Exporter } from '../emitter.js';
import { type FreeOperand, isValue } from '../free-graph.js';
import { rectifier } from '../idioms.js';
import { areLongs, type Importer, MOST_SIZES } from '../reader.js';
import { DataType } from '../schema.js';

// ---------- of one operand

/** Operators that are the same operation, in the type of its result. */
const same: Readonly<Record<string, string>> = {
  abs: 'Abs',
  sign: 'Sign',
  exp: 'Exp',
  log: 'Log',
  sqrt: 'Sqrt',
  reciprocal: 'Reciprocal',
  tanh: 'Tanh',
  softplus: 'Softplus',
  softsign: 'Softsign',
  sin: 'Sin',
  cos: 'Cos',
  erf: 'Erf',
};

const input = (e: Emitter, call: Call): string => e.in(call.output.dtype, call.inputs[0] as FreeOperand);

/** Written out in float64: onnxruntime makes of x·Sigmoid(…) an operator of its own that it has for float32 alone. */
function logistic(e: Emitter, x: string, dtype: DType): string {
  if (dtype === 'float32') return e.node('Sigmoid', [x]);
  const shrunk = e.node('Exp', [e.node('Neg', [x])]);
  return e.node('Reciprocal', [e.node('Add', [shrunk, e.scalar(1, dtype)])]);
}

/** Activations by the name of their operation, from a value and its type. */
export const activations: Readonly<Record<string, (e: Emitter, x: string, dtype: DType) => string>> = {
  relu: (e, x, dtype) => (isFloat(dtype) ? e.node('Relu', [x]) : e.node('Max', [x, e.scalar(0, dtype)])),
  tanh: (e, x) => e.node('Tanh', [x]),
  sigmoid: logistic,
  silu: (e, x, dtype) => e.node('Mul', [x, logistic(e, x, dtype)]),
  gelu: (e, x, dtype) => {
    const shape = e.node('Erf', [e.node('Div', [x, e.scalar(Math.SQRT2, dtype)])]);
    const weight = e.node('Add', [shape, e.scalar(1, dtype)]);
    return e.node('Mul', [e.node('Mul', [x, weight]), e.scalar(0.5, dtype)]);
  },
  geluTanh: (e, x, dtype) => {
    const cube = e.node('Mul', [e.node('Mul', [x, x]), x]);
    const bent = e.node('Add', [x, e.node('Mul', [cube, e.scalar(0.044715, dtype)])]);
    const shape = e.node('Tanh', [e.node('Mul', [bent, e.scalar(Math.sqrt(2 / Math.PI), dtype)])]);
    const weight = e.node('Add', [shape, e.scalar(1, dtype)]);
    return e.node('Mul', [e.node('Mul', [x, weight]), e.scalar(0.5, dtype)]);
  },
};

/** For integers, which are whole already, the value itself. */
const rounding =
  (type: string): Exporter =>
  (e, call) =>
    isFloat(call.output.dtype) ? e.node(type, [input(e, call)]) : input(e, call);

/**
 * By a function of u = 1 + x or e^x where rounding of u loses x, as W. Kahan has it: the error of u cancels. `far` is where
 * u is exact enough.
 */
function nearZero(e: Emitter, x: string, near: string, far: string, dtype: DType): string {
  const isNear = e.node('LessOrEqual', [e.node('Abs', [x]), e.scalar(0.5, dtype)]);
  return e.node('Where', [isNear, near, far]);
}

const unary: Readonly<Record<string, Exporter>> = {
  ...Object.fromEntries(
    Object.entries(same).map(([name, type]): [string, Exporter] => [name, (e, call) => e.node(type, [input(e, call)])]),
  ),
  ...Object.fromEntries(
    Object.entries(activations).map(([name, emit]): [string, Exporter] => [
      name,
      (e, call) => emit(e, input(e, call), call.output.dtype),
    ]),
  ),
  neg: (e, call) =>
    call.output.dtype === 'uint8'
      ? e.node('Sub', [e.scalar(0, 'uint8'), input(e, call)])
      : e.node('Neg', [input(e, call)]),
  square: (e, call) => {
    const x = input(e, call);
    return e.node('Mul', [x, x]);
  },
  rsqrt: (e, call) => e.node('Reciprocal', [e.node('Sqrt', [input(e, call)])]),
  floor: rounding('Floor'),
  ceil: rounding('Ceil'),
  round: rounding('Round'),
  log1p: (e, call) => {
    const { dtype } = call.output;
    const x = input(e, call);
    const one = e.scalar(1, dtype);
    const u = e.node('Add', [x, one]);
    const rounded = e.node('Sub', [u, one]);
    // Where u is 1 itself, x is the answer.
    const lost = e.node('Equal', [rounded, e.scalar(0, dtype)]);
    const ratio = e.node('Div', [e.node('Mul', [e.node('Log', [u]), x]), e.node('Where', [lost, one, rounded])]);
    return nearZero(e, x, e.node('Where', [lost, x, ratio]), e.node('Log', [u]), dtype);
  },
  expm1: (e, call) => {
    const { dtype } = call.output;
    const x = input(e, call);
    const one = e.scalar(1, dtype);
    const u = e.node('Exp', [x]);
    const rounded = e.node('Sub', [u, one]);
    const logarithm = e.node('Log', [u]);
    const lost = e.node('Equal', [logarithm, e.scalar(0, dtype)]);
    const ratio = e.node('Div', [e.node('Mul', [rounded, x]), e.node('Where', [lost, one, logarithm])]);
    return nearZero(e, x, e.node('Where', [lost, x, ratio]), rounded, dtype);
  },
  cast: (e, call) => {
    const { dtype } = call.value(0);
    const x = e.name(call.value(0));
    // What lies outside of bytes is held to their range here, and anything there.
    const held = isFloat(dtype) && call.output.dtype === 'uint8';
    const within = held ? e.node('Clip', [x, e.scalar(0, dtype), e.scalar(255, dtype)]) : x;
    return e.cast(within, dtype, call.output.dtype);
  },
  clone: (e, call) => e.name(call.value(0)),
  detach: (e, call) => e.name(call.value(0)),
  /** What it checks, a file cannot. */
  inRange: (e, call) => e.name(call.value(0)),
  labelProduct: (e, call) => e.node('Mul', [e.name(call.value(0)), e.name(call.value(1))]),
  sigmoidCrossEntropy: (e, call) => {
    const { dtype } = call.output;
    const [x, labels] = [e.name(call.value(0)), e.name(call.value(1))];
    const half = e.scalar(0.5, dtype);
    const z = call.attrs.isSigned ? e.node('Add', [e.node('Mul', [labels, half]), half]) : labels;
    const soft = e.node('Softplus', [e.node('Neg', [e.node('Abs', [x])])]);
    return e.node('Add', [e.node('Sub', [e.node('Relu', [x]), e.node('Mul', [x, z])]), soft]);
  },
  clip: (e, call) => {
    const { dtype } = call.output;
    // A bound that is left out is the largest float to some runtimes, and not infinity.
    const bound = (value: number): string => (Number.isFinite(value) || isFloat(dtype) ? e.scalar(value, dtype) : '');
    return e.node('Clip', [input(e, call), bound(call.attrs.low), bound(call.attrs.high)]);
  },
};

// ---------- of two

function arithmetic(type: string): Exporter {
  return (e, call) =>
    e.node(
      type,
      call.inputs.map(operand => e.in(call.output.dtype, operand)),
    );
}

/** The type in which two operands are compared: what of both holds the other, integers as int32. */
function comparedIn(call: Call): DType {
  const order: DType[] = ['int32', 'float32', 'float64'];
  let place = 0;
  for (const operand of call.inputs) {
    if (isValue(operand)) {
      place = Math.max(place, order.indexOf(operand.dtype));
      continue;
    }
    const other = call.inputs.find(isValue)?.dtype ?? 'float32';
    const fits = isFloat(other) || (Number.isInteger(operand.base) && (operand.base | 0) === operand.base);
    if (!fits) place = Math.max(place, order.indexOf(Number.isInteger(operand.base) ? 'float64' : 'float32'));
  }
  return order[place] as DType;
}

function comparison(type: string): (e: Emitter, call: Call) => string {
  return (e, call) => {
    const dtype = comparedIn(call);
    return e.node(
      type,
      call.inputs.map(operand => e.in(dtype, operand)),
    );
  };
}

export const exporters: Readonly<Record<string, Exporter>> = {
  ...unary,
  add: arithmetic('Add'),
  sub: arithmetic('Sub'),
  mul: arithmetic('Mul'),
  div: arithmetic('Div'),
  pow: arithmetic('Pow'),
  maximum: arithmetic('Max'),
  minimum: arithmetic('Min'),
  equal: comparison('Equal'),
  notEqual: (e, call) => e.node('Not', [comparison('Equal')(e, call)]),
  less: comparison('Less'),
  lessEqual: comparison('LessOrEqual'),
  greater: comparison('Greater'),
  greaterEqual: comparison('GreaterOrEqual'),
  where: (e, call) => {
    const { dtype } = call.output;
    const rectified = rectifier(call.node, e.around.producers);
    if (rectified !== null) {
      const { type, x, alpha } = rectified;
      const given = isValue(alpha) ? [e.name(x), e.name(alpha)] : [e.name(x)];
      return e.node(type, given, isValue(alpha) ? {} : { alpha: { f: alpha.base } });
    }
    const condition = e.name(call.value(0));
    const [a, b] = call.inputs.slice(1).map(operand => e.in(dtype, operand)) as [string, string];
    if (dtype !== 'bool') return e.node('Where', [condition, a, b]);
    return e.node('Or', [e.node('And', [condition, a]), e.node('And', [e.node('Not', [condition]), b])]);
  },
};

// ---------- from files

const one =
  (f: (x: Tensor) => unknown): Importer =>
  node => {
    node.takes(1);
    return inputs => [f(inputs.tensor(0)) as Tensor];
  };

/** x where it is above 0, else what `below` makes of it and a number. */
function rectifying(otherwise: number, below: (x: Tensor, alpha: number) => Tensor): Importer {
  return node => {
    node.takes(1);
    const alpha = node.float('alpha', otherwise);
    return inputs => {
      const x = inputs.tensor(0);
      return [where(greater(x, 0), x, below(x, alpha))];
    };
  };
}

/** Arithmetic of tensors, and of the sizes that shapes are computed from. */
const two =
  (f: (a: Tensor, b: Tensor) => unknown, ofLongs?: (a: number, b: number) => number): Importer =>
  node => {
    node.takes(2);
    return inputs => {
      const [a, b] = [inputs.at(0), inputs.at(1)];
      if (ofLongs === undefined || !areLongs(a) || !areLongs(b))
        return [f(inputs.tensor(0), inputs.tensor(1)) as Tensor];
      const [x, y] = [a.longs, b.longs];
      if (x.length !== y.length && x.length !== 1 && y.length !== 1)
        inputs.refuse(`lists of ${x.length} and of ${y.length} sizes`);
      if (Math.max(x.length, y.length) > MOST_SIZES) inputs.refuse(`more than ${MOST_SIZES} sizes`);
      const longs = Array.from({ length: x.length === 1 ? y.length : x.length }, (_, i) =>
        ofLongs(x[x.length === 1 ? 0 : i] as number, y[y.length === 1 ? 0 : i] as number),
      );
      return [{ longs, isScalar: a.isScalar && b.isScalar }];
    };
  };

export const importers: Readonly<Record<string, Importer>> = {
  Abs: one(abs),
  Sign: one(sign),
  Exp: one(exp),
  Log: one(log),
  Sqrt: one(sqrt),
  Reciprocal: one(reciprocal),
  Tanh: one(tanh),
  Sigmoid: one(sigmoid),
  Softplus: one(softplus),
  Softsign: one(softsign),
  Sin: one(sin),
  Cos: one(cos),
  Erf: one(erf),
  Relu: one(relu),
  Neg: one(neg),
  Floor: one(floor),
  Ceil: one(ceil),
  Round: one(round),
  Not: one(logicalNot),
  Identity: node => {
    node.takes(1);
    return inputs => [inputs.at(0)];
  },
  Add: two(
    (a, b) => add(a, b as never),
    (a, b) => a + b,
  ),
  Sub: two(
    (a, b) => sub(a, b as never),
    (a, b) => a - b,
  ),
  Mul: two(
    (a, b) => mul(a, b as never),
    (a, b) => a * b,
  ),
  Div: node => {
    node.takes(2);
    return inputs => [div(inputs.floats(0), inputs.floats(1)) as Tensor];
  },
  Pow: node => {
    node.takes(2);
    return inputs => {
      const [x, y] = [inputs.tensor(0), inputs.tensor(1)];
      if (x.dtype !== y.dtype) inputs.refuse(`powers of ${x.dtype} by ${y.dtype} are not known; cast one before`);
      return [pow(x, y as never) as Tensor];
    };
  },
  Max: two((a, b) => maximum(a, b as never)),
  Min: two((a, b) => minimum(a, b as never)),
  And: two((a, b) => logicalAnd(a, b as never)),
  Or: two((a, b) => logicalOr(a, b as never)),
  Equal: two((a, b) => equal(a, b as never)),
  Less: two((a, b) => less(a, b as never)),
  LessOrEqual: two((a, b) => lessEqual(a, b as never)),
  Greater: two((a, b) => greater(a, b as never)),
  GreaterOrEqual: two((a, b) => greaterEqual(a, b as never)),
  LeakyRelu: rectifying(0.01, (x, alpha) => mul(x, alpha) as Tensor),
  Elu: rectifying(1, (x, alpha) => mul(expm1(minimum(x, 0)), alpha) as Tensor),
  PRelu: node => {
    node.takes(2);
    return inputs => {
      const x = inputs.tensor(0);
      return [where(greater(x, 0), x, mul(x, inputs.tensor(1) as never) as Tensor)];
    };
  },
  Where: node => {
    node.takes(3);
    return inputs => [where(inputs.tensor(0), inputs.tensor(1), inputs.tensor(2))];
  },
  Cast: node => {
    node.takes(1);
    const to = node.int('to', 0);
    const dtype = to === DataType.int64 ? null : dtypeOf(to);
    if (dtype === null && to !== DataType.int64) node.refuse(`element type ${to} is not known`);
    return inputs => {
      const given = inputs.at(0);
      if (!areLongs(given)) return [cast(inputs.tensor(0), dtype ?? 'int32') as Tensor];
      if (dtype === null) return [given];
      // A size as a number of a tensor: filled, for a fill may hang on the batch where a constant may not.
      const sizes = given.longs.map(size => full([], size, { dtype }) as Tensor);
      return [given.isScalar ? (sizes[0] as Tensor) : stack(sizes)];
    };
  },
  Clip: node => {
    node.takes(1, 3);
    return inputs => {
      const bound = (i: number, otherwise: number): number =>
        inputs.maybe(i) === null ? otherwise : ((inputs.maybe(i) as Tensor).item() as number);
      return [clip(inputs.tensor(0), bound(1, -Infinity), bound(2, Infinity)) as Tensor];
    };
  },
};
