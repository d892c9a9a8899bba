import { isDeepStrictEqual } from 'node:util';
import type { AnyOp } from '../ops/op.js';
import type { DType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import { dataTypeOf } from './elements.js';
import {
  type FreeNode,
  type FreeOperand,
  type FreeValue,
  isValue,
  NotExportable,
  SizeDependent,
} from './free-graph.js';
import type { Producers } from './idioms.js';
import { isKnown, measured, type Size, sameSize } from './sizes.js';
import type { GraphWriter } from './writer.js';

function withoutFunctions(attrs: object, left: readonly string[] = []): unknown {
  return Object.fromEntries(
    Object.entries(attrs).filter(([key, value]) => !left.includes(key) && typeof value !== 'function'),
  );
}

/** Whether a node has the same attributes at all sizes. */
export function hasFixedAttrs({ attrs: [first, ...others] }: FreeNode): boolean {
  return others.every(other => isDeepStrictEqual(withoutFunctions(other as object), withoutFunctions(first as object)));
}

/**
 * The attributes but for those that may depend on sizes: these are asked for by `Call.size`, or the result's shape has
 * them.
 */
function fixedAttrs({ sized }: AnyOp, attrs: unknown): unknown {
  return withoutFunctions(attrs as object, sized);
}

/** An operation that is to be written. */
export class Call {
  readonly name: string;
  readonly inputs: readonly FreeOperand[];
  readonly output: FreeValue;
  /** The attributes of the operation, without those that may depend on sizes. */
  readonly attrs: any;

  constructor(readonly node: FreeNode) {
    this.name = node.op.name;
    this.inputs = node.inputs;
    this.output = node.output;
    const [first, ...others] = node.attrs.map(attrs => fixedAttrs(node.op, attrs));
    if (others.some(other => !isDeepStrictEqual(other, first)))
      throw new SizeDependent(`asks ${this.name} for other things at other sizes`, node.owner);
    this.attrs = first;
  }

  /** An operand that is a tensor. */
  value(i: number): FreeValue {
    return this.inputs[i] as FreeValue;
  }

  /** A number that may depend on open sizes. */
  size(pick: (attrs: any) => number): Size {
    return measured(this.node.attrs.map(pick));
  }

  /** A size that must be known. */
  fixed(size: Size): number {
    if (!isKnown(size)) this.refuseSizes(`has ${this.name} work along a size that the file leaves open`);
    return size.at[0] as number;
  }

  refuse(why: string): never {
    throw new NotExportable(why, this.node.owner);
  }

  /** Refuses what could be written for sizes that are given. */
  refuseSizes(why: string): never {
    throw new SizeDependent(why, this.node.owner);
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
  find(start: Size, count: Size): string | null;
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
    value.shape.forEach((size, axis) => {
      this.writer.offer(size, name, axis);
    });
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
    return this.writer.number(operand, dtype);
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
  reshape(name: string, from: readonly Size[], to: readonly Size[]): string {
    if (from.length === to.length && to.every((size, d) => sameSize(from[d], size))) return name;
    const hasNone = to.some(size => isKnown(size) && size.at[0] === 0);
    if (hasNone || to.every(isKnown))
      return this.node('Reshape', [name, this.writer.sizes(to)], hasNone ? { allowzero: 1 } : {});
    const kept = to.map((size, d) => !isKnown(size) && sameSize(from[d], size));
    const open = to.filter((size, d) => !isKnown(size) && !kept[d]).length;
    if (open > 1) return this.node('Reshape', [name, this.writer.sizes(to)]);
    const target = to.map((size, d) => (isKnown(size) ? (size.at[0] as number) : kept[d] ? 0 : -1));
    return this.node('Reshape', [name, this.list(target)]);
  }
}
