import type { Tensor } from '../../tensor/tensor.js';
import { isTensor } from '../../tensor/tensor.js';
import type { Applied, TracedNode } from '../../trace/trace.js';
import type { Graph } from '../graph.js';
import { countUses, writtenIn } from './uses.js';

/** Has operations do themselves what the only reader of their result does with it, where they can. */
export function fuseReaders(graph: Graph): Graph {
  const uses = countUses(graph);
  const written = writtenIn(graph);
  const makers = new Map<Tensor, { readonly node: Applied; readonly place: number }>();
  const nodes: (TracedNode | null)[] = [...graph.nodes];
  graph.nodes.forEach((node, i) => {
    if (node.kind !== 'apply') return;
    let now = node;
    for (const [place, input] of node.inputs.entries()) {
      const maker = isTensor(input) && uses.get(input) === 1 ? makers.get(input) : undefined;
      const extended = maker?.node.op.followedBy?.(maker.node.attrs, maker.node.inputs, node, place) ?? null;
      if (maker === undefined || extended === null) continue;
      nodes[maker.place] = null;
      now = { ...maker.node, ...extended, output: node.output };
      break;
    }
    nodes[i] = now;
    if (now.op.followedBy !== undefined && !now.inputs.some(t => isTensor(t) && written.has(t)))
      makers.set(now.output, { node: now, place: i });
  });
  return { ...graph, nodes: nodes.filter(node => node !== null) };
}
