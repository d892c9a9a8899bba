import { cos, erf, exp, log, reciprocal, sin, softplus, softsign, sqrt, tanh } from '../../ops/unary.js';
import type { Tensor } from '../../tensor/tensor.js';

/** The functions of one element that ONNX has as an operator of its own: by operation, the operator and what runs it. */
export const elementFunctions: Readonly<Record<string, readonly [operator: string, run: (x: Tensor) => unknown]>> = {
  exp: ['Exp', exp],
  log: ['Log', log],
  sqrt: ['Sqrt', sqrt],
  reciprocal: ['Reciprocal', reciprocal],
  tanh: ['Tanh', tanh],
  softplus: ['Softplus', softplus],
  softsign: ['Softsign', softsign],
  sin: ['Sin', sin],
  cos: ['Cos', cos],
  erf: ['Erf', erf],
};
