import type { AnyOp, Operand, Signature } from '../ops/op.js';
import { watchers } from '../ops/watch.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import { type Owner, ShapePass } from './shape-pass.js';

/** One thing that a forward did, in terms of the tensors of its trace and of tensors from outside. */
export type TracedNode = Applied | Made | Written;

/** An operation and its result. */
export interface Applied {
  readonly kind: 'apply';
  readonly op: AnyOp;
  readonly attrs: unknown;
  readonly inputs: readonly Operand[];
  readonly output: Tensor;
  /** What ran at the time, for messages. */
  readonly owner: unknown;
}

/** A tensor made of nothing by native calls. */
export interface Made {
  readonly kind: 'make';
  readonly make: () => Tensor;
  readonly output: Tensor;
  readonly owner: unknown;
}

/** A copy into a tensor that outlives the trace. */
export interface Written {
  readonly kind: 'write';
  readonly target: Tensor;
  readonly source: Tensor;
  readonly owner: unknown;
}

/** Why a forward cannot be traced. */
export interface Refusal {
  readonly what: string;
  readonly owner: unknown;
}

/** An evaluation on shapes alone that writes down what is done, so that it can be done again without JavaScript. */
export class Trace extends ShapePass {
  readonly nodes: TracedNode[] = [];
  /** What stands for a tensor that outlives the trace, and how to get that. */
  readonly held = new Map<Tensor, Owner>();
  readonly #standIns = new Map<Owner, Tensor>();
  readonly #inputs = new Set<Tensor>();
  #refusal: Refusal | null = null;

  /** `owner` tells what is running. */
  constructor(private readonly owner: () => unknown) {
    super(false, null);
  }

  get refusal(): Refusal | null {
    return this.#refusal;
  }

  /** An input of the forward. */
  input(signature: Signature): Tensor {
    const t = this.tensor(signature);
    this.#inputs.add(t);
    return t;
  }

  override evaluate(signature: Signature, op: AnyOp, inputs: readonly Operand[], attrs: unknown): Tensor {
    const output = super.evaluate(signature, op, inputs, attrs);
    this.nodes.push({ kind: 'apply', op, attrs, inputs, output, owner: this.owner() });
    return output;
  }

  override create(signature: Signature, make: () => Tensor): Tensor {
    const output = this.tensor(signature);
    this.nodes.push({ kind: 'make', make, output, owner: this.owner() });
    return output;
  }

  /** Made now, once: what JavaScript reads while it is traced is the same in every run. */
  override constant(signature: Signature, make: () => Tensor): Tensor {
    const { abstract } = watchers;
    watchers.abstract = null;
    let made: Tensor;
    try {
      made = make();
    } finally {
      watchers.abstract = abstract;
    }
    const output = this.tensor(signature);
    this.held.set(output, { data: () => made });
    return output;
  }

  override alias(t: Tensor): Tensor {
    this.checkOwn(t);
    return t;
  }

  override standFor(owner: Owner, signature: Signature): Tensor {
    let t = this.#standIns.get(owner);
    if (t === undefined) {
      t = this.tensor(signature);
      this.#standIns.set(owner, t);
      this.held.set(t, owner);
    }
    return t;
  }

  override write(target: Tensor, source: Tensor): void {
    this.checkOwn(source);
    const outlives = internals.isAbstract(target) ? this.held.has(target) : !internals.isView(target);
    if (!outlives) this.refuseWrite(target);
    this.nodes.push({ kind: 'write', target, source, owner: this.owner() });
  }

  override refuseRead(what: string): never {
    if (!this.refused) this.#refusal ??= { what, owner: this.owner() };
    return super.refuseRead(what);
  }
}

/** Whether a forward is being traced. */
export function isTracing(): boolean {
  return watchers.abstract instanceof Trace;
}
