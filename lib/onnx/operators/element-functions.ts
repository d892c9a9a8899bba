import { type AnyOp, apply, definedOps, noAttrs } from '../../ops/op.js';
import type { Tensor } from '../../tensor/tensor.js';

/** The functions of one element that ONNX has as an operator of its own: by operation, the operator. */
const operators: Readonly<Record<string, string>> = {
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

/** The same, with what runs them. */
export const elementFunctions = Object.entries(operators).map(([name, operator]) => ({
  name,
  operator,
  run: (x: Tensor): Tensor => apply(definedOps().get(name) as AnyOp, [x], noAttrs),
}));
