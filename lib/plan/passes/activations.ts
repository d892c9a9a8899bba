import type { Tensor } from '../../tensor/tensor.js';
import type { Applied, TracedNode } from '../../trace/trace.js';
import type { Graph } from '../graph.js';
import { countUses } from './uses.js';

/** The functions that a product applies to its result while that is in registers. */
const fusable: Readonly<Record<string, readonly string[]>> = {
  dense: ['relu', 'tanh', 'sigmoid', 'gelu', 'silu'],
  conv: ['relu'],
};

/** Has dense layers and convolutions apply the function that follows them and is all that reads them. */
export function fuseActivations(graph: Graph): Graph {
  const uses = countUses(graph);
  const products = new Map<Tensor, Applied>();
  const nodes: (TracedNode | null)[] = [...graph.nodes];
  const places = new Map<Tensor, number>();
  graph.nodes.forEach((node, i) => {
    if (node.kind !== 'apply') return;
    const [input] = node.inputs as [Tensor];
    const product = products.get(input);
    if (product !== undefined && fusable[product.op.name]?.includes(node.op.name) === true && uses.get(input) === 1) {
      const attrs = { ...(product.attrs as object), activation: node.op.name };
      nodes[places.get(input) as number] = null;
      nodes[i] = { ...product, attrs, output: node.output };
      return;
    }
    if (node.op.name in fusable && (node.attrs as { activation: unknown }).activation === null) {
      products.set(node.output, node);
      places.set(node.output, i);
    }
  });
  return { ...graph, nodes: nodes.filter(node => node !== null) };
}
