import { ArgumentError, DisposedError } from '../errors.js';
import { type AbstractEvaluator, context, within } from '../ops/context.js';
import type { AnyOp, Operand, Signature } from '../ops/op.js';
import { shownShape } from '../support/check.js';
import { internals, isTensor, type PassState, type Tensor } from '../tensor/tensor.js';

/** Raised inside a pass that cannot go on because a value was wanted; never seen by users. */
class PassRefused extends Error {}

/** The owner of a tensor that outlives passes: a parameter. */
export interface Owner {
  data(): Tensor;
  /** Whether it is a tensor of numbers that a forward had when it was evaluated; it may have others the next time. */
  readonly isConstant?: true;
  /** Whether it is a tensor that the forward reads as it is, whoever has it. */
  readonly isTensor?: true;
}

/**
 * One evaluation of a forward on shapes alone. Every operation in it answers with an abstract tensor: shape and dtype,
 * no elements. Abstract tensors live as long as the pass.
 */
export class ShapePass implements PassState, AbstractEvaluator {
  #open = true;
  #refused = false;

  /** `lenient`: whether parameters that were never initialized may answer, as in a table of shapes. */
  constructor(readonly lenient = false) {}

  /** Whether a value was asked for, even if user code swallowed the refusal. */
  get refused(): boolean {
    return this.#refused;
  }

  evaluate(signature: Signature, _op: AnyOp, inputs: readonly Operand[], _attrs: unknown): Tensor {
    for (const input of inputs) if (typeof input !== 'number') this.checkOwn(input);
    return this.tensor(signature);
  }

  create(signature: Signature, _make: () => Tensor, _draws: boolean): Tensor {
    return this.tensor(signature);
  }

  constant(signature: Signature, _make: () => Tensor): Tensor {
    return this.tensor(signature);
  }

  alias(t: Tensor): Tensor {
    return this.tensor(t);
  }

  /** The abstract tensor of one that outlives the pass, the values of a parameter. */
  standFor(_owner: Owner, signature: Signature): Tensor {
    return this.tensor(signature);
  }

  tensor({ shape, dtype }: Signature): Tensor {
    return internals.createAbstract(this, shape, dtype);
  }

  /** Raises for an abstract tensor of another pass. */
  protected checkOwn(t: Tensor): void {
    const pass = internals.passOf(t);
    if (pass !== null && pass !== this) pass.refuseRead('it was used');
  }

  refuseRead(what: string): never {
    if (!this.#open) {
      throw new DisposedError(
        `A tensor of a shape pass was kept beyond it, and ${what}: on the first call of a net, forward runs once on shapes alone, ` +
          'and its tensors have no values (see nn.isShapePass())',
      );
    }
    this.#refused = true;
    throw new PassRefused(`${what} during a shape pass`);
  }

  write(target: Tensor, _source: Tensor): void {
    this.refuseWrite(target);
  }

  refuseWrite(t: Tensor): never {
    return this.refuseRead(`a tensor of shape ${shownShape(t.shape)} was written to`);
  }

  close(): void {
    this.#open = false;
  }
}

/** The pass that is on, if any. */
export function currentPass(): ShapePass | null {
  return context.abstract as ShapePass | null;
}

/** Whether a forward is being evaluated on shapes alone. */
export function isShapePass(): boolean {
  return context.abstract !== null;
}

/**
 * Evaluates `body` on shapes alone. Answers 'refused' when it asked for a value, whatever else it then did; what it threw
 * otherwise is thrown on.
 */
export function runPass<P extends ShapePass, R>(pass: P, body: (pass: P) => R): R | 'refused' {
  return within({ abstract: pass, tape: null }, () => {
    try {
      const result = body(pass);
      return pass.refused ? 'refused' : result;
    } catch (error) {
      if (pass.refused) return 'refused';
      throw error;
    } finally {
      pass.close();
    }
  });
}

/** How deep tensors may be nested in inputs and outputs. */
const DEPTH = 64;

/** The value with every tensor in it, at any depth of arrays and plain objects, replaced. */
export function mapTensors(value: unknown, replace: (t: Tensor) => unknown, depth = 0): unknown {
  if (isTensor(value)) return replace(value);
  if (depth > DEPTH)
    throw new ArgumentError(`An input or output of a forward is nested more than ${DEPTH} deep, or contains itself`);
  if (Array.isArray(value)) return value.map(item => mapTensors(item, replace, depth + 1));
  if (isPlainObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTensors(item, replace, depth + 1)]));
  }
  return value;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
