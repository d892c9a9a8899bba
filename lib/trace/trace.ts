import { type AbstractEvaluator, context, type Recorder, within } from '../ops/context.js';
import { type AnyOp, noAttrs, type Operand, type Signature } from '../ops/op.js';
import { detachOp } from '../ops/view.js';
import type { DType } from '../tensor/dtype.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import { type Owner, ShapePass } from './shape-pass.js';

/** One thing that a forward did, in terms of the tensors of its trace and of tensors from outside. */
export type TracedNode = Applied | Made | Written | Differentiated;

/** An operation and its result. */
export interface Applied {
  readonly kind: 'apply';
  readonly op: AnyOp;
  readonly attrs: unknown;
  readonly inputs: readonly Operand[];
  readonly output: Tensor;
  /** Intermediate results that its `run` keeps for its gradient. */
  readonly work: readonly Tensor[];
  /** The block or operation that ran at the time, for messages. */
  readonly owner: unknown;
}

/** A tensor made of nothing by native calls. */
export interface Made {
  readonly kind: 'make';
  readonly make: () => Tensor;
  /** Whether it takes random numbers from a stream, which moves on also where nobody wants them. */
  readonly draws: boolean;
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

/** The gradients of an operation's operands, from that of its result. */
export interface Differentiated {
  readonly kind: 'gradient';
  readonly op: AnyOp;
  /** From the result's gradient to those of the operands, with what has arrived before where the operation adds to it. */
  readonly run: (g: Tensor, before: readonly (Tensor | null)[]) => readonly (Tensor | null)[];
  /** The forward call that it may read. */
  readonly reads: readonly Tensor[];
  readonly g: Tensor;
  readonly before: readonly (Tensor | null)[];
  /** One for each operand; null where there is none or nobody wants it. */
  readonly outputs: readonly (Tensor | null)[];
  readonly owner: unknown;
}

/** A value that is to be written into a tensor that outlives the trace, which nothing reads before unless by a stand-in. */
export interface Result {
  readonly target: Owner;
  readonly value: Tensor;
}

/** The same for a gradient that is 0 but at some rows: these are cleared, and slices added to those that indices name. */
export interface RowsResult {
  readonly target: Owner;
  /** Which rows may be other than 0, as lib/autograd/rows.ts has them. */
  readonly marks: Owner;
  readonly signature: Signature;
  readonly slices: readonly { readonly indices: Tensor; readonly g: Tensor }[];
}

/** Why a forward cannot be traced. */
export interface Refusal {
  readonly what: string;
  readonly owner: unknown;
}

/** An evaluation on shapes alone that writes down what is done, so that it can be done again without JavaScript. */
export class Trace extends ShapePass {
  readonly nodes: TracedNode[] = [];
  /** The abstract tensor of one that outlives the trace, and how to get that one. */
  readonly held = new Map<Tensor, Owner>();
  readonly results: (Result | RowsResult)[] = [];
  readonly #standIns = new Map<Owner, Tensor>();
  readonly #inputs = new Set<Tensor>();
  #refusal: Refusal | null = null;

  /** `owner` tells what is running. `lenient`: whether parameters that were never initialized may answer. */
  constructor(
    private readonly owner: () => unknown,
    lenient = false,
  ) {
    super(lenient);
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
    const { tape } = context;
    const work: Tensor[] = [];
    if (op.leavesWork === true && tape !== null) this.outline(() => op.run(inputs, attrs, signature, work));
    this.nodes.push({ kind: 'apply', op, attrs, inputs, output, work, owner: this.owner() });
    tape?.record(op, attrs, inputs, output, work);
    return output;
  }

  /** Runs `body` for the shapes of what it answers alone, and takes nothing down. */
  outline<R>(body: () => R): R {
    const outline = new Outline(this);
    return within({ abstract: outline, recorder: outline, tape: null }, body);
  }

  /** Takes down gradients, whose shapes are the operands'. */
  differentiate(node: Omit<Differentiated, 'kind' | 'owner'>): void {
    this.nodes.push({ kind: 'gradient', ...node, owner: null });
  }

  override create(signature: Signature, make: () => Tensor, draws: boolean): Tensor {
    const output = this.tensor(signature);
    this.nodes.push({ kind: 'make', make, draws, output, owner: this.owner() });
    return output;
  }

  /**
   * Made now, once: what JavaScript reads while it is traced is the same in every run, and held to be so at other batch
   * sizes.
   */
  override constant(signature: Signature, make: () => Tensor): Tensor {
    const made = outside(make);
    const output = this.tensor(signature);
    this.held.set(output, { data: () => made, isConstant: true });
    return output;
  }

  override alias(t: Tensor): Tensor {
    this.checkOwn(t);
    if (internals.gradState(t) === null) return t;
    const output = this.tensor(t);
    const owner = this.owner();
    this.nodes.push({ kind: 'apply', op: detachOp, attrs: noAttrs, inputs: [t], output, work: [], owner });
    return output;
  }

  override standFor(owner: Owner, signature: Signature): Tensor {
    let t = this.#standIns.get(owner);
    if (t === undefined) {
      t = this.tensor(signature);
      this.#standIns.set(owner, t);
      this.held.set(t, owner);
    }
    // The first look may be one that records nothing.
    if (context.tape !== null && internals.gradState(t) === null)
      internals.setGradState(t, internals.gradState(outside(() => owner.data())));
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

/** Runs `body` as if no pass were on. */
function outside<R>(body: () => R): R {
  return within({ abstract: null }, body);
}

/** Answers with shapes, to operations and to native calls alike, and remembers nothing. */
class Outline implements AbstractEvaluator, Recorder {
  constructor(private readonly pass: Trace) {}
  evaluate(signature: Signature): Tensor {
    return this.pass.tensor(signature);
  }
  create(signature: Signature): Tensor {
    return this.pass.tensor(signature);
  }
  constant(signature: Signature): Tensor {
    return this.pass.tensor(signature);
  }
  alias(t: Tensor): Tensor {
    return t;
  }
  write(target: Tensor): void {
    this.pass.refuseWrite(target);
  }
  refuseWrite(t: Tensor): never {
    return this.pass.refuseWrite(t);
  }
  make(_code: number, _inputs: readonly Operand[], shapes: readonly (readonly number[])[], dtype: DType): Tensor[] {
    return shapes.map(shape => this.pass.tensor({ shape, dtype }));
  }
  view(_code: number, input: Tensor, shape: readonly number[]): Tensor {
    return this.pass.tensor({ shape, dtype: input.dtype });
  }
  into(): void {}
  isContiguous(): boolean {
    return true;
  }
  draw(): void {}
}

/** Whether a forward is being traced. */
export function isTracing(): boolean {
  return context.abstract instanceof Trace;
}
