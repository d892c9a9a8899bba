import type { AnyOp, Operand } from '../ops/op.js';
import { sameOwner } from '../plan/differences.js';
import type { Graph } from '../plan/graph.js';
import type { DType } from '../tensor/dtype.js';
import { sameShape } from '../tensor/shape.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import type { Owner } from '../trace/shape-pass.js';
import type { TracedNode } from '../trace/trace.js';
import { type Line, type Linear, lineOver } from './linear.js';

/** A tensor of a graph whose sizes depend on the batch. */
export interface FreeValue {
  readonly shape: readonly Linear[];
  readonly dtype: DType;
  readonly from: 'input' | 'held' | 'made';
}

/** An operand: a tensor, or a number. */
export type FreeOperand = FreeValue | Linear;

export function isValue(operand: FreeOperand): operand is FreeValue {
  return 'from' in operand;
}

/** An operation at any batch size. */
export interface FreeNode {
  readonly op: AnyOp;
  readonly inputs: readonly FreeOperand[];
  readonly output: FreeValue;
  /** The attributes, as they were at each batch size that was looked at. */
  readonly attrs: readonly unknown[];
  readonly owner: unknown;
}

/** A tensor made of nothing. */
export interface FreeMake {
  /** Makes it, as it is at the first batch size. */
  readonly make: () => Tensor;
  readonly draws: boolean;
  readonly output: FreeValue;
  readonly owner: unknown;
}

/** The graph of a forward at any batch size. */
export interface FreeGraph {
  readonly inputs: readonly FreeValue[];
  readonly nodes: readonly (FreeNode | FreeMake)[];
  readonly outputs: readonly FreeValue[];
  readonly held: ReadonlyMap<FreeValue, Owner>;
  /** How numbers seen at the batch sizes depend on the batch. */
  readonly line: Line;
}

/** A forward seen at a batch size. */
export interface Seen {
  readonly batch: number;
  readonly graph: Graph;
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

/** The same where it can be written for one batch size. */
export class BatchDependent extends NotExportable {}

/** One graph from a forward that was seen at several batch sizes; from one, it serves that size alone. */
export function freeGraph(seen: readonly Seen[]): FreeGraph {
  return new Alignment(seen).graph();
}

/** The operations of a graph as a text, without copies along sizes of 1, which a batch of 1 doesn't have. */
function stepsText(nodes: readonly TracedNode[]): string {
  return nodes
    .map(node => (node.kind === 'apply' ? node.op.name : node.kind))
    .filter(name => name !== 'broadcastTo')
    .join(' ');
}

/** Whether two evaluations of a forward have the same numbers there; what is no constant is the same whoever reads it. */
function sameConstant(a: Owner | undefined, b: Owner | undefined): boolean {
  if (a?.isConstant !== true && b?.isConstant !== true) return true;
  return a !== undefined && b !== undefined && sameOwner(a, b);
}

function constantsOf(graph: Graph): Owner[] {
  return [...graph.held.values()].filter(owner => owner.isConstant === true);
}

/**
 * Raises where a forward does something else for a batch of 1 than for larger ones: sizes of 1 are apt to be treated apart, and a
 * file serves them as well.
 */
export function checkBatchOfOne(free: FreeGraph, larger: Graph, one: Graph): void {
  const sameShapes = free.outputs.every(({ shape }, i) => {
    const given = one.outputs[i]?.shape;
    return given?.length === shape.length && shape.every(({ base, slope }, d) => base + slope === given[d]);
  });
  const [constants, others] = [larger, one].map(constantsOf) as [Owner[], Owner[]];
  // A file with an open batch reads no constant that has the size of the batch.
  const sameConstants =
    constants.length === others.length &&
    constants.every(
      (c, i) => !sameShape(c.data().shape, (others[i] as Owner).data().shape) || sameConstant(c, others[i]),
    );
  if (!sameShapes || !sameConstants || stepsText(larger.nodes) !== stepsText(one.nodes))
    throw new BatchDependent('does other things for a batch of 1', null);
}

class Alignment {
  readonly #values: Map<Tensor, FreeValue>[];
  readonly #graphs: readonly Graph[];
  readonly #line: Line;
  readonly #held = new Map<FreeValue, Owner>();

  constructor(seen: readonly Seen[]) {
    this.#graphs = seen.map(one => one.graph);
    this.#values = seen.map(() => new Map());
    this.#line = lineOver(seen.map(one => one.batch));
  }

  graph(): FreeGraph {
    const [first] = this.#graphs as [Graph];
    const inputs = first.inputs.map((_, i) =>
      this.#define(
        this.#graphs.map(graph => graph.inputs[i] as Tensor),
        'input',
        null,
      ),
    );
    const nodes = first.nodes.flatMap((_, i) =>
      this.#node(this.#graphs.map(graph => graph.nodes[i] as TracedNode | undefined)),
    );
    const outputs = first.outputs.map((_, i) =>
      this.#find(
        this.#graphs.map(graph => graph.outputs[i] as Tensor),
        null,
      ),
    );
    return { inputs, nodes, outputs, held: this.#held, line: this.#line };
  }

  #node(all: readonly (TracedNode | undefined)[]): (FreeNode | FreeMake)[] {
    const [first] = all as [TracedNode];
    const { owner } = first;
    const differs = (): never => {
      throw new BatchDependent('does other things at other batch sizes', owner);
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
        return [{ make: first.make, draws: first.draws, output, owner }];
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
    const fitted = all.some(isTensor) ? null : this.#line(all as readonly number[]);
    if (fitted === null)
      throw new BatchDependent('computes with a number that does not depend on the batch linearly', owner);
    return fitted;
  }

  #find(all: readonly Tensor[], owner: unknown): FreeValue {
    const found = all.map((t, k) => (this.#values[k] as Map<Tensor, FreeValue>).get(t));
    const [first] = found;
    if (found.some(value => value !== first)) throw new BatchDependent('does other things at other batch sizes', owner);
    if (first !== undefined) return first;
    const value = this.#define(all, 'held', owner);
    const [graph, ...others] = this.#graphs as readonly [Graph, ...Graph[]];
    const t = all[0] as Tensor;
    const isOneSize = value.shape.every(({ slope }) => slope === 0);
    if (isOneSize && !others.every((other, k) => sameConstant(graph.held.get(t), other.held.get(all[k + 1] as Tensor))))
      throw new BatchDependent('takes a constant whose numbers depend on the batch', owner);
    this.#held.set(value, graph.held.get(t) ?? { data: () => t });
    return value;
  }

  #define(all: readonly Tensor[], from: FreeValue['from'], owner: unknown): FreeValue {
    const [first] = all as [Tensor];
    if (all.some(t => t.dtype !== first.dtype || t.ndim !== first.ndim))
      throw new BatchDependent('does other things at other batch sizes', owner);
    const shape = first.shape.map((_, d) => {
      const size = this.#line(all.map(t => t.shape[d] as number));
      if (size === null || !Number.isInteger(size.slope) || !Number.isInteger(size.base))
        throw new BatchDependent('makes a size that does not depend on the batch linearly', owner);
      return size;
    });
    const value: FreeValue = { shape, dtype: first.dtype, from };
    all.forEach((t, k) => {
      (this.#values[k] as Map<Tensor, FreeValue>).set(t, value);
    });
    return value;
  }
}
