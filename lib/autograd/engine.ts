import { AutogradError } from '../errors.js';
import type { Signature } from '../ops/op.js';
import { shownShape } from '../support/check.js';
import { sameShape } from '../tensor/shape.js';
import type { GradState, Tensor } from '../tensor/tensor.js';
import { Leaf, Node } from './tape.js';

/**
 * The way back through a recorded graph. The walk, its order and its sums are the same for eager gradients and for those of
 * plans; a carrier tells what a gradient is there: a tensor that is computed now, or a value of a trace.
 */

/** Keeps the gradients of one backward pass, and computes with them. */
export interface Carrier {
  /** The gradient that has arrived at a place; undefined for none. */
  arrived(at: GradState): Tensor | undefined;
  /**
   * The gradient to which one that arrives at a place is added: the sum so far, or the first value of a variable's
   * gradient.
   */
  before(at: GradState): Tensor | null;
  /** Whether an operation may add to such a gradient by itself. */
  mayAbsorb(before: Tensor): boolean;
  /** The gradients of a node's operands, from that of its result; with those of `before` added, by operand. */
  differentiate(node: Node, g: Tensor, before: readonly (Tensor | null)[]): readonly (Tensor | null | undefined)[];
  add(before: Tensor, g: Tensor): Tensor;
  /** Puts a gradient in place of what has arrived. */
  put(at: GradState, g: Tensor): void;
  /** Takes the gradient of rows that a node picked of a variable as it is; false where it must come as a whole. */
  takeRows(node: Node, variable: Leaf, g: Tensor): boolean;
  /** Where gradients for rows of a variable were taken, makes them a whole one, which others can be added to. */
  joinRows(variable: Leaf): void;
  /** Called when the gradients of a node's operands have been passed on, and the node's own is no longer needed. */
  leave(node: Node, g: Tensor): void;
}

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

function checkGradient(node: Node, i: number, g: Tensor): void {
  const { shape, dtype } = node.signatures[i] as Signature;
  if (sameShape(g.shape, shape) && g.dtype === dtype) return;
  throw new AutogradError(
    `backward: the gradient of ${node.op.name} for input ${i} must be ${dtype} of shape ${shownShape(shape)}, but is ${g.dtype} of shape ${shownShape(g.shape)}`,
  );
}

const nothing: readonly (Tensor | null)[] = [];

/** For each operand whose gradient the operation adds itself: what to. A place that two operands share is left to us. */
function absorbed({ op, edges }: Node, carrier: Carrier): readonly (Tensor | null)[] {
  if (op.absorbs === undefined) return nothing;
  return edges.map((edge, i) => {
    if (edge === null || !op.absorbs?.includes(i) || edges.indexOf(edge) !== edges.lastIndexOf(edge)) return null;
    const before = carrier.before(edge);
    return before !== null && carrier.mayAbsorb(before) ? before : null;
  });
}

/** Adds a gradient to what has already arrived at a place. */
export function arrive(carrier: Carrier, at: GradState, g: Tensor): void {
  const before = carrier.before(at);
  carrier.put(at, before === null ? g : carrier.add(before, g));
}

/** Carries a gradient from a node's result to its operands. */
export function carryThrough(carrier: Carrier, node: Node, g: Tensor): void {
  for (const edge of node.edges) if (edge instanceof Leaf) carrier.joinRows(edge);
  const before = absorbed(node, carrier);
  const results = carrier.differentiate(node, g, before);
  node.edges.forEach((edge, i) => {
    const result = results[i] ?? null;
    if (edge === null || result === null) return;
    checkGradient(node, i, result);
    if ((before[i] ?? null) === null) arrive(carrier, edge, result);
    else carrier.put(edge, result);
  });
}

function goesInRows(carrier: Carrier, node: Node, g: Tensor): boolean {
  const [picked] = node.edges;
  return node.op.picksRows?.(node.attrs) === true && picked instanceof Leaf && carrier.takeRows(node, picked, g);
}

/** Carries what has arrived at nodes, in their order, back to variables. `visit` sees each node before. */
export function carryBack(carrier: Carrier, order: readonly Node[], visit?: (node: Node) => void): void {
  for (const node of order) {
    const g = carrier.arrived(node);
    if (g === undefined) continue;
    visit?.(node);
    if (!goesInRows(carrier, node, g)) carryThrough(carrier, node, g);
    carrier.leave(node, g);
  }
}
