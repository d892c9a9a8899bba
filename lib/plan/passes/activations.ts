import { type ActivationName, activationOf } from '../../ops/activations.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Applied, TracedNode } from '../../trace/trace.js';
import type { Graph } from '../graph.js';
import { countUses } from './uses.js';

/** The activation of a product's attributes. */
export const fusedIn = ({ attrs }: Applied): ActivationName | null =>
  (attrs as { readonly activation: ActivationName | null }).activation;

/** Has products apply the activation that follows them and is all that reads them. */
export function fuseActivations(graph: Graph): Graph {
  const uses = countUses(graph);
  const products = new Map<Tensor, Applied>();
  const nodes: (TracedNode | null)[] = [...graph.nodes];
  const places = new Map<Tensor, number>();
  graph.nodes.forEach((node, i) => {
    if (node.kind !== 'apply') return;
    const [input] = node.inputs as [Tensor];
    const product = products.get(input);
    const activation = activationOf(node.op);
    if (product !== undefined && activation !== undefined && uses.get(input) === 1) {
      if (product.op.fuses?.includes(activation) !== true) return;
      nodes[places.get(input) as number] = null;
      nodes[i] = { ...product, attrs: { ...(product.attrs as object), activation }, output: node.output };
      return;
    }
    if (node.op.fuses !== undefined && fusedIn(node) === null) {
      products.set(node.output, node);
      places.set(node.output, i);
    }
  });
  return { ...graph, nodes: nodes.filter(node => node !== null) };
}
