import { AutogradError } from '../errors.js';
import type { AnyOp, GradientContext, Operand, Signature } from '../ops/op.js';
import { isFloat } from '../tensor/dtype.js';
import { type GradState, internals, type Tensor } from '../tensor/tensor.js';
import { installTape } from './modes.js';
import type { RowMarks } from './rows.js';

/** How a backward treats a variable's gradient: it overwrites it, adds to it, or doesn't compute it. */
export type GradReq = 'write' | 'add' | 'null';

/** A backward, to the variables whose gradients it wrote. */
export interface Writing {
  /** How many losses it began with: the elements of the head, where that had no gradient of its own. */
  readonly losses: number;
  /** Whether any gradient that it wrote was read or used. */
  used: boolean;
}

/** A variable: a tensor whose gradient is kept. */
export class Leaf implements GradState {
  readonly kind = 'leaf';
  #grad: Tensor | null = null;
  #rows: RowMarks | null = null;
  /** The gradient's version when it was last set to zeros. */
  #zerosAt = -1;
  /** The backward that wrote the gradient, until that is read, used or cleared. */
  unread: Writing | null = null;
  /** The variable's version when the gradient was written. */
  versionAtWrite = -1;
  /** Whether a backward wrote the gradient since the last optimizer step. */
  fresh = false;
  /** How many losses the gradient is of. */
  losses = 1;
  constructor(
    readonly variable: Tensor,
    public gradReq: GradReq,
  ) {}

  /** The gradient's tensor, if there is one; one that was disposed of counts as none. */
  get grad(): Tensor | null {
    return this.#grad !== null && internals.isDisposed(this.#grad) ? null : this.#grad;
  }

  set grad(value: Tensor | null) {
    this.#grad = value;
    this.#zerosAt = -1;
  }

  /** Which rows of the gradient may be other than 0, where that is known. */
  get rows(): RowMarks | null {
    return this.#rows !== null && this.#rows.grad === this.grad && this.#rows.holds ? this.#rows : null;
  }

  set rows(value: RowMarks | null) {
    this.#rows = value;
  }

  /** Notes that the gradient is read or used. */
  noteRead(): void {
    if (this.unread !== null) this.unread.used = true;
    this.unread = null;
  }

  /** Notes that the gradient is zeros now. */
  noteZeros(): void {
    this.#zerosAt = this.#grad === null ? -1 : internals.version(this.#grad);
  }

  /** Whether the gradient is known to be zeros. */
  get isZeros(): boolean {
    const { grad } = this;
    return grad !== null && internals.version(grad) === this.#zerosAt;
  }

  /** Sets what a parameter's `gradReq` decides. */
  restore(gradReq: GradReq, grad: Tensor | null): void {
    this.gradReq = gradReq;
    this.grad = grad;
  }
}

/** One recorded operation. */
export class Node implements GradState {
  readonly kind = 'node';
  /** Emptied when backward has used it. */
  saved: Saved | null;
  constructor(
    readonly op: AnyOp,
    readonly attrs: unknown,
    readonly edges: readonly (GradState | null)[],
    readonly signatures: readonly Signature[],
    saved: Saved,
  ) {
    this.saved = saved;
  }

  /** The context of the operation's gradient; `before` as its `absorbs` asks for. */
  context(before: readonly (Tensor | null)[]): GradientContext<unknown> {
    const saved = this.saved as Saved;
    return {
      attrs: this.attrs,
      inputs: saved.inputs,
      signatures: this.signatures,
      output: saved.output,
      work: saved.work,
      needs: this.edges.map(edge => edge !== null),
      before,
    };
  }
}

/** The tensors that a gradient reads, with their versions when they were recorded: of each input, then of the output. */
interface Saved {
  readonly inputs: readonly (Operand | null)[];
  readonly output: Tensor | null;
  readonly work: readonly Tensor[];
  readonly versions: readonly number[];
}

const savesNothing: Saved = { inputs: [], output: null, work: [], versions: [] };

function versionOf(x: Operand | null): number {
  return x === null || typeof x === 'number' ? 0 : internals.version(x);
}

function save(op: AnyOp, attrs: unknown, inputs: readonly Operand[], output: Tensor, work: readonly Tensor[]): Saved {
  const { inputs: wanted, output: wants } = op.saves;
  const wantsOutput = typeof wants === 'function' ? wants(attrs) : wants;
  if (wanted === undefined && wantsOutput !== true && work.length === 0) return savesNothing;
  const kept: (Operand | null)[] = [];
  const versions: number[] = [];
  for (let i = 0; i < inputs.length; i++) {
    const input = wanted?.includes(i) ? (inputs[i] as Operand) : null;
    kept.push(input);
    versions.push(versionOf(input));
  }
  const keptOutput = wantsOutput === true ? output : null;
  versions.push(versionOf(keptOutput));
  return { inputs: kept, output: keptOutput, work, versions };
}

/** Raises when a tensor that the node's gradient reads was changed in place since. */
export function checkVersions(node: Node): void {
  const { inputs, output, versions } = node.saved as Saved;
  const changed =
    inputs.some((input, i) => versionOf(input) !== versions[i]) ||
    (output !== null && versionOf(output) !== versions[inputs.length]);
  if (changed) {
    throw new AutogradError(
      `backward: a tensor that ${node.op.name} saved for its gradient was changed in place after it was recorded; change it after backward, or record with a clone()`,
    );
  }
}

/** The part of a graph that a tensor depends on, if gradients flow to it. */
export function edgeOf(x: Operand): GradState | null {
  if (typeof x === 'number') return null;
  const state = internals.gradState(x);
  return state instanceof Leaf && state.gradReq === 'null' ? null : state;
}

const numberSignature: Signature = { shape: Object.freeze([]), dtype: 'float32' };

/** Hangs an operation's result on its operands, where any of them has a gradient. */
export function record(
  op: AnyOp,
  attrs: unknown,
  inputs: readonly Operand[],
  output: Tensor,
  work: readonly Tensor[],
): void {
  if (typeof op.gradient !== 'function' || !isFloat(output.dtype)) return;
  const edges: (GradState | null)[] = [];
  let tracked = false;
  for (let i = 0; i < inputs.length; i++) {
    const edge = edgeOf(inputs[i] as Operand);
    edges.push(edge);
    if (edge !== null) tracked = true;
  }
  if (!tracked) return;
  const signatures: Signature[] = [];
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i] as Operand;
    signatures.push(typeof input === 'number' ? numberSignature : { shape: input.shape, dtype: input.dtype });
  }
  internals.setGradState(output, new Node(op, attrs, edges, signatures, save(op, attrs, inputs, output, work)));
}

installTape({
  record,
  beforeWrite(t) {
    if (internals.gradState(internals.baseOf(t)) === null && internals.gradState(t) === null) return;
    throw new AutogradError(
      'A tensor with a gradient cannot be written in place inside autograd.record(); write it outside, or inside autograd.pause()',
    );
  },
});
