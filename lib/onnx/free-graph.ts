import type { AnyOp, Operand } from '../ops/op.js';
import { sameOwner } from '../plan/differences.js';
import type { Graph } from '../plan/graph.js';
import type { DType } from '../tensor/dtype.js';
import { sameShape } from '../tensor/shape.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import type { Owner } from '../trace/shape-pass.js';
import type { Applied, TracedNode } from '../trace/trace.js';
import { isKnown, measured, type OpenSizes, type Size, valueOf } from './sizes.js';

/** A tensor of a graph whose sizes depend on the open ones. */
export interface FreeValue {
  readonly shape: readonly Size[];
  readonly dtype: DType;
  readonly from: 'input' | 'held' | 'made';
}

/** An operand: a tensor, or a number. */
export type FreeOperand = FreeValue | Size;

export function isValue(operand: FreeOperand): operand is FreeValue {
  return 'from' in operand;
}

/** An operation at any of the open sizes. */
export interface FreeNode {
  readonly op: AnyOp;
  readonly inputs: readonly FreeOperand[];
  readonly output: FreeValue;
  /** The attributes, as they were at each point that was tried. */
  readonly attrs: readonly unknown[];
  readonly owner: unknown;
}

/** A tensor made of nothing. */
export interface FreeMake {
  /** Makes it, as it is at each point. */
  readonly makes: readonly (() => Tensor)[];
  readonly draws: boolean;
  readonly output: FreeValue;
  readonly owner: unknown;
}

/** The graph of a forward at any of the open sizes. */
export interface FreeGraph {
  readonly inputs: readonly FreeValue[];
  readonly nodes: readonly (FreeNode | FreeMake)[];
  readonly outputs: readonly FreeValue[];
  /** What holds a tensor from outside, at each point. */
  readonly held: ReadonlyMap<FreeValue, readonly Owner[]>;
}

/** Why a forward cannot be written; `owner` is what ran. */
export class NotExportable extends Error {
  constructor(
    message: string,
    readonly owner: unknown,
  ) {
    super(message);
  }
}

/** The same where it can be written for sizes that are given. */
export class SizeDependent extends NotExportable {}

/** One graph from those of a forward at each point that was tried; from one, it serves these sizes alone. */
export function freeGraph(graphs: readonly Graph[]): FreeGraph {
  return new Alignment(graphs).graph();
}

/** Whether two evaluations of a forward have the same numbers there; what is no constant is the same whoever reads it. */
function sameConstant(a: Owner | undefined, b: Owner | undefined): boolean {
  if (a?.isConstant !== true && b?.isConstant !== true) return true;
  return a !== undefined && b !== undefined && sameOwner(a, b);
}

function constantsOf(graph: Graph): Owner[] {
  return [...graph.held.values()].filter(owner => owner.isConstant === true);
}

/** A forward where one of the open sizes is small. */
export interface Single {
  readonly point: readonly number[];
  readonly graph: Graph;
  /** The size, for messages. */
  readonly what: string;
}

/** The one value that a tensor has throughout, at each point; null where it has several. */
export function fillOf(makes: FreeMake['makes']): Size | null {
  const fills: number[] = [];
  for (const make of makes) {
    const values = make().toTypedArray() as ArrayLike<number>;
    for (let i = 1; i < values.length; i++) if (!Object.is(values[i], values[0])) return null;
    fills.push(values[0] ?? 0);
  }
  return measured(fills);
}

/** Constants of one dimension whose numbers follow each other by one step; null for others. */
export function sequenceOf(owners: readonly Owner[]): { readonly start: Size; readonly step: number } | null {
  const lists = owners.map(owner => [...(owner.data().toTypedArray() as Float32Array)]);
  const [[first = 0, second = 0] = []] = lists;
  const step = second - first;
  const isSequence = (list: readonly number[]) => list.every((n, i) => n === (list[0] as number) + i * step);
  const fits = lists.length > 0 && owners[0]?.data().ndim === 1 && lists.every(isSequence);
  return fits ? { start: measured(lists.map(list => list[0] as number)), step } : null;
}

/** All numbers in attributes, in order. */
function numbersIn(value: unknown): readonly unknown[] {
  if (typeof value === 'number') return [value];
  if (typeof value !== 'object' || value === null || isTensor(value)) return [];
  return Object.values(value).flatMap(numbersIn);
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
      const fill = node.draws ? null : fillOf(node.makes);
      return fill === null || other.output.size === 0 || fits(fill, fillOf([other.make])?.at[0]);
    }
    if (other.kind !== 'apply' || other.op !== node.op || other.inputs.length !== node.inputs.length) return false;
    const numbers = node.attrs.map(numbersIn);
    const given = numbersIn(other.attrs);
    if (!node.inputs.every((operand, j) => isSame(operand, other.inputs[j] as Operand))) return false;
    // Elements of what is empty lie nowhere.
    if (other.output.size === 0) return true;
    return (
      given.length === numbers[0]?.length &&
      given.every((n, j) => fits(measured(numbers.map(list => list[j] as number)), n))
    );
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

