import { topological } from '../autograd/flow.js';
import { edgeOf, Leaf, type Node } from '../autograd/tape.js';
import { AutogradError } from '../errors.js';
import { add } from '../ops/binary.js';
import { ones } from '../ops/create.js';
import type { Gradient } from '../ops/op.js';
import { shownShape } from '../support/check.js';
import { sameShape } from '../tensor/shape.js';
import type { GradState, Tensor } from '../tensor/tensor.js';
import type { Trace } from '../trace/trace.js';

/** What arrives at a variable, in terms of a trace. */
export interface VariableGradient {
  readonly leaf: Leaf;
  readonly gradient: Tensor;
}

/** The gradients that have arrived so far. */
class Arrivals {
  readonly at = new Map<GradState, Tensor>();

  /** `beginning`: what stands for the gradient that a variable of gradReq 'add' has. */
  constructor(private readonly beginning: (leaf: Leaf) => Tensor) {}

  before(state: GradState): Tensor | null {
    const arrived = this.at.get(state);
    if (arrived !== undefined) return arrived;
    return state instanceof Leaf && state.gradReq === 'add' ? this.beginning(state) : null;
  }

  arrive(state: GradState, g: Tensor): void {
    const before = this.before(state);
    this.at.set(state, before === null ? g : (add(before, g) as Tensor));
  }
}

/**
 * Writes down how the gradients of a traced loss, from ones, are computed: in the order and by the operations of `backward`,
 * so that they are the same to the last bit.
 */
export function traceBackward(trace: Trace, loss: Tensor, beginning: (leaf: Leaf) => Tensor): VariableGradient[] {
  const head = edgeOf(loss);
  if (head === null) {
    throw new AutogradError(
      'compileStep: the loss was not computed from parameters with gradients, so there is nothing to train',
    );
  }
  const arrivals = new Arrivals(beginning);
  arrivals.arrive(head, ones([...loss.shape], { dtype: loss.dtype }) as Tensor);
  for (const node of topological([head])) {
    const g = arrivals.at.get(node);
    if (g !== undefined) differentiate(trace, arrivals, node, g);
  }
  const found: VariableGradient[] = [];
  for (const [state, gradient] of arrivals.at) if (state instanceof Leaf) found.push({ leaf: state, gradient });
  return found;
}

function differentiate(trace: Trace, arrivals: Arrivals, node: Node, g: Tensor): void {
  const { op, edges, signatures } = node;
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
  trace.differentiate({ op, run, g, before, outputs });
  edges.forEach((edge, i) => {
    const output = outputs[i] ?? null;
    if (edge === null || output === null) return;
    if ((before[i] ?? null) === null) arrivals.arrive(edge, output);
    else arrivals.at.set(edge, output);
  });
}
