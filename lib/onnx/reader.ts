import { FormatError } from '../errors.js';
import { isFloat } from '../tensor/dtype.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import { type Attribute, AttributeType, type Node } from './schema.js';

/** Whole numbers that a graph computes shapes from: known whenever its forward runs, on shapes alone as well. */
export interface Longs {
  readonly longs: readonly number[];
  readonly isScalar: boolean;
}

/** No shape and no list of axes comes near so many; lists that are joined again and again must not grow without bound. */
export const MOST_SIZES = 4096;

/** What goes from node to node; null for an input that is left out. */
export type Given = Tensor | Longs | null;

export function areLongs(given: Given | undefined): given is Longs {
  return given !== null && given !== undefined && !isTensor(given);
}

/** Runs a node: from its inputs to its results. */
export type Run = (inputs: Inputs) => Given[];

/** Reads a node once, as a file is opened, and answers what runs it. */
export type Importer = (node: NodeReader) => Run;

const typeNames: Record<number, string> = Object.fromEntries(
  Object.entries(AttributeType).map(([name, type]) => [type, name]),
);

/** A node's attributes, each to be asked for: one that nobody asks for would be ignored. */
export class NodeReader {
  readonly #attributes = new Map<string, Attribute>();
  readonly #asked = new Set<string>();
  #results = 1;

  constructor(
    readonly node: Node,
    private readonly where: string,
  ) {
    for (const attribute of node.attribute) this.#attributes.set(attribute.name, attribute);
  }

  refuse(why: string): never {
    throw new FormatError(`${this.where}: ${why}`);
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
    const count = this.node.input.length;
    if (count < least || count > most)
      this.refuse(`takes ${least === most ? least : `${least} to ${most}`} inputs, but has ${count}`);
  }

  /** Raises for results beyond those that are known; one by default. */
  gives(most: number): void {
    this.#results = most;
  }

  /** Raises for what nobody asked for. */
  finish(): void {
    if (this.node.output.length > this.#results) this.refuse(`result ${this.#results} is not known`);
    for (const name of this.#attributes.keys())
      if (!this.#asked.has(name)) this.refuse(`attribute '${name}' is not known`);
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

/** What a node is run on. */
export class Inputs {
  constructor(
    private readonly given: readonly Given[],
    private readonly where: string,
  ) {}

  get count(): number {
    return this.given.length;
  }

  at(i: number): Given {
    return this.given[i] ?? null;
  }

  tensor(i: number): Tensor {
    const t = this.maybe(i);
    if (t === null) throw new FormatError(`${this.where}: input ${i} is missing`);
    return t;
  }

  maybe(i: number): Tensor | null {
    const given = this.at(i);
    if (areLongs(given)) throw new FormatError(`${this.where}: input ${i} holds sizes, where a tensor belongs`);
    return given;
  }

  /** For operators whose answer for integers is another than ours. */
  floats(i: number): Tensor {
    const t = this.tensor(i);
    if (!isFloat(t.dtype))
      this.refuse(`input ${i} is ${t.dtype}, and only floats are known; cast it to a float type before`);
    return t;
  }

  longs(i: number): readonly number[] {
    const given = this.at(i);
    if (areLongs(given)) return given.longs;
    throw new FormatError(
      `${this.where}: input ${i} must be known before the graph runs: a constant, or made from shapes`,
    );
  }

  refuse(why: string): never {
    throw new FormatError(`${this.where}: ${why}`);
  }
}
