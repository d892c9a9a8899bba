import { add } from '../ops/binary.js';
import { convert } from '../ops/cast.js';
import { empty } from '../ops/create.js';
import { isContiguous, isExclusive, releaseScoped, withScope } from '../ops/invoke.js';
import { type GradState, internals, type Tensor } from '../tensor/tensor.js';
import { addSlices, type RowSlices } from './rows.js';
import { Leaf, Node } from './tape.js';

/** Nodes so that each comes before everything that it was computed from. */
export function topological(heads: readonly GradState[]): Node[] {
  const order: Node[] = [];
  const seen = new Set<GradState>();
  const stack: { node: Node; next: number }[] = [];
  const visit = (state: GradState | null) => {
    if (!(state instanceof Node) || seen.has(state)) return;
    seen.add(state);
    stack.push({ node: state, next: 0 });
  };
  for (const head of heads) {
    visit(head);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (top.next < top.node.edges.length) {
        visit(top.node.edges[top.next++] as GradState | null);
      } else {
        order.push(top.node);
        stack.pop();
      }
    }
  }
  return order.reverse();
}

/**
 * Gradients on their way back, and the temporaries that carry them. A temporary is freed as soon as nothing on the way
 * still needs it.
 */
export class Flow {
  readonly grads = new Map<GradState, Tensor>();
  /** Variables of gradReq 'add' whose gradient here began with the one that they have. */
  readonly begun = new Set<Leaf>();

  /** Gradients that have arrived for rows of variables to which nothing else has flowed. */
  readonly slices = new Map<Leaf, RowSlices[]>();

  /**
   * `addsUp`: gradients begin with those that variables of gradReq 'add' have. `records`: what carries them becomes part
   * of a graph, and is nobody's temporary. `rows`: whether gradients for rows of variables are taken as they are; copied
   * are the indices where a user's code may change them on the way.
   */
  constructor(
    private readonly addsUp: boolean,
    readonly records: boolean,
    private readonly rows: 'none' | 'held' | 'copied',
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

  /** Frees what the last runs made and nobody holds. */
  sweep(): void {
    const recent = this.#recent;
    this.#recent = [];
    for (const t of recent) if (!this.#uses.has(t)) this.#free(t);
  }

  hold(t: Tensor): void {
    this.#uses.set(t, (this.#uses.get(t) ?? 0) + 1);
  }

  drop(t: Tensor): void {
    const uses = (this.#uses.get(t) ?? 1) - 1;
    if (uses > 0) {
      this.#uses.set(t, uses);
      return;
    }
    this.#uses.delete(t);
    this.#free(t);
  }

  /** Takes a gradient for rows of a variable as it is; false where it must come as a whole. */
  arriveInRows(leaf: Leaf, slices: RowSlices): boolean {
    if (this.rows === 'none') return false;
    const arrived = this.grads.get(leaf);
    if (arrived !== undefined) {
      if (!this.isSpare(arrived) || !isExclusive(arrived)) return false;
      addSlices(arrived, slices);
      return true;
    }
    this.hold(slices.g);
    const kept = this.rows === 'held' ? slices : { ...slices, indices: convert(slices.indices, 'int32') };
    const before = this.slices.get(leaf);
    if (before === undefined) this.slices.set(leaf, [kept]);
    else before.push(kept);
    return true;
  }

  /** Where gradients for rows have arrived, makes them a whole one, which others can be added to. */
  joinRows(at: GradState | null): void {
    const list = this.slices.get(at as Leaf);
    if (list === undefined) return;
    const { shape, dtype } = (at as Leaf).variable;
    const before = this.before(at as Leaf);
    const whole = this.run(() => (before === null ? empty(shape, dtype) : convert(before, dtype)));
    for (const one of list) addSlices(whole, one);
    this.slices.delete(at as Leaf);
    this.replace(at as Leaf, whole);
    for (const { g } of list) this.drop(g);
  }

  /** What a gradient that arrives at a place is added to. */
  before(at: GradState): Tensor | null {
    const arrived = this.grads.get(at);
    if (arrived !== undefined) return arrived;
    return this.addsUp && at instanceof Leaf && at.gradReq === 'add' ? at.grad : null;
  }

  /** Adds a gradient to what has already arrived at a place. */
  arrive(at: GradState, g: Tensor): void {
    const before = this.before(at);
    this.replace(at, before === null ? g : this.run(() => add(before, g)));
  }

  /** Puts a gradient in place of what has arrived. */
  replace(at: GradState, g: Tensor): void {
    const before = this.grads.get(at);
    if (before === undefined && this.before(at) !== null) this.begun.add(at as Leaf);
    this.hold(g);
    this.grads.set(at, g);
    if (before !== undefined) this.drop(before);
  }

  /** Whether the tensor is one of the temporaries. */
  made(t: Tensor): boolean {
    return this.#made.has(t);
  }

  /** Whether the tensor is a temporary that only one place holds, whole and in order. */
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
