import type { Tensor } from '../../tensor/tensor.js';
import type { Graph } from '../graph.js';
import { readsOf } from './uses.js';

/** Leaves out what nobody reads, but for draws, which move their streams, and writes. */
export function dropDead(graph: Graph): Graph {
  const wanted = new Set<Tensor>(graph.outputs);
  const nodes = graph.nodes.toReversed().filter(node => {
    const isWanted =
      node.kind === 'write' ||
      (node.kind === 'make' && node.draws) ||
      (node.kind !== 'gradient' && wanted.has(node.output));
    if (isWanted) for (const t of readsOf(node)) wanted.add(t);
    return isWanted;
  });
  return { ...graph, nodes: nodes.reverse() };
}
