import type { Tensor } from '../tensor/tensor.js';
import { apply, defineOp, notDifferentiable } from './op.js';

/** The attribute of a node in a file: whole numbers as such, floats in { f }, texts, and lists of whole numbers or texts. */
export type OnnxAttribute = number | { readonly f: number } | string | readonly number[] | readonly string[];

/** The graph of an ONNX file that is being written. Values go by their names. */
export interface OnnxGraph {
  /**
   * Adds a node; answers the name of its first result. Operators are those of version 17; one of another domain is called as
   * in 'com.example::Twist', and the file asks for version 1 of that domain. '' stands for an input that is left out.
   */
  node(type: string, inputs: readonly string[], attributes?: Readonly<Record<string, OnnxAttribute>>): string;
  /** The name of a constant: a tensor, or a number as a scalar of float32. */
  constant(value: Tensor | number): string;
}

/** A function's form in a file, as an attribute. */
export interface FormAttrs {
  /** The function's class, for messages. */
  readonly who: () => string;
  readonly write: (graph: OnnxGraph, inputs: readonly string[]) => unknown;
}

/** The last operand, which was computed from the others by a function that has a form of its own in files. */
const ownFormOp = defineOp<FormAttrs>({
  name: 'ownForm',
  infer: inputs => inputs.at(-1) as Tensor,
  run: inputs => inputs.at(-1) as Tensor,
  gradient: notDifferentiable('the function that it marks has the gradient'),
  saves: {},
});

/** The result of a function while it is traced, with the function's form for who writes a file. */
export function marked(inputs: readonly Tensor[], result: Tensor, form: FormAttrs): Tensor {
  return apply(ownFormOp, [...inputs, result], form);
}
