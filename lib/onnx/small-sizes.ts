import type { Operand } from '../ops/op.js';
import type { FormAttrs } from '../ops/own-form.js';
import type { Graph } from '../plan/graph.js';
import { sameShape } from '../tensor/shape.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import type { Owner } from '../trace/shape-pass.js';
import type { Applied, TracedNode } from '../trace/trace.js';
import { sameForm } from './form.js';
import {
  type FreeGraph,
  type FreeMake,
  type FreeNode,
  type FreeOperand,
  type FreeValue,
  fillOf,
  isValue,
  SizeDependent,
  sameConstant,
  sequenceOf,
  uniform,
} from './free-graph.js';
import { isKnown, measured, type OpenSizes, type Size, valueOf } from './sizes.js';

/** A forward where one of the open sizes is small. */
export interface Single {
  readonly point: readonly number[];
  readonly graph: Graph;
  /** The size, for messages. */
  readonly what: string;
}

function constantsOf(graph: Graph): Owner[] {
  return [...graph.held.values()].filter(owner => owner.isConstant === true);
}

/** All numbers, texts and flags in attributes, in order. */
function leavesOf(value: unknown): readonly unknown[] {
  if (typeof value === 'function' || isTensor(value)) return [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leavesOf) : [value];
}

/**
 * Raises where a forward does something else at small sizes than the free graph, which is made from larger ones: sizes of 1 are
 * apt to be treated apart, and others to be clamped. Copies along sizes of 1 are no difference.
 */
export function checkSingle(free: FreeGraph, open: OpenSizes, larger: Graph, { point, graph, what }: Single): void {
  const differs = (owner: unknown): never => {
    throw new SizeDependent(`does other things for ${what}`, owner);
  };
  const fits = (size: Size, given: unknown): boolean => {
    const terms = open.terms(size);
    return terms === null || valueOf(terms, point) === given;
  };
  const fitsShape = ({ shape }: FreeValue, t: Tensor): boolean =>
    shape.length === t.ndim && shape.every((size, d) => fits(size, t.shape[d]));
  const isCopy = (node: TracedNode | FreeNode | FreeMake): boolean => 'op' in node && node.op.name === 'broadcastTo';
  const copies = new Map<FreeValue | Tensor, FreeValue | Tensor>();
  const sourceOf = <V extends FreeValue | Tensor>(value: V): V => {
    const source = copies.get(value) as V | undefined;
    return source === undefined ? value : sourceOf(source);
  };
  for (const node of free.nodes) if (isCopy(node)) copies.set(node.output, (node as FreeNode).inputs[0] as FreeValue);
  for (const node of graph.nodes)
    if (node.kind === 'apply' && isCopy(node)) copies.set(node.output, node.inputs[0] as Tensor);
  const same = new Map<Tensor, FreeValue>(graph.inputs.map((t, i) => [t, free.inputs[i] as FreeValue]));
  const isSame = (operand: FreeOperand, given: Operand): boolean => {
    if (!isValue(operand)) return fits(operand, given);
    if (!isTensor(given) || !fitsShape(operand, given)) return false;
    const [value, t] = [sourceOf(operand), sourceOf(given)];
    const known = same.get(t);
    if (known !== undefined) return known === value;
    if (value.from !== 'held') return false;
    same.set(t, value);
    if (value.shape.every(isKnown)) return true;
    const sequence = sequenceOf(free.held.get(value) ?? []);
    const numbers = [...((graph.held.get(t)?.data() ?? t).toTypedArray() as Float32Array)];
    return (
      sequence === null ||
      numbers.every((n, i) => (i > 0 ? n === (numbers[0] as number) + i * sequence.step : fits(sequence.start, n)))
    );
  };
  const [ours, theirs] = [free.nodes.filter(node => !isCopy(node)), graph.nodes.filter(node => !isCopy(node))];
  if (ours.length !== theirs.length) differs(null);
  const isLike = (node: FreeNode | FreeMake, other: TracedNode): boolean => {
    if (!('op' in node)) {
      if (other.kind !== 'make') return false;
      const fill = node.draws ? null : fillOf(node);
      return fill === null || other.output.size === 0 || fits(fill, uniform([other.make])?.at[0]);
    }
    const { op } = node;
    if (other.kind !== 'apply' || other.op !== op || other.inputs.length !== node.inputs.length) return false;
    if (!node.inputs.every((operand, j) => isSame(operand, other.inputs[j] as Operand))) return false;
    // Elements of what is empty lie nowhere.
    if (other.output.size === 0) return true;
    const leaves = node.attrs.map(leavesOf);
    const given = leavesOf(other.attrs);
    const isSameLeaf = (leaf: unknown, j: number): boolean => {
      const seen = leaves.map(list => list[j]);
      return typeof leaf === 'number' ? fits(measured(seen as number[]), leaf) : seen[0] === leaf;
    };
    const isSameForm =
      op.name !== 'ownForm' || sameForm(node.inputs.length - 1, node.attrs[0] as FormAttrs, other.attrs as FormAttrs);
    return given.length === leaves[0]?.length && given.every(isSameLeaf) && isSameForm;
  };
  for (const [i, node] of ours.entries()) {
    const other = theirs[i] as TracedNode;
    if (!isLike(node, other) || !fitsShape(node.output, (other as Applied).output)) differs(node.owner);
    same.set((other as Applied).output, node.output);
  }
  if (!free.outputs.every((value, i) => isSame(value, graph.outputs[i] as Tensor))) differs(null);
  const [constants, others] = [larger, graph].map(constantsOf) as [Owner[], Owner[]];
  // A constant of an open size is written as what it is at any.
  const sameConstants =
    constants.length === others.length &&
    constants.every(
      (c, i) => !sameShape(c.data().shape, (others[i] as Owner).data().shape) || sameConstant(c, others[i]),
    );
  if (!sameConstants) differs(null);
}