class Alignment {
  readonly #values: Map<Tensor, FreeValue>[];
  readonly #held = new Map<FreeValue, readonly Owner[]>();

  constructor(private readonly graphs: readonly Graph[]) {
    this.#values = graphs.map(() => new Map());
  }

  graph(): FreeGraph {
    const [first] = this.graphs as [Graph];
    const inputs = first.inputs.map((_, i) =>
      this.#define(
        this.graphs.map(graph => graph.inputs[i] as Tensor),
        'input',
        null,
      ),
    );
    const nodes = first.nodes.flatMap((_, i) =>
      this.#node(this.graphs.map(graph => graph.nodes[i] as TracedNode | undefined)),
    );
    if (this.graphs.some(graph => graph.nodes.length !== first.nodes.length))
      throw new SizeDependent('does other things at other sizes', null);
    const outputs = first.outputs.map((_, i) =>
      this.#find(
        this.graphs.map(graph => graph.outputs[i] as Tensor),
        null,
      ),
    );
    return { inputs, nodes, outputs, held: this.#held };
  }

  #node(all: readonly (TracedNode | undefined)[]): (FreeNode | FreeMake)[] {
    const [first] = all as [TracedNode];
    const { owner } = first;
    const differs = (): never => {
      throw new SizeDependent('does other things at other sizes', owner);
    };
    if (all.some(node => node?.kind !== first.kind)) return differs();
    switch (first.kind) {
      case 'write':
        throw new NotExportable('writes to a tensor that outlives the call', owner);
      case 'gradient':
        throw new NotExportable('takes gradients', owner);
      case 'make': {
        const nodes = all as readonly (typeof first)[];
        const output = this.#define(
          nodes.map(node => node.output),
          'made',
          owner,
        );
        return [{ makes: nodes.map(node => node.make), draws: first.draws, output, owner }];
      }
      case 'apply': {
        const nodes = all as readonly (typeof first)[];
        if (nodes.some(node => node.op !== first.op || node.inputs.length !== first.inputs.length)) return differs();
        const inputs = first.inputs.map((_, j) =>
          this.#operand(
            nodes.map(node => node.inputs[j] as Operand),
            owner,
          ),
        );
        const output = this.#define(
          nodes.map(node => node.output),
          'made',
          owner,
        );
        return [{ op: first.op, inputs, output, attrs: nodes.map(node => node.attrs), owner }];
      }
    }
  }

  #operand(all: readonly Operand[], owner: unknown): FreeOperand {
    if (all.every(isTensor)) return this.#find(all, owner);
    if (all.some(isTensor)) throw new SizeDependent('does other things at other sizes', owner);
    return measured(all as readonly number[]);
  }

  #find(all: readonly Tensor[], owner: unknown): FreeValue {
    const found = all.map((t, k) => (this.#values[k] as Map<Tensor, FreeValue>).get(t));
    const [first] = found;
    if (found.some(value => value !== first)) throw new SizeDependent('does other things at other sizes', owner);
    if (first !== undefined) return first;
    const value = this.#define(all, 'held', owner);
    const [graph, ...others] = this.graphs as readonly [Graph, ...Graph[]];
    const t = all[0] as Tensor;
    const isSame = (other: Graph, k: number) => sameConstant(graph.held.get(t), other.held.get(all[k + 1] as Tensor));
    if (value.shape.every(isKnown) && !others.every(isSame))
      throw new SizeDependent('takes a constant whose numbers depend on open sizes', owner);
    this.#held.set(
      value,
      all.map((one, k) => this.graphs[k]?.held.get(one) ?? { data: () => one }),
    );
    return value;
  }

  #define(all: readonly Tensor[], from: FreeValue['from'], owner: unknown): FreeValue {
    const [first] = all as [Tensor];
    if (all.some(t => t.dtype !== first.dtype || t.ndim !== first.ndim))
      throw new SizeDependent('does other things at other sizes', owner);
    const shape = first.shape.map((_, d) => measured(all.map(t => t.shape[d] as number)));
    const value: FreeValue = { shape, dtype: first.dtype, from };
    all.forEach((t, k) => {
      (this.#values[k] as Map<Tensor, FreeValue>).set(t, value);
    });
    return value;
  }
}
