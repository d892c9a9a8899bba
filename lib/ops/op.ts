import { ArgumentError } from '../errors.js';
import { MAX_RANK } from '../native/register.js';
import type { DType } from '../tensor/dtype.js';
import { checkShape } from '../tensor/shape.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import type { BlockedForm, BlockedOptions } from './blocked/form.js';
import { context } from './context.js';

/** An operand: a tensor, or a number that broadcasts. */
export type Operand = Tensor | number;

/** The shape and dtype of a result, known before the operation runs. */
export interface Signature {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** The forward call that a gradient belongs to. */
export interface GradientContext<A> {
  readonly attrs: A;
  /** The operands that the definition saves; null for the others. */
  readonly inputs: readonly (Operand | null)[];
  /** Signatures of all operands. */
  readonly signatures: readonly Signature[];
  /** The result, when the definition saves it. */
  readonly output: Tensor | null;
  /** Which operands' gradients are wanted. */
  readonly needs: readonly boolean[];
  /** Intermediate results that its `run` kept for its gradient. */
  readonly work: readonly Tensor[];
  /** Of an operand in `absorbs`: what has arrived already where its gradient goes, whole and contiguous; else null. */
  readonly before: readonly (Tensor | null)[];
}

/** The gradients of the operands (null where none is wanted or there is none), in terms of operations. */
export type Gradient<A> = (g: Tensor, context: GradientContext<A>) => readonly (Tensor | null)[];

/** y = x·factor + term for each channel, with both computed from other operands than x, by operations. */
export interface ChannelScale {
  factor(): Tensor;
  /** The term, of x + bias in place of x where there is a bias. */
  term(factor: Tensor, bias: Tensor | undefined): Tensor;
}

/** An operation with other operands and attributes. */
export interface Extended<A> {
  readonly inputs: readonly Operand[];
  readonly attrs: A;
}

/** An operation on its operands. */
export interface Application {
  readonly op: AnyOp;
  readonly inputs: readonly Operand[];
  readonly attrs: unknown;
}

/**
 * One definition per operation: how shapes and dtypes come out, how it runs, how it differentiates. `gradient` is
 * required: an operation without one says why.
 */
export interface Op<A> {
  readonly name: string;
  /** The result's signature; raises the error that users see when the operands don't fit. */
  readonly infer: (inputs: readonly Operand[], attrs: A) => Signature;
  /** With a list in `work` a gradient may follow, and what it needs beside operands and result goes in there. */
  readonly run: (inputs: readonly Operand[], attrs: A, signature: Signature, work: Tensor[] | null) => Tensor;
  readonly gradient: Gradient<A> | NotDifferentiable;
  /** How many multiply-adds it takes; operations that are no products leave it out. */
  readonly multiplyAdds?: (inputs: readonly Operand[], output: Signature) => number;
  /** The operands, by place, and whether the result, that the gradient reads. */
  readonly saves: { readonly inputs?: readonly number[]; readonly output?: boolean | ((attrs: A) => boolean) };
  /** Whether `run` leaves something behind for the gradient. */
  readonly leavesWork?: boolean;
  /** The operands, by place, whose gradient comes with the context's `before` added. */
  readonly absorbs?: readonly number[];
  /**
   * Whether it picks rows of its first operand by indices, its second, which it saves: then what flows back to that
   * operand is the result's gradient, added to those rows.
   */
  readonly picksRows?: (attrs: A) => boolean;
  /**
   * Whether the result is a window onto the first operand, made again rather than kept; 'whole' with all elements,
   * contiguous.
   */
  readonly view?: 'whole' | 'part';
  /**
   * Of a product f(x·W + b), with operands x, weight[outputs, …] and, if there is one, bias[outputs], and f or null for its
   * attribute `activation`: the activations that it can apply.
   */
  readonly fuses?: readonly string[];
  /**
   * How it does also what the only reader of its result does with that, its operand at `place`; null where it can't.
   */
  readonly followedBy?: (
    attrs: A,
    inputs: readonly Operand[],
    reader: Application,
    place: number,
  ) => Extended<A> | null;
  /** Whether the result is the sum of its two operands. */
  readonly isSum?: boolean;
  /** Of an operation that holds each element between two bounds: these. */
  readonly clamps?: (attrs: A) => readonly [low: number, high: number];
  /** How it is computed on values whose channels lie in blocks, where it can be. */
  readonly blocked?: (
    inputs: readonly Operand[],
    attrs: A,
    output: Signature,
    options: BlockedOptions,
  ) => BlockedForm | null;
  /** Of an operation that may only scale and shift each channel, along axis 1 of its first operand: how, if it does. */
  readonly scales?: (inputs: readonly Tensor[], attrs: A) => ChannelScale | null;
  /** The attributes that may depend on the operands' sizes. */
  readonly sized?: readonly (keyof A & string)[];
  /** Of a function of each element: its derivative, in terms of what it saves. */
  readonly slope?: ((saved: Tensor) => Tensor) | undefined;
  /** Whether the gradient is a user's code, which may read and write the gradients of variables. */
  readonly isForeign?: boolean;
}

export type AnyOp = Op<any>;

export interface NotDifferentiable {
  readonly reason: string;
}

/** In place of a gradient: the result is piecewise constant, or not a number. */
export function notDifferentiable(reason: string): NotDifferentiable {
  return { reason };
}

const registry = new Map<string, AnyOp>();

export function defineOp<A>(op: Op<A>): Op<A> {
  if (registry.has(op.name)) throw new Error(`operation '${op.name}' is defined twice`);
  registry.set(op.name, op);
  return op;
}

/** All operations by name. */
export function definedOps(): ReadonlyMap<string, AnyOp> {
  return registry;
}

const functions = new Map<unknown, AnyOp>();

/** Tells which operation a function applies, whatever it is called with. */
export function tellOperation(f: (...args: never[]) => Tensor, op: AnyOp): void {
  functions.set(f, op);
}

/** The operation of a function that told it. */
export function operationOf(f: unknown): AnyOp {
  const op = functions.get(f);
  if (op === undefined) throw new Error('latent: a function has told no operation');
  return op;
}

export const noAttrs = Object.freeze({});
const noWork: readonly Tensor[] = Object.freeze([]);

/** No operation's result may have more dimensions or elements than a tensor can. */
function checkResult(name: string, shape: readonly number[]): void {
  let size = 1;
  for (let d = 0; d < shape.length; d++) if (shape[d] !== 0) size *= shape[d] as number;
  if (shape.length > MAX_RANK || size > Number.MAX_SAFE_INTEGER) checkShape(name, shape);
}

/** Runs an operation, or evaluates it on shapes while a shape pass is on. */
export function apply<A>(op: Op<A>, inputs: readonly Operand[], attrs: A): Tensor {
  const signature = op.infer(inputs, attrs);
  checkResult(op.name, signature.shape);
  if (context.abstract !== null) {
    for (const input of inputs) if (typeof input !== 'number' && !internals.isAbstract(input)) internals.idOf(input);
    return context.abstract.evaluate(signature, op, inputs, attrs);
  }
  const work: Tensor[] | null = op.leavesWork === true && context.tape !== null ? [] : null;
  const output = op.run(inputs, attrs, signature, work);
  if (context.tape !== null) context.tape.record(op, attrs, inputs, output, work ?? noWork);
  return output;
}

/** A tensor that native calls make of nothing, zeros or random numbers: abstract while a pass is on. */
export function create(signature: Signature, make: () => Tensor, draws = false): Tensor {
  return context.abstract === null ? make() : context.abstract.create(signature, make, draws);
}

/** A tensor made of numbers that JavaScript holds: abstract while a pass is on. */
export function createConstant(signature: Signature, make: () => Tensor): Tensor {
  return context.abstract === null ? make() : context.abstract.constant(signature, make);
}

/** To be called before each write in place. */
export function beforeWrite(t: Tensor): void {
  checkWrite(t);
  logWrite(t);
}

/** Raises where a tensor cannot be written. */
export function checkWrite(t: Tensor): void {
  if (context.abstract !== null) context.abstract.refuseWrite(t);
  internals.idOf(t);
  if (internals.repeats(t))
    throw new ArgumentError('A view made by broadcastTo cannot be written to; clone() it first');
  if (context.tape !== null) context.tape.beforeWrite(t);
}

/** Tells of a write to a tensor, or to a window onto one that was checked. */
export function logWrite(t: Tensor): void {
  if (context.writes !== null) context.writes.beforeWrite(t);
}
