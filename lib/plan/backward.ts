import { arrive, type Carrier, carryBack, carryThrough, topological } from '../autograd/engine.js';
import type { RowSlices } from '../autograd/rows.js';
import { Leaf, type Node } from '../autograd/tape.js';
import { add } from '../ops/binary.js';
import type { Gradient } from '../ops/op.js';
import { type GradState, isTensor, type Tensor } from '../tensor/tensor.js';
import type { Trace } from '../trace/trace.js';

/** A variable's gradient in a trace: a tensor, or slices for picked rows where nothing else reads the variable. */
export interface VariableGradient {
  readonly leaf: Leaf;
  readonly gradient: Tensor | readonly RowSlices[];
}

/**
 * The abstract tensor of the gradient of a variable with gradReq 'add'; null where gradients do not go into variables but on to
 * who asked for them, each whole.
 */
type Beginning = ((leaf: Leaf) => Tensor) | null;

/** A node that picked rows of a variable, and the gradient of what it picked. */
interface Picked {
  readonly node: Node;
  readonly g: Tensor;
}

/** Gradients that are values of a trace. */
class TracedFlow implements Carrier {
  readonly grads = new Map<GradState, Tensor>();
  readonly picked = new Map<Leaf, Picked[]>();

  constructor(
    private readonly trace: Trace,
    private readonly beginning: Beginning,
  ) {}

  arrived(at: GradState): Tensor | undefined {
    return this.grads.get(at);
  }

  before(at: GradState): Tensor | null {
    const arrived = this.grads.get(at);
    if (arrived !== undefined) return arrived;
    if (this.beginning === null || !(at instanceof Leaf) || at.gradReq !== 'add') return null;
    return this.beginning(at);
  }

  /** Copies to contiguous tensors are added when the graph becomes native calls. */
  mayAbsorb(): boolean {
    return true;
  }

  differentiate(node: Node, g: Tensor, before: readonly (Tensor | null)[]): readonly (Tensor | null)[] {
    const { op, edges } = node;
    const run = (given: Tensor, earlier: readonly (Tensor | null)[]): readonly (Tensor | null)[] =>
      (op.gradient as Gradient<unknown>)(given, node.context(earlier));
    const none = edges.map(() => null);
    // A user's gradient reads what it likes, so the operations that it is made of stand in the trace themselves.
    if (op.isForeign === true) return run(g, none);
    const results = this.trace.outline(() => run(g, none));
    const outputs = edges.map((edge, i) => {
      const result = results[i] ?? null;
      return edge === null || result === null ? null : this.trace.tensor(result);
    });
    const { inputs, output, work } = node.context([]);
    const reads = [...inputs, output, ...work].filter(isTensor);
    this.trace.differentiate({ op, run, reads, g, before: edges.map((_, i) => before[i] ?? null), outputs });
    return outputs;
  }

  add(before: Tensor, g: Tensor): Tensor {
    return add(before, g) as Tensor;
  }

  put(at: GradState, g: Tensor): void {
    this.grads.set(at, g);
  }

  takeRows(node: Node, leaf: Leaf, g: Tensor): boolean {
    if (this.beginning === null || leaf.gradReq !== 'write' || this.grads.has(leaf)) return false;
    this.picked.set(leaf, [...(this.picked.get(leaf) ?? []), { node, g }]);
    return true;
  }

  joinRows(leaf: Leaf): void {
    const picked = this.picked.get(leaf) ?? [];
    this.picked.delete(leaf);
    for (const { node, g } of picked) carryThrough(this, node, g);
  }

  leave(): void {}
}

/** The gradient that arrives at a tensor from outside. */
export interface Head {
  readonly state: GradState;
  readonly g: Tensor;
}

/** Takes down how gradients go back from heads. */
export function traceBackward(trace: Trace, heads: readonly Head[], beginning: Beginning): VariableGradient[] {
  const flow = new TracedFlow(trace, beginning);
  for (const { state, g } of heads) arrive(flow, state, g);
  carryBack(flow, topological(heads.map(head => head.state)));
  const found: VariableGradient[] = [];
  for (const [state, gradient] of flow.grads) if (state instanceof Leaf) found.push({ leaf: state, gradient });
  for (const [leaf, picked] of flow.picked) {
    const slices = picked.map(({ node, g }) => ({ indices: node.context([]).inputs[1] as Tensor, g }));
    found.push({ leaf, gradient: slices });
  }
  return found;
}
