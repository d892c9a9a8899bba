import { erf } from './plain.js';

/** A function of one element: what it is, and where it is tested. */
export interface ElementFunction {
  readonly f: (x: number) => number;
  /** The inputs are drawn from [low, high]. */
  readonly low: number;
  readonly high: number;
  /** Ranges without corner or pole, in which gradients are compared with differences. */
  readonly smooth: readonly (readonly [number, number])[];
  /** Whether integers stay integers. */
  readonly integers?: true;
}

const sigmoid = (x: number) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

/** To the nearest, of two the even one, with the sign of a zero. */
function roundToEven(x: number): number {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down + (x < 0 ? -0 : 0) : down + 1 === 0 ? -0 : down + 1;
}

/** The functions of one element by the names that users call. The tests of values, gradients, threads, raw calls and models read it. */
export const elementFunctions: Readonly<Record<string, ElementFunction>> = {
  neg: { f: x => -x, low: -5, high: 5, smooth: [[-2, 2]], integers: true },
  abs: {
    f: Math.abs,
    low: -5,
    high: 5,
    smooth: [
      [0.1, 2],
      [-2, -0.1],
    ],
    integers: true,
  },
  sign: {
    f: Math.sign,
    low: -5,
    high: 5,
    smooth: [
      [0.1, 2],
      [-2, -0.1],
    ],
    integers: true,
  },
  exp: { f: Math.exp, low: -8, high: 8, smooth: [[-2, 2]] },
  log: { f: Math.log, low: 0.01, high: 9, smooth: [[0.2, 3]] },
  log1p: { f: Math.log1p, low: -0.9, high: 9, smooth: [[-0.7, 3]] },
  expm1: { f: Math.expm1, low: -8, high: 8, smooth: [[-2, 2]] },
  sqrt: { f: Math.sqrt, low: 0, high: 9, smooth: [[0.2, 3]] },
  rsqrt: { f: x => 1 / Math.sqrt(x), low: 0.01, high: 9, smooth: [[0.2, 3]] },
  square: { f: x => x * x, low: -5, high: 5, smooth: [[-2, 2]], integers: true },
  reciprocal: {
    f: x => 1 / x,
    low: 0.1,
    high: 5,
    smooth: [
      [0.3, 2],
      [-2, -0.3],
    ],
  },
  tanh: { f: Math.tanh, low: -5, high: 5, smooth: [[-2, 2]] },
  sigmoid: { f: sigmoid, low: -9, high: 9, smooth: [[-3, 3]] },
  relu: {
    f: x => Math.max(x, 0),
    low: -5,
    high: 5,
    smooth: [
      [0.1, 2],
      [-2, -0.1],
    ],
    integers: true,
  },
  gelu: { f: x => 0.5 * x * (1 + erf(x / Math.SQRT2)), low: -2.5, high: 5, smooth: [[-3, 3]] },
  silu: { f: x => x * sigmoid(x), low: -9, high: 9, smooth: [[-3, 3]] },
  softplus: { f: x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), low: -9, high: 9, smooth: [[-3, 3]] },
  softsign: {
    f: x => x / (1 + Math.abs(x)),
    low: -5,
    high: 5,
    smooth: [
      [0.1, 3],
      [-3, -0.1],
    ],
  },
  erf: { f: erf, low: -4, high: 4, smooth: [[-2, 2]] },
  sin: { f: Math.sin, low: -9, high: 9, smooth: [[-4, 4]] },
  cos: { f: Math.cos, low: -9, high: 9, smooth: [[-4, 4]] },
  floor: {
    f: Math.floor,
    low: -5,
    high: 5,
    smooth: [
      [1.1, 1.9],
      [-1.9, -1.1],
    ],
    integers: true,
  },
  ceil: {
    f: Math.ceil,
    low: -5,
    high: 5,
    smooth: [
      [1.1, 1.9],
      [-1.9, -1.1],
    ],
    integers: true,
  },
  round: {
    f: roundToEven,
    low: -5,
    high: 5,
    smooth: [
      [0.6, 1.4],
      [-1.4, -0.6],
    ],
    integers: true,
  },
};
