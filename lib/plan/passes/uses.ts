import { isTensor, type Tensor } from '../../tensor/tensor.js';
import type { TracedNode } from '../../trace/trace.js';
import type { Graph } from '../graph.js';

/** The tensors that a node reads. */
export function readsOf(node: TracedNode): readonly Tensor[] {
  switch (node.kind) {
    case 'apply':
      return node.inputs.filter(isTensor);
    case 'write':
      return [node.source];
    default:
      return [];
  }
}

/** How often each tensor is read, by nodes and by who gets the outputs. */
export function countUses(graph: Graph): Map<Tensor, number> {
  const uses = new Map<Tensor, number>();
  const add = (t: Tensor): void => {
    uses.set(t, (uses.get(t) ?? 0) + 1);
  };
  for (const node of graph.nodes) for (const t of readsOf(node)) add(t);
  for (const t of graph.outputs) add(t);
  return uses;
}

/** Tensors from outside that nodes write to: their values depend on when they are read. */
export function writtenIn(graph: Graph): Set<Tensor> {
  return new Set(graph.nodes.flatMap(node => (node.kind === 'write' ? [node.target] : [])));
}
