import { add, mul, sub } from '../../ops/binary.js';
import type { AnyOp, Operand } from '../../ops/op.js';
import { rsqrt } from '../../ops/unary.js';
import { reshape } from '../../ops/view.js';
import type { Tensor } from '../../tensor/tensor.js';
import { runPass } from '../../trace/shape-pass.js';
import { type Applied, Trace } from '../../trace/trace.js';
import type { Graph } from '../graph.js';
import { countUses, writtenIn } from './uses.js';

/** What stands in a net before a normalization that is to be part of it. */
interface Product {
  readonly node: Applied;
  /** A change of shape in between. */
  readonly shaped: Applied | null;
}

/** Nodes that are made of operations, on the tensors of another trace. */
class Rewriting extends Trace {
  constructor() {
    super(() => null);
  }
  protected override checkOwn(): void {}

  apply(op: AnyOp, inputs: readonly Operand[], attrs: unknown, output: Tensor, owner: unknown): void {
    this.nodes.push({ kind: 'apply', op, attrs, inputs, output, work: [], owner });
  }
}

interface NormAttrs {
  readonly epsilon: number;
  readonly gamma: boolean;
  readonly beta: boolean;
  readonly isBatch: boolean;
}

/**
 * Takes a BatchNorm that predicts into the dense layer or convolution before it, where that has no other reader: with
 * s = γ/√(variance + ε), weight·s for the weight and (bias - mean)·s + β for the bias. These depend on parameters alone, so
 * that they are computed once for each version of them. Rounding differs from the two layers one behind the other.
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
    if (maker.op.name === 'reshape') {
      const before = maker.inputs[0] as Tensor;
      const keepsChannels = before.shape[0] === x.shape[0] && before.shape[1] === x.shape[1];
      const inner = keepsChannels ? productOf(before) : null;
      return inner === null || inner.shaped !== null ? null : { node: inner.node, shaped: maker };
    }
    const isProduct = maker.op.name === 'dense' || maker.op.name === 'conv';
    const isPlain = isProduct && (maker.attrs as { activation: unknown }).activation === null;
    return isPlain && maker.inputs.slice(1).every(isFixed) ? { node: maker, shaped: null } : null;
  };

  const folds = new Map<Applied, Product>();
  const gone = new Set<unknown>();
  for (const node of graph.nodes) {
    if (node.kind !== 'apply' || node.op.name !== 'batchNorm' || (node.attrs as NormAttrs).isBatch) continue;
    const product = node.inputs.slice(1).every(isFixed) ? productOf(node.inputs[0] as Tensor) : null;
    if (product === null) continue;
    folds.set(node, product);
    gone.add(product.node);
    if (product.shaped !== null) gone.add(product.shaped);
  }
  if (folds.size === 0) return graph;
  const rewriting = new Rewriting();
  runPass(rewriting, () => {
    for (const node of graph.nodes) {
      const product = node.kind === 'apply' ? folds.get(node) : undefined;
      if (product !== undefined) fold(rewriting, node as Applied, product);
      else if (!gone.has(node)) rewriting.nodes.push(node);
    }
  });
  return { ...graph, nodes: rewriting.nodes };
}

function fold(rewriting: Rewriting, norm: Applied, { node, shaped }: Product): void {
  const { epsilon, gamma, beta } = norm.attrs as NormAttrs;
  const [, mean, variance, ...vectors] = norm.inputs as readonly Tensor[] as [Tensor, Tensor, Tensor, ...Tensor[]];
  const [x, weight, bias] = node.inputs as readonly Tensor[] as [Tensor, Tensor, Tensor | undefined];
  const spread: Tensor = rsqrt(add(variance, epsilon));
  const scale: Tensor = gamma ? mul(spread, vectors[0] as Tensor) : spread;
  const scaled: Tensor = mul(weight, reshape(scale, [-1, ...weight.shape.slice(1).map(() => 1)]) as Tensor);
  const centered: Tensor = bias === undefined ? mul(mul(mean, scale), -1) : mul(sub(bias, mean), scale);
  const shifted: Tensor = beta ? add(centered, vectors.at(-1) as Tensor) : centered;
  const { owner } = norm;
  if (shaped === null) {
    rewriting.apply(node.op, [x, scaled, shifted], node.attrs, norm.output, owner);
    return;
  }
  rewriting.apply(node.op, [x, scaled, shifted], node.attrs, node.output, owner);
  rewriting.apply(shaped.op, [node.output], shaped.attrs, norm.output, owner);
}
