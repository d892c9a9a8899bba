import { sameShape } from '../tensor/shape.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import type { TracedNode } from '../trace/trace.js';
import { sameOwner } from './differences.js';
import type { Graph } from './graph.js';

/** Whether two values are equal as plain data: numbers, strings, arrays and plain objects of these; any other thing is itself. */
function sameData(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameData(item, b[i]));
  if (Object.getPrototypeOf(a) !== Object.prototype || Object.getPrototypeOf(b) !== Object.prototype) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every(key => Object.hasOwn(b, key) && sameData(a[key as keyof typeof a], b[key as keyof typeof b]))
  );
}

/**
 * Whether two graphs are known to be the same operations on the same things: then what is made from them is the same, too.
 * False also where that cannot be told from the graphs, as of what is made by a function.
 */
export function isSameGraph(a: Graph, b: Graph): boolean {
  /** The tensor of b for each tensor of a's own. */
  const twins = new Map<Tensor, Tensor>();
  const pair = (s: Tensor, t: Tensor): boolean => {
    twins.set(s, t);
    return s.dtype === t.dtype && sameShape(s.shape, t.shape);
  };
  const areTwins = (s: Tensor, t: Tensor): boolean => {
    const twin = twins.get(s);
    if (twin !== undefined) return twin === t;
    const [owner, other] = [a.held.get(s), b.held.get(t)];
    if (owner === undefined || other === undefined) return owner === other && s === t;
    return sameOwner(owner, other) && pair(s, t);
  };
  const areSame = (node: TracedNode, other: TracedNode): boolean => {
    if (node.kind === 'write')
      return other.kind === 'write' && areTwins(node.source, other.source) && areTwins(node.target, other.target);
    if (node.kind !== 'apply' || other.kind !== 'apply') return false;
    return (
      node.op === other.op &&
      node.inputs.length === other.inputs.length &&
      node.work.length === other.work.length &&
      node.inputs.every((input, i) => {
        const given = other.inputs[i];
        return isTensor(input) ? isTensor(given) && areTwins(input, given) : Object.is(input, given);
      }) &&
      sameData(node.attrs, other.attrs) &&
      pair(node.output, other.output) &&
      node.work.every((t, i) => pair(t, other.work[i] as Tensor))
    );
  };
  return (
    a.results.length + b.results.length === 0 &&
    a.inputs.length === b.inputs.length &&
    a.nodes.length === b.nodes.length &&
    a.outputs.length === b.outputs.length &&
    a.inputs.every((t, i) => pair(t, b.inputs[i] as Tensor)) &&
    a.nodes.every((node, i) => areSame(node, b.nodes[i] as TracedNode)) &&
    a.outputs.every((t, i) => areTwins(t, b.outputs[i] as Tensor))
  );
}
