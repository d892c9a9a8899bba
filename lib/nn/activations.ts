import { ArgumentError } from '../errors.js';
import type { FusedActivation } from '../ops/dense.js';
import { gelu, relu, sigmoid, silu, softplus, softsign, tanh } from '../ops/unary.js';
import { checkOneOf } from '../support/check.js';
import type { Tensor } from '../tensor/tensor.js';

const functions = {
  relu,
  sigmoid,
  tanh,
  softrelu: softplus,
  softsign,
  gelu: (x: Tensor) => gelu(x),
  silu,
} as const satisfies Record<string, (x: Tensor) => Tensor>;

/** Gluon's names: softrelu is ln(1 + e^x), softsign is x/(1 + |x|). */
export type ActivationName = keyof typeof functions;

export const activationNames = Object.keys(functions) as ActivationName[];

export function checkActivation(who: string, value: unknown): ActivationName {
  if (value === 'softmax' || value === 'logSoftmax')
    throw new ArgumentError(
      `${who}: ${value} is no activation of a layer. Leave the layer without one: loss.SoftmaxCrossEntropy takes its output ` +
        `as it is, and ${value}(output, { axis: -1 }) gives what a prediction needs`,
    );
  return checkOneOf(who, value, activationNames);
}

export function activationFunction(name: ActivationName): (x: Tensor) => Tensor {
  return functions[name];
}

/** Whether a dense product applies the activation itself. */
export function isFused(name: ActivationName): name is ActivationName & FusedActivation {
  return name !== 'softrelu' && name !== 'softsign';
}
