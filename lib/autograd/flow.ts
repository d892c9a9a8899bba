import { add } from '../ops/binary.js';
import { convert } from '../ops/cast.js';
import { empty } from '../ops/create.js';
import { isContiguous, isExclusive, releaseScoped, withScope } from '../ops/invoke.js';
import type { Gradient } from '../ops/op.js';
import { type GradState, internals, type Tensor } from '../tensor/tensor.js';
import type { Carrier } from './engine.js';
import { addSlices, type RowSlices } from './rows.js';
import { Leaf, type Node } from './tape.js';

/** Gradients that are computed now. A temporary on the way is freed as soon as nothing needs it any more. */
export class Flow implements Carrier {
  readonly grads = new Map<GradState, Tensor>();
  /** Variables of gradReq 'add' whose gradient here began with the one that they have. */
  readonly begun = new Set<Leaf>();

  /** Gradients that have arrived for rows of variables to which nothing else has flowed. */
  readonly slices = new Map<Leaf, RowSlices[]>();

  /**
   * `addsUp`: gradients begin with those that variables of gradReq 'add' have. `records`: what carries them becomes part
   * of a graph, and is nobody's temporary. `rows`: whether gradients for rows of variables are taken as they are; copied
   * are the indices where a user's code may change them on the way. `wanted`: nodes that keep the gradient which arrives at
   * them.
   */
  constructor(
    private readonly addsUp: boolean,
    private readonly records: boolean,
    private readonly rows: 'none' | 'held' | 'copied',
    private readonly wanted: ReadonlySet<GradState>,
  ) {}

  readonly #uses = new Map<Tensor, number>();
  readonly #made = new Set<Tensor>();

  /** Runs `body` and takes charge of the tensors that it makes. */
  run<R>(body: () => R): R {
    if (this.records) return withScope(null, body);
    const made: Tensor[] = [];
    try {
      return withScope(made, body);
    } finally {
      for (const t of made) this.#made.add(t);
      this.#recent.push(...made);
    }
  }
  #recent: Tensor[] = [];

  arrived(at: GradState): Tensor | undefined {
    return this.grads.get(at);
  }

  mayAbsorb(before: Tensor): boolean {
    return !this.records && isContiguous(before);
  }

  differentiate(node: Node, g: Tensor, before: readonly (Tensor | null)[]): readonly (Tensor | null)[] {
    return this.run(() => (node.op.gradient as Gradient<unknown>)(g, node.context(before)));
  }

  add(before: Tensor, g: Tensor): Tensor {
    return this.run(() => add(before, g));
  }

  leave(node: Node, g: Tensor): void {
    if (!this.wanted.has(node)) {
      this.grads.delete(node);
      this.#drop(g);
    }
    this.#sweep();
  }

  /** Frees what the last runs made and nobody holds. */
  #sweep(): void {
    const recent = this.#recent;
    this.#recent = [];
    for (const t of recent) if (!this.#uses.has(t)) this.#free(t);
  }

  #hold(t: Tensor): void {
    this.#uses.set(t, (this.#uses.get(t) ?? 0) + 1);
  }

  #drop(t: Tensor): void {
    const uses = (this.#uses.get(t) ?? 1) - 1;
    if (uses > 0) {
      this.#uses.set(t, uses);
      return;
    }
    this.#uses.delete(t);
    this.#free(t);
  }

  takeRows(node: Node, leaf: Leaf, g: Tensor): boolean {
    if (this.rows === 'none') return false;
    const slices: RowSlices = { indices: node.saved?.inputs[1] as Tensor, g };
    const arrived = this.grads.get(leaf);
    if (arrived !== undefined) {
      if (!this.isSpare(arrived) || !isExclusive(arrived)) return false;
      addSlices(arrived, slices);
      return true;
    }
    this.#hold(slices.g);
    const kept = this.rows === 'held' ? slices : { ...slices, indices: convert(slices.indices, 'int32') };
    const before = this.slices.get(leaf);
    if (before === undefined) this.slices.set(leaf, [kept]);
    else before.push(kept);
    return true;
  }

  joinRows(leaf: Leaf): void {
    const list = this.slices.get(leaf);
    if (list === undefined) return;
    const { shape, dtype } = leaf.variable;
    const before = this.before(leaf);
    const whole = this.run(() => (before === null ? empty(shape, dtype) : convert(before, dtype)));
    for (const one of list) addSlices(whole, one);
    this.slices.delete(leaf);
    this.put(leaf, whole);
    for (const { g } of list) this.#drop(g);
  }

  before(at: GradState): Tensor | null {
    const arrived = this.grads.get(at);
    if (arrived !== undefined) return arrived;
    return this.addsUp && at instanceof Leaf && at.gradReq === 'add' ? at.grad : null;
  }

  put(at: GradState, g: Tensor): void {
    const before = this.grads.get(at);
    if (before === undefined && this.before(at) !== null) this.begun.add(at as Leaf);
    this.#hold(g);
    this.grads.set(at, g);
    if (before !== undefined) this.#drop(before);
  }

  /** Whether the tensor is one of the temporaries. */
  made(t: Tensor): boolean {
    return this.#made.has(t);
  }

  /** Whether the tensor is a temporary that only one place holds, whole and contiguous. */
  isSpare(t: Tensor): boolean {
    return this.#made.has(t) && this.#uses.get(t) === 1 && !internals.isView(t) && isContiguous(t);
  }

  /** Hands a temporary over to its new owner. */
  giveAway(t: Tensor): void {
    this.#made.delete(t);
    this.#uses.delete(t);
  }

  /** Frees every temporary that is left. */
  close(): void {
    for (const t of this.#made) releaseScoped(t);
    this.#made.clear();
  }

  #free(t: Tensor): void {
    if (this.#made.delete(t)) releaseScoped(t);
  }
}
