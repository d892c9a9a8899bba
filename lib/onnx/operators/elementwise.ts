import { type DType, isFloat } from '../../tensor/dtype.js';
import type { Call, Emitter, Exporter } from '../emitter.js';
import { type FreeOperand, isValue } from '../free-graph.js';
import { rectifier } from '../idioms.js';
import { elementFunctions } from './element-functions.js';

// ---------- of one operand

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
    elementFunctions.map(({ name, operator }): [string, Exporter] => [
      name,
      (e, call) => e.node(operator, [input(e, call)]),
    ]),
  ),
  abs: (e, call) => e.node('Abs', [input(e, call)]),
  sign: (e, call) => e.node('Sign', [input(e, call)]),
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
    // Values outside of bytes saturate here, and are undefined in ONNX.
    const held = isFloat(dtype) && call.output.dtype === 'uint8';
    const within = held ? e.node('Clip', [x, e.scalar(0, dtype), e.scalar(255, dtype)]) : x;
    return e.cast(within, dtype, call.output.dtype);
  },
  clone: (e, call) => e.name(call.value(0)),
  detach: (e, call) => e.name(call.value(0)),
  /** A file has no checks of values. */
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
    const isWhole = operand.at.every(Number.isInteger);
    const fits = isFloat(other) || (isWhole && operand.at.every(n => (n | 0) === n));
    if (!fits) place = Math.max(place, order.indexOf(isWhole ? 'float64' : 'float32'));
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
      return e.node(type, given, isValue(alpha) ? {} : { alpha: { f: alpha.at[0] as number } });
    }
    const condition = e.name(call.value(0));
    const [a, b] = call.inputs.slice(1).map(operand => e.in(dtype, operand)) as [string, string];
    if (dtype !== 'bool') return e.node('Where', [condition, a, b]);
    return e.node('Or', [e.node('And', [condition, a]), e.node('And', [e.node('Not', [condition]), b])]);
  },
};
