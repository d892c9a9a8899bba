import type { ActivationName } from '../../ops/activations.js';
import { mul } from '../../ops/binary.js';
import type { ChannelScale, Operand } from '../../ops/op.js';
import { reshape } from '../../ops/view.js';
import type { Tensor } from '../../tensor/tensor.js';
import { runPass } from '../../trace/shape-pass.js';
import type { Applied } from '../../trace/trace.js';
import type { Graph } from '../graph.js';
import { Rewriting } from './rewriting.js';
import { countUses, writtenIn } from './uses.js';

/** The activation of a product's attributes. */
const fusedIn = ({ attrs }: Applied): ActivationName | null =>
  (attrs as { readonly activation: ActivationName | null }).activation;

/** The operation before a normalization, into which that may be folded. */
interface Product {
  readonly node: Applied;
  /** A change of shape in between. */
  readonly shaped: Applied | null;
}

/**
 * Takes what scales and shifts channels, as a BatchNorm that predicts, into the product before it, where that has no other
 * reader: its factor into the weight, and its term into the bias. These depend on parameters alone, so that they are computed
 * once for each version of them. Rounding differs from the two layers one after the other.
 */
export function foldNorms(graph: Graph): Graph {
  const uses = countUses(graph);
  const written = writtenIn(graph);
  const makers = new Map<Tensor, Applied>();
  const fixed = new Set<Tensor>();
  // Whether a value depends on parameters and constants alone.
  const isFixed = (t: Operand): boolean =>
    typeof t === 'number' || (graph.held.has(t) ? !written.has(t) : fixed.has(t));
  for (const node of graph.nodes) {
    if (node.kind !== 'apply') continue;
    makers.set(node.output, node);
    if (node.inputs.every(isFixed)) fixed.add(node.output);
  }

  const productOf = (x: Tensor): Product | null => {
    const maker = makers.get(x);
    if (maker === undefined || uses.get(x) !== 1) return null;
    if (maker.op.view === 'whole') {
      const before = maker.inputs[0] as Tensor;
      const keepsChannels = before.shape[0] === x.shape[0] && before.shape[1] === x.shape[1];
      const inner = keepsChannels ? productOf(before) : null;
      return inner === null || inner.shaped !== null ? null : { node: inner.node, shaped: maker };
    }
    const isPlain = maker.op.fuses !== undefined && fusedIn(maker) === null;
    return isPlain && maker.inputs.slice(1).every(isFixed) ? { node: maker, shaped: null } : null;
  };

  const folds = new Map<Applied, { readonly product: Product; readonly scale: ChannelScale }>();
  const gone = new Set<unknown>();
  for (const node of graph.nodes) {
    if (node.kind !== 'apply' || !node.inputs.slice(1).every(isFixed)) continue;
    const scale = node.op.scales?.(node.inputs as readonly Tensor[], node.attrs) ?? null;
    const product = scale === null ? null : productOf(node.inputs[0] as Tensor);
    if (scale === null || product === null) continue;
    folds.set(node, { product, scale });
    gone.add(product.node);
    if (product.shaped !== null) gone.add(product.shaped);
  }
  if (folds.size === 0) return graph;
  const rewriting = new Rewriting();
  runPass(rewriting, () => {
    for (const node of graph.nodes) {
      const found = node.kind === 'apply' ? folds.get(node) : undefined;
      if (found !== undefined) fold(rewriting, node as Applied, found.product, found.scale);
      else if (!gone.has(node)) rewriting.keep(node);
    }
  });
  return { ...graph, nodes: rewriting.nodes };
}

function fold(rewriting: Rewriting, norm: Applied, { node, shaped }: Product, scale: ChannelScale): void {
  const [x, weight, bias] = node.inputs as readonly Tensor[] as [Tensor, Tensor, Tensor | undefined];
  rewriting.by = norm.owner;
  const factor = scale.factor();
  const scaled: Tensor = mul(weight, reshape(factor, [-1, ...weight.shape.slice(1).map(() => 1)]) as Tensor);
  const shifted = scale.term(factor, bias);
  if (shaped === null) {
    rewriting.apply(node.op, [x, scaled, shifted], node.attrs, norm.output);
    return;
  }
  rewriting.apply(node.op, [x, scaled, shifted], node.attrs, node.output);
  rewriting.apply(shaped.op, [node.output], shaped.attrs, norm.output);
}
