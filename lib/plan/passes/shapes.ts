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
 * Joins changes of shape, which keep operations apart that could be computed together, as those before and after each
 * convolution of one dimension. A change of a change starts from the first shape; a change back to the first shape is left out;
 * an operation on each element alone is computed before a change that has no other reader.
 */
export function joinShapes(graph: Graph): Graph {
  const uses = countUses(graph);
  const written = writtenIn(graph);
  const outputs = new Set(graph.outputs);
  // Changes of shape by their results, each with the tensor from which it starts; and the tensors that replace results of
  // changes that are left out.
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
  /** The change of shape before which an operation on elements can be computed. */
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
