import type { AnyOp, Operand } from '../ops/op.js';
import { sameOwner } from '../plan/differences.js';
import type { Graph } from '../plan/graph.js';
import type { DType } from '../tensor/dtype.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import type { Owner } from '../trace/shape-pass.js';
import type { TracedNode } from '../trace/trace.js';
import { isKnown, measured, type Size } from './sizes.js';

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
  /** The owner of each tensor from outside, at each point. */
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
export function sameConstant(a: Owner | undefined, b: Owner | undefined): boolean {
  if (a?.isConstant !== true && b?.isConstant !== true) return true;
  return a !== undefined && b !== undefined && sameOwner(a, b);
}

const fills = new WeakMap<FreeMake, Size | null>();

/** The one value that a tensor has throughout, at each point; null where it has several. */
export function fillOf(node: FreeMake): Size | null {
  const known = fills.get(node);
  if (known !== undefined) return known;
  const fill = uniform(node.makes);
  fills.set(node, fill);
  return fill;
}

/** The same of tensors that are made. */
export function uniform(makes: FreeMake['makes']): Size | null {
  const values: number[] = [];
  for (const make of makes) {
    const elements = make().toTypedArray() as ArrayLike<number>;
    for (let i = 1; i < elements.length; i++) if (!Object.is(elements[i], elements[0])) return null;
    values.push(elements[0] ?? 0);
  }
  return measured(values);
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
