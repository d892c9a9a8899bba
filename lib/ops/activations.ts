import { opcode } from '../native/register.js';
import type { Tensor } from '../tensor/tensor.js';
import { context } from './context.js';
import type { ToFloat, ToSame } from './define-unary.js';
import { exactGelu } from './gelu.js';
import { type AnyOp, type Application, apply, type Extended, type Op, type Operand, operationOf } from './op.js';
import { relu, sigmoid, silu, softplus, softsign, tanh } from './unary.js';

interface Activation {
  readonly apply: ToSame | ToFloat;
  /** Whether products can apply it to their results themselves. */
  readonly fuses: boolean;
}

/** The activations of layers under Gluon's names: softrelu is ln(1 + e^x). */
const activations = {
  relu: { apply: relu, fuses: true },
  sigmoid: { apply: sigmoid, fuses: true },
  tanh: { apply: tanh, fuses: true },
  softrelu: { apply: softplus, fuses: false },
  softsign: { apply: softsign, fuses: false },
  gelu: { apply: exactGelu, fuses: true },
  silu: { apply: silu, fuses: true },
} as const satisfies Record<string, Activation>;

/** Gluon's names: softrelu is ln(1 + e^x), softsign is x/(1 + |x|). */
export type ActivationName = keyof typeof activations;

export const activationNames = Object.keys(activations) as ActivationName[];

/** The activations that products can apply themselves. */
export const fusedActivations = activationNames.filter(name => activations[name].fuses);

export function activate(name: ActivationName, x: Tensor): Tensor {
  return activations[name].apply(x);
}

/** The operation of an activation. */
export function activationOp(name: ActivationName): Op<object> {
  return operationOf(activations[name].apply);
}

const names = new Map<AnyOp, ActivationName>(activationNames.map(name => [activationOp(name), name]));

/** The activation that an operation is, if it is one. */
export function activationOf(op: AnyOp): ActivationName | undefined {
  return names.get(op);
}

// The unary operations are the addon's first; their places are their numbers (see native/runtime/ops/dense.cc).
const codes = new Map(fusedActivations.map(name => [name, opcode(activationOp(name).name)]));

/** The addon's number for an activation that products can apply themselves, or -1. */
export function activationCode(name: ActivationName | null): number {
  return name === null ? -1 : (codes.get(name) ?? -1);
}

/** The same product, which applies the activation that follows it as well; null if it can't. */
export function withActivation<A extends { readonly activation: ActivationName | null }>(
  attrs: A,
  inputs: readonly Operand[],
  reader: Application,
): Extended<A> | null {
  const activation = attrs.activation === null ? activationOf(reader.op) : undefined;
  return activation === undefined || !activations[activation].fuses
    ? null
    : { inputs, attrs: { ...attrs, activation } };
}

/**
 * A product's result with an activation, which the product applies itself where it can. While gradients are recorded that is
 * where the activation's slope follows from its value: the input of the others would be lost.
 */
export function applyProduct<A extends { readonly activation: ActivationName | null }>(
  op: Op<A>,
  inputs: readonly Operand[],
  attrs: Omit<A, 'activation'>,
  activation: ActivationName | null,
): Tensor {
  const applies = (name: ActivationName | null): Tensor => apply(op, inputs, { ...attrs, activation: name } as A);
  if (activation === null) return applies(null);
  const canFuse = op.fuses?.includes(activation) === true;
  const isFused = canFuse && (context.tape === null || activationOp(activation).saves.output === true);
  return isFused ? applies(activation) : activate(activation, applies(null));
}
