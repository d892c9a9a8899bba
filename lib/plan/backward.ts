import { topological } from '../autograd/flow.js';
import type { RowSlices } from '../autograd/rows.js';
import { Leaf, type Node } from '../autograd/tape.js';
import { AutogradError } from '../errors.js';
import { add } from '../ops/binary.js';
import type { Gradient } from '../ops/op.js';
import { shownShape } from '../support/check.js';
import { sameShape } from '../tensor/shape.js';
import { type GradState, isTensor, type Tensor } from '../tensor/tensor.js';
import type { Trace } from '../trace/trace.js';

/** What arrives at a variable, in terms of a trace: a gradient, or slices for rows that it picked and nothing else. */
export interface VariableGradient {
  readonly leaf: Leaf;
  readonly gradient: Tensor | readonly RowSlices[];
}

/** A node that picked rows of a variable, and the gradient of what it picked. */
interface Picked {
  readonly node: Node;
  readonly g: Tensor;
}

/**
 * What stands for the gradient that a variable of gradReq 'add' has; null where gradients do not go into variables but on to
 * who asked for them, each whole.
 */
type Beginning = ((leaf: Leaf) => Tensor) | null;

/** The gradients that have arrived so far. */
class Arrivals {
  readonly at = new Map<GradState, Tensor>();
  readonly picked = new Map<Leaf, Picked[]>();

  constructor(private readonly beginning: Beginning) {}

  before(state: GradState): Tensor | null {
    const arrived = this.at.get(state);
    if (arrived !== undefined) return arrived;
    if (this.beginning === null || !(state instanceof Leaf) || state.gradReq !== 'add') return null;
    return this.beginning(state);
  }

  arrive(state: GradState, g: Tensor): void {
    const before = this.before(state);
    this.at.set(state, before === null ? g : (add(before, g) as Tensor));
  }

  /** Takes a gradient for rows of a variable as it is; false where it must come as a whole. */
  arriveInRows(node: Node, g: Tensor): boolean {
    const leaf = node.edges[0];
    if (node.op.picksRows?.(node.attrs) !== true || !(leaf instanceof Leaf)) return false;
    if (this.beginning === null || leaf.gradReq !== 'write' || this.at.has(leaf)) return false;
    this.picked.set(leaf, [...(this.picked.get(leaf) ?? []), { node, g }]);
    return true;
  }
}

/** The gradient that arrives at a tensor from outside. */
export interface Head {
  readonly state: GradState;
  readonly g: Tensor;
}

/**
 * Writes down how gradients go back from heads: in the order and by the operations of `backward`, so that they are the same
 * to the last bit.
 */
export function traceBackward(trace: Trace, heads: readonly Head[], beginning: Beginning): VariableGradient[] {
  const arrivals = new Arrivals(beginning);
  for (const { state, g } of heads) arrivals.arrive(state, g);
  for (const node of topological(heads.map(head => head.state))) {
    const g = arrivals.at.get(node);
    if (g !== undefined && !arrivals.arriveInRows(node, g)) differentiate(trace, arrivals, node, g);
  }
  const found: VariableGradient[] = [];
  for (const [state, gradient] of arrivals.at) if (state instanceof Leaf) found.push({ leaf: state, gradient });
  for (const [leaf, picked] of arrivals.picked) {
    const slices = picked.map(({ node, g }) => ({ indices: node.context([]).inputs[1] as Tensor, g }));
    found.push({ leaf, gradient: slices });
  }
  return found;
}

/** Where gradients for rows have arrived, and one for the whole is about to, makes them whole ones. */
function joinRows(trace: Trace, arrivals: Arrivals, edges: Node['edges']): void {
  for (const edge of edges) {
    const picked = edge instanceof Leaf ? arrivals.picked.get(edge) : undefined;
    if (picked === undefined) continue;
    arrivals.picked.delete(edge as Leaf);
    for (const { node, g } of picked) differentiate(trace, arrivals, node, g);
  }
}

function differentiate(trace: Trace, arrivals: Arrivals, node: Node, g: Tensor): void {
  const { op, edges, signatures } = node;
  joinRows(trace, arrivals, edges);
  const run = (given: Tensor, before: readonly (Tensor | null)[]): readonly (Tensor | null)[] =>
    (op.gradient as Gradient<unknown>)(given, node.context(before));
  // A place that two operands share gets each of their gradients by itself.
  const before = edges.map((edge, i) => {
    if (edge === null || op.absorbs?.includes(i) !== true || edges.indexOf(edge) !== edges.lastIndexOf(edge))
      return null;
    return arrivals.before(edge);
  });
  const results = trace.outline(() =>
    run(
      g,
      edges.map(() => null),
    ),
  );
  const outputs = edges.map((edge, i) => {
    const result = results[i] ?? null;
    if (edge === null || result === null) return null;
    const { shape, dtype } = signatures[i] as Node['signatures'][number];
    if (!sameShape(result.shape, shape) || result.dtype !== dtype) {
      throw new AutogradError(
        `backward: the gradient of ${op.name} for input ${i} must be ${dtype} of shape ${shownShape(shape)}, but is ${result.dtype} of shape ${shownShape(result.shape)}`,
      );
    }
    return trace.tensor({ shape, dtype });
  });
  const { inputs, output, work } = node.context([]);
  const reads = [...inputs, output, ...work].filter(isTensor);
  trace.differentiate({ op, run, reads, g, before, outputs });
  edges.forEach((edge, i) => {
    const output = outputs[i] ?? null;
    if (edge === null || output === null) return;
    if ((before[i] ?? null) === null) arrivals.arrive(edge, output);
    else arrivals.at.set(edge, output);
  });
}
