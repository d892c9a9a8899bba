import { ArgumentError, AutogradError } from '../errors.js';
import { context } from '../ops/context.js';
import { withScope } from '../ops/invoke.js';
import type { AnyOp, Operand } from '../ops/op.js';
import { marked, type OnnxGraph } from '../ops/own-form.js';
import { shown } from '../support/check.js';
import { checkTensor, internals, isTensor, type Tensor } from '../tensor/tensor.js';
import { unrecorded } from './modes.js';
import { record } from './tape.js';

/**
 * An operation of a user's own, with its gradient.
 *
 * Extend it with `forward`, from tensors to one tensor, and `backward`, from the result's gradient to one gradient for
 * each of the inputs (null for those without); what backward needs is kept in fields. One object serves one call:
 *
 * ```ts
 * class Cube extends autograd.Function {
 *   x?: Tensor;
 *   forward(x: Tensor) { this.x = x; return x.mul(x).mul(x); }
 *   backward(g: Tensor) { return g.mul(this.x!.square()).mul(3); }
 * }
 * const y = new Cube().apply(x);
 * ```
 *
 * In plans, compiled steps and ONNX files it is the operations that forward and backward are made of. Where a file has a form
 * for it, `onnx` writes that in place of forward's operations.
 */
export abstract class Function {
  #used = false;

  abstract forward(...inputs: Tensor[]): Tensor;
  /** The gradient of each input from g, that of the result; null for an input without one. */
  abstract backward(g: Tensor): Tensor | null | readonly (Tensor | null)[];

  /** Writes its form in an ONNX file, from the names of the inputs; answers the name of the result. */
  onnx?(graph: OnnxGraph, ...inputs: string[]): string;

  /** Computes forward(...inputs) as one operation, whose gradient is `backward`. */
  apply(...inputs: Tensor[]): Tensor {
    const name = this.constructor.name;
    if (typeof this.forward !== 'function' || typeof this.backward !== 'function')
      throw new ArgumentError(`${name}.apply: extend autograd.Function with forward() and backward()`);
    if (this.#used) throw new AutogradError(`${name}: one object serves one call; make a new one for each`);
    for (const input of inputs) checkTensor(`${name}.apply`, input);
    this.#used = true;
    const result: unknown = unrecorded(() => this.#marked(this.forward(...inputs), inputs));
    if (!isTensor(result))
      throw new ArgumentError(`${name}.forward must return a tensor, but returned ${shown(result)}`);
    // A forward that hands an input through must not hang the gradient on the input itself.
    const output = inputs.includes(result) || internals.gradState(result) !== null ? result.detach() : result;
    if (context.tape !== null) record(this.#asOp(name, inputs.length), null, inputs as Operand[], output, []);
    return output;
  }

  /** A result while a forward is traced, with a mark for files. */
  #marked(result: unknown, inputs: readonly Tensor[]): unknown {
    if (context.abstract === null || this.onnx === undefined || !isTensor(result)) return result;
    return marked(inputs, result, {
      who: () => `${this.constructor.name}.onnx`,
      write: (graph, names) => this.onnx?.(graph, ...names),
    });
  }

  #asOp(name: string, count: number): AnyOp {
    return {
      name,
      isForeign: true,
      infer: () => {
        throw new AutogradError(`${name} is not applied through the table of operations`);
      },
      run: () => {
        throw new AutogradError(`${name} is not applied through the table of operations`);
      },
      gradient: g => {
        // Tensors of user code belong to their handles: it may keep any of them.
        const result = withScope(null, () => this.backward(context.abstract === null ? g.clone() : g));
        const list = (Array.isArray(result) ? result : [result]) as readonly (Tensor | null)[];
        if (list.length !== count || list.some(item => item !== null && !isTensor(item))) {
          throw new AutogradError(
            `${name}.backward must return ${count === 1 ? 'a gradient' : `an array of ${count} gradients`}, but returned ${shown(result)}`,
          );
        }
        return list;
      },
      saves: {},
    };
  }
}
