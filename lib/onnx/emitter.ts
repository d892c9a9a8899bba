import { isDeepStrictEqual } from 'node:util';
import type { AnyOp } from '../ops/op.js';
import type { DType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import { dataTypeOf } from './elements.js';
import {
  BatchDependent,
  type FreeNode,
  type FreeOperand,
  type FreeValue,
  isValue,
  NotExportable,
} from './free-graph.js';
import type { Producers } from './idioms.js';
import type { Linear } from './linear.js';
import type { GraphWriter } from './writer.js';

/**
 * The attributes but for those that may depend on sizes: these are asked for by `Call.linear`, or the result's shape has
 * them.
 */
function fixedAttrs({ sized = [] }: AnyOp, attrs: unknown): unknown {
  if (typeof attrs !== 'object' || attrs === null) return attrs;
  return Object.fromEntries(
    Object.entries(attrs).filter(([key, value]) => !sized.includes(key) && typeof value !== 'function'),
  );
}

/** An operation that is to be written. */
export class Call {
  readonly name: string;
  readonly inputs: readonly FreeOperand[];
  readonly output: FreeValue;
  /** The attributes of the operation, without those that may depend on the batch. */
  readonly attrs: any;

  constructor(
    readonly node: FreeNode,
    private readonly line: (numbers: readonly number[]) => Linear | null,
  ) {
    this.name = node.op.name;
    this.inputs = node.inputs;
    this.output = node.output;
    const [first, ...others] = node.attrs.map(attrs => fixedAttrs(node.op, attrs));
    if (others.some(other => !isDeepStrictEqual(other, first)))
      throw new BatchDependent(`asks ${this.name} for other things at other batch sizes`, node.owner);
    this.attrs = first;
  }

  /** An operand that is a tensor. */
  value(i: number): FreeValue {
    return this.inputs[i] as FreeValue;
  }

  /** A number that may depend on the batch. */
  linear(pick: (attrs: any) => number): Linear {
    const line = this.line(this.node.attrs.map(pick));
    if (line === null)
      throw new BatchDependent(
        `gives ${this.name} a number that does not depend on the batch linearly`,
        this.node.owner,
      );
    return line;
  }

  /** A size that must be known. */
  fixed({ base, slope }: Linear): number {
    if (slope !== 0)
      throw new BatchDependent(
        `has ${this.name} work along the batch, whose size the file leaves open`,
        this.node.owner,
      );
    return base;
  }

  refuse(why: string): never {
    throw new NotExportable(why, this.node.owner);
  }
}

/** Writes an operation; answers the name of its result, or null where that is defined in parts. */
export type Exporter = (e: Emitter, call: Call) => string | null;

/** A value that no input has a part in. */
export interface Known {
  readonly tensor: Tensor;
  /** The parameters that it was made from. */
  readonly parameters: readonly string[];
  /** Whether no training changes any of them. */
  readonly isFrozen: boolean;
}

/** The graph that is being written. */
export interface Surroundings {
  /** The name of a value that no operation gives. */
  outside(value: FreeValue): string;
  readonly producers: Producers;
  /** The numbers of a value, or null where an input has a part in them. */
  known(value: FreeValue): Known | null;
  /** Says of an initializer that no training changes it. */
  freeze(name: string): void;
  /** Whether a value is zeros throughout. */
  isZero(value: FreeValue): boolean;
}

/** The parts of a value that is written in parts: by the first index and the number of indices along its first axis. */
export interface Parts {
  find(start: Linear, count: Linear): string | null;
  /** Puts them together. */
  whole(): string;
}

/** The names of values while a graph is written. */
export class Emitter {
  readonly #names = new Map<FreeValue, string>();
  readonly #parts = new Map<FreeValue, Parts>();

  constructor(
    readonly writer: GraphWriter,
    readonly around: Surroundings,
  ) {}

  define(value: FreeValue, name: string): void {
    this.#names.set(value, name);
  }

  defineParts(value: FreeValue, parts: Parts): void {
    this.#parts.set(value, parts);
  }

  parts(value: FreeValue): Parts | undefined {
    return this.#parts.get(value);
  }

  name(value: FreeValue): string {
    let name = this.#names.get(value);
    if (name === undefined) {
      name = this.#parts.get(value)?.whole() ?? this.around.outside(value);
      this.#names.set(value, name);
    }
    return name;
  }

  /** An operand in such a type; a number as a scalar of it. */
  in(dtype: DType, operand: FreeOperand): string {
    if (isValue(operand)) return this.cast(this.name(operand), operand.dtype, dtype);
    const { base, slope } = operand;
    if (slope === 0) return this.writer.filled(base, dtype);
    const batch = this.node('Cast', [this.node('Squeeze', [this.writer.batch()])], { to: dataTypeOf(dtype) });
    const scaled = this.node('Mul', [batch, this.writer.filled(slope, dtype)]);
    return base === 0 ? scaled : this.node('Add', [scaled, this.writer.filled(base, dtype)]);
  }

  cast(name: string, from: DType, to: DType): string {
    return from === to ? name : this.node('Cast', [name], { to: dataTypeOf(to) });
  }

  node: GraphWriter['node'] = (type, inputs, attributes) => this.writer.node(type, inputs, attributes);

  constant(t: Tensor): string {
    return this.writer.constant(t);
  }

  list(values: readonly number[]): string {
    return this.writer.list(values);
  }

  scalar(value: number, dtype: DType): string {
    return this.writer.filled(value, dtype);
  }

  /** A value in another shape, with sizes left as they are where the format can say so. */
  reshape(name: string, from: readonly Linear[], to: readonly Linear[]): string {
    const same = (a: Linear | undefined, b: Linear): boolean => a?.base === b.base && a.slope === b.slope;
    if (from.length === to.length && to.every((size, d) => same(from[d], size))) return name;
    const isKnown = to.map(({ slope }) => slope === 0);
    const hasNone = to.some(({ base, slope }) => slope === 0 && base === 0);
    if (isKnown.every(Boolean)) {
      const target = this.list(to.map(({ base }) => base));
      return this.node('Reshape', [name, target], hasNone ? { allowzero: 1 } : {});
    }
    if (hasNone) return this.node('Reshape', [name, this.writer.sizes(to)], { allowzero: 1 });
    const kept = to.map((size, d) => !isKnown[d] && same(from[d], size));
    const open = to.filter((_, d) => !isKnown[d] && !kept[d]).length;
    if (open > 1) return this.node('Reshape', [name, this.writer.sizes(to)]);
    return this.node('Reshape', [name, this.list(to.map(({ base }, d) => (isKnown[d] ? base : kept[d] ? 0 : -1)))]);
  }
}
