import { isTensor, type Tensor } from '../../tensor/tensor.js';
import type { Applied, TracedNode } from '../../trace/trace.js';
import type { Graph } from '../graph.js';
import { writtenIn } from './uses.js';

/** A text that is the same for equal attributes alone. */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([key, item]) => `${key}:${textOf(item)}`)
      .join(',')}}`;
  return Object.is(value, -0) ? '-0' : `${typeof value} ${String(value)}`;
}

/** Computes what is computed twice once. What depends on a tensor that the forward writes to is left alone. */
export function shareCommon(graph: Graph): Graph {
  const written = writtenIn(graph);
  const numbers = new Map<Tensor, number>();
  const numberOf = (t: Tensor): number => {
    const known = numbers.get(t) ?? numbers.size;
    numbers.set(t, known);
    return known;
  };
  const same = new Map<Tensor, Tensor>();
  const now = (t: Tensor): Tensor => same.get(t) ?? t;
  const seen = new Map<string, { readonly output: Tensor; readonly attrs: unknown }[]>();
  const nodes: TracedNode[] = [];
  for (const node of graph.nodes) {
    if (node.kind === 'write') {
      nodes.push({ ...node, source: now(node.source) });
      continue;
    }
    if (node.kind !== 'apply') {
      nodes.push(node);
      continue;
    }
    const inputs = node.inputs.map(input => (isTensor(input) ? now(input) : input));
    const renamed: Applied = { ...node, inputs };
    if (inputs.some(input => isTensor(input) && written.has(input))) {
      nodes.push(renamed);
      continue;
    }
    const key = `${node.op.name} ${inputs.map(input => (isTensor(input) ? `#${numberOf(input)}` : textOf(input))).join(' ')}`;
    const alike = seen.get(key) ?? [];
    const earlier = alike.find(one => textOf(one.attrs) === textOf(node.attrs));
    if (earlier === undefined) {
      alike.push(node);
      seen.set(key, alike);
      nodes.push(renamed);
    } else {
      same.set(node.output, earlier.output);
    }
  }
  return { ...graph, nodes, outputs: graph.outputs.map(now) };
}
