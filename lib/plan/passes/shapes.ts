import { activationOf } from '../../ops/activations.js';
import { apply } from '../../ops/op.js';
import { sameShape } from '../../tensor/shape.js';
import { isTensor, type Tensor } from '../../tensor/tensor.js';
import { runPass } from '../../trace/shape-pass.js';
import type { Applied, TracedNode } from '../../trace/trace.js';
import type { Graph } from '../graph.js';
import { Rewriting } from './rewriting.js';
import { countUses, writtenIn } from './uses.js';

const isChange = (node: TracedNode): node is Applied => node.kind === 'apply' && node.op.view === 'whole';

const isElementwise = ({ op, inputs }: Applied): boolean =>
  inputs.length === 1 && (activationOf(op) !== undefined || op.clamps !== undefined);

/**
 * Takes changes of shape out of the way of operations that belong together, as those before and after each convolution of one
 * dimension: a change of what was changed before starts from the first shape, one back to it goes, and what is done to each
 * element alone is done before a change that nobody else reads.
 */
export function joinShapes(graph: Graph): Graph {
  const uses = countUses(graph);
  const written = writtenIn(graph);
  const outputs = new Set(graph.outputs);
  // What changed tensors were before, and what stands for tensors that are gone.
  const changes = new Map<Tensor, { readonly node: Applied; readonly from: Tensor }>();
  const same = new Map<Tensor, Tensor>();
  const now = (t: Tensor): Tensor => same.get(t) ?? t;
  const rewriting = new Rewriting();

  const change = (node: Applied): void => {
    const x = now(node.inputs[0] as Tensor);
    if (sameShape(x.shape, node.output.shape)) {
      if (outputs.has(node.output)) rewriting.keep({ ...node, inputs: [x] });
      else same.set(node.output, x);
      return;
    }
    const from = changes.get(x)?.from ?? x;
    if (sameShape(from.shape, node.output.shape) && !outputs.has(node.output)) {
      same.set(node.output, from);
      return;
    }
    const joined: Applied = { ...node, inputs: [from] };
    changes.set(node.output, { node: joined, from });
    rewriting.keep(joined);
  };
  /** The change that an operation on elements can be done before. */
  const changeBefore = (node: Applied) => {
    const x = node.inputs[0] as Tensor;
    return isElementwise(node) && uses.get(x) === 1 ? changes.get(now(x)) : undefined;
  };

  runPass(rewriting, () => {
    for (const node of graph.nodes) {
      rewriting.by = node.owner;
      if (node.kind === 'write') rewriting.keep({ ...node, source: now(node.source) });
      else if (node.kind !== 'apply') rewriting.keep(node);
      else if (isChange(node) && !written.has(node.inputs[0] as Tensor)) change(node);
      else {
        const earlier = changeBefore(node);
        if (earlier === undefined) {
          rewriting.keep({ ...node, inputs: node.inputs.map(t => (isTensor(t) ? now(t) : t)) });
          continue;
        }
        const made = apply(node.op, [earlier.from], node.attrs);
        const again: Applied = { ...earlier.node, inputs: [made], output: node.output };
        changes.set(node.output, { node: again, from: made });
        rewriting.keep(again);
      }
    }
  });
  return { ...graph, nodes: rewriting.nodes, outputs: graph.outputs.map(now) };
}
