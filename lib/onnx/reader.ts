import { FormatError } from '../errors.js';
import { cast } from '../ops/cast.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import { carrierOf, type Kind, type Kinds, tensorOfTable } from './kind.js';
import { type Attribute, AttributeType, type Node } from './schema.js';
import { numbersOf, type Table } from './table.js';

/** A value between nodes; null for an input that is left out. */
export type Given = Tensor | Table | null;

export function isTable(given: Given | undefined): given is Table {
  return given !== null && given !== undefined && !isTensor(given);
}

/** A node, as it is run and as it is checked before any run. */
export interface Operator {
  /** The kinds of the results for inputs of such kinds. Raises where the operator doesn't take these. */
  readonly gives: (inputs: Kinds) => readonly Kind[];
  /** From the inputs to the results. */
  readonly run: (inputs: Inputs) => Given[];
}

/** Reads a node once, as a file is opened. */
export type Importer = (node: NodeReader) => Operator;

const typeNames: Record<number, string> = Object.fromEntries(
  Object.entries(AttributeType).map(([name, type]) => [type, name]),
);

/** A node's attributes, each to be asked for: one that nobody asks for would be ignored. */
export class NodeReader {
  readonly #attributes = new Map<string, Attribute>();
  readonly #asked = new Set<string>();
  #results = 1;

  readonly opType: string;
  readonly #inputCount: number;
  readonly #outputCount: number;

  constructor(
    { opType, input, output, attribute }: Node,
    private readonly where: string,
  ) {
    this.opType = opType;
    this.#inputCount = input.length;
    this.#outputCount = output.length;
    for (const one of attribute) this.#attributes.set(one.name, one);
  }

  refuse(why: string): never {
    throw new FormatError(`${this.where}: ${why}`);
  }

  has(name: string): boolean {
    return this.#attributes.has(name);
  }

  int(name: string, otherwise: number): number {
    const found = this.#ask(name, AttributeType.int);
    return found === undefined ? otherwise : this.#safe(name, found.i);
  }

  float(name: string, otherwise: number): number {
    return this.#ask(name, AttributeType.float)?.f ?? otherwise;
  }

  text(name: string, otherwise: string): string {
    const found = this.#ask(name, AttributeType.string);
    return found === undefined ? otherwise : new TextDecoder().decode(found.s);
  }

  ints(name: string): readonly number[] | null {
    const found = this.#ask(name, AttributeType.ints);
    return found === undefined ? null : found.ints.map(value => this.#safe(name, value));
  }

  floats(name: string): readonly number[] | null {
    return this.#ask(name, AttributeType.floats)?.floats ?? null;
  }

  texts(name: string): readonly string[] | null {
    const found = this.#ask(name, AttributeType.strings);
    return found === undefined ? null : found.strings.map(text => new TextDecoder().decode(text));
  }

  tensor(name: string): Attribute['t'] {
    return this.#ask(name, AttributeType.tensor)?.t;
  }

  /** Raises where an attribute has another value than the one that is known here, which is the format's own default. */
  only<V extends number | string>(name: string, value: V): void {
    const given = typeof value === 'number' ? this.int(name, value) : this.text(name, value);
    if (given !== value) this.refuse(`attribute '${name}' is ${given}, and only ${value} is known`);
  }

  /** Raises where the number of inputs is another. */
  takes(least: number, most = least): void {
    const count = this.#inputCount;
    if (count < least || count > most)
      this.refuse(`takes ${least === most ? least : `${least} to ${most}`} inputs, but has ${count}`);
  }

  /** Raises for results beyond those that are known; one by default. */
  gives(most: number): void {
    this.#results = most;
  }

  /** Raises for what nobody asked for. The attributes are let go of, for their bytes are the file's, and would hold it. */
  finish(): void {
    if (this.#outputCount > this.#results) this.refuse(`result ${this.#results} is not known`);
    for (const name of this.#attributes.keys())
      if (!this.#asked.has(name)) this.refuse(`attribute '${name}' is not known`);
    this.#attributes.clear();
  }

  #ask(name: string, type: number): Attribute | undefined {
    this.#asked.add(name);
    const found = this.#attributes.get(name);
    if (found !== undefined && found.type !== type)
      this.refuse(`attribute '${name}' has type ${found.type}, and not ${type} (${typeNames[type]})`);
    return found;
  }

  #safe(name: string, value: bigint): number {
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < -BigInt(Number.MAX_SAFE_INTEGER))
      this.refuse(`attribute '${name}' is ${value}, which is too far out`);
    return Number(value);
  }
}

/** The inputs of a node while it runs. */
export class Inputs {
  constructor(
    private readonly given: readonly Given[],
    readonly kinds: Kinds,
    /** The kinds of the results, as `gives` told them. */
    private readonly results: readonly Kind[],
  ) {}

  get count(): number {
    return this.given.length;
  }

  at(i: number): Given {
    return this.given[i] ?? null;
  }

  /** An input as a tensor: whole numbers of int64 in the type that they lie in. */
  tensor(i: number): Tensor {
    const given = this.at(i);
    if (isTable(given)) return tensorOfTable(given, this.kinds.tensor(i));
    return given ?? this.refuse(`input ${i} is missing`);
  }

  maybe(i: number): Tensor | null {
    return this.at(i) === null ? null : this.tensor(i);
  }

  /** Inputs of one type of the format in one type of tensors, which the result lies in as well if it has that type. */
  alike(...places: readonly number[]): Tensor[] {
    const tensors = places.map(i => this.tensor(i));
    const isLong = this.kinds.at(places[0] as number).dtype === 'int64';
    if (!isLong) return tensors;
    const isWide = this.carrier() === 'float64' || tensors.some(t => t.dtype === 'float64');
    return tensors.map(t => cast(t, isWide ? 'float64' : 'int32') as Tensor);
  }

  /** The type of tensors in which the result lies, if it is of int64. */
  carrier(): 'int32' | 'float64' | null {
    const [result] = this.results;
    return result?.dtype === 'int64' ? carrierOf(result.range) : null;
  }

  /** The inputs as tables, where the result is one. */
  tables(...places: readonly number[]): Table[] | null {
    return this.results[0]?.isTable ? places.map(i => this.table(i)) : null;
  }

  table(i: number): Table {
    const given = this.at(i);
    return isTable(given)
      ? given
      : (this.kinds.at(i).fixed?.table ?? this.refuse(`input ${i} must be known before the graph runs`));
  }

  /** Places along an axis, of any type of whole numbers. */
  indices(i: number): Tensor {
    return cast(this.tensor(i), 'int32') as Tensor;
  }

  /** Sizes, axes and places that are known before the graph runs. */
  sizes(i: number): readonly number[] {
    return numbersOf(this.table(i));
  }

  refuse(why: string): never {
    return this.kinds.refuse(why);
  }
}
