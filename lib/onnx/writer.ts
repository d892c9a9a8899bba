import { ValueError } from '../errors.js';
import { fromTypedArray } from '../ops/create.js';
import type { OnnxAttribute } from '../ops/own-form.js';
import { type DType, isFloat, newTypedArray } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { dataTypeOf, elementsOf, longs, tensorHead } from './elements.js';
import { SizeDependent } from './free-graph.js';
import { type Attribute, AttributeType, DataType, type Init, type Node, type TensorData } from './schema.js';
import { isKnown, known, measured, type OpenSizes, plus, type Size, sameSize, type Term } from './sizes.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function attributeOf(name: string, value: OnnxAttribute): Init<Attribute> {
  if (typeof value === 'number') return { name, i: BigInt(value), type: AttributeType.int };
  if (typeof value === 'string') return { name, s: bytes(value), type: AttributeType.string };
  if ('f' in value) {
    // A file holds float32.
    if (Number.isFinite(value.f) !== Number.isFinite(Math.fround(value.f)))
      throw new ValueError(`${name} is ${value.f}, which a file's numbers, of float32, do not reach`);
    return { name, f: value.f, type: AttributeType.float };
  }
  if (typeof value[0] === 'string')
    return { name, strings: (value as readonly string[]).map(bytes), type: AttributeType.strings };
  return { name, ints: (value as readonly number[]).map(BigInt), type: AttributeType.ints };
}

/** Where a slice ends that goes to the end: the format takes any number beyond it. */
export const TO_THE_END = 2 ** 31 - 1;

/** Constants of so many elements are compared with one another. */
const SHARED = 1024;

/** A tensor that the file keeps by name: what training changes. */
export interface Initializer {
  readonly name: string;
  readonly tensor: Tensor;
}

/** Puts a graph together node by node. Values go by their names. */
export class GraphWriter {
  readonly nodes: { -readonly [K in keyof Init<Node>]: Init<Node>[K] }[] = [];
  readonly initializers: Initializer[] = [];
  readonly #taken = new Set<string>();
  readonly #constants = new Map<string, string>();
  /** How the names of what is written now begin. */
  scope = '';
  /** The block or operation that is written now, for messages. */
  owner: unknown = null;
  /** Open sizes and their products. */
  readonly #shared = new Map<string, string>();

  /** The axis of a value that has a size, for each that is open. */
  readonly #offers = new Map<string, { readonly of: string; readonly axis: number }>();

  constructor(private readonly open: OpenSizes) {}

  /** The name itself, or with a number where it is another's already. */
  unique(wanted: string): string {
    let name = wanted;
    for (let i = 1; this.#taken.has(name); i++) name = `${wanted}_${i}`;
    this.#taken.add(name);
    return name;
  }

  /** The domains of nodes that are none of the format's own. */
  readonly domains = new Set<string>();

  /**
   * Adds a node; answers the name of its result. '' stands for an input that is left out; `type` may begin with a domain, as in
   * 'com.example::Twist'.
   */
  node(type: string, inputs: readonly string[], attributes: Readonly<Record<string, OnnxAttribute>> = {}): string {
    return this.results(type, 1, inputs, attributes)[0] as string;
  }

  /** The same for several results. */
  results(
    type: string,
    count: number,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string[] {
    const [opType = '', domain = ''] = type.split('::').reverse();
    if (domain !== '') this.domains.add(domain);
    const name = this.unique(this.scope === '' ? opType : `${this.scope}.${opType}`);
    const output = Array.from({ length: count }, (_, i) => (i === 0 ? name : this.unique(`${name}.${i}`)));
    let given = inputs.length;
    while (given > 0 && inputs[given - 1] === '') given--;
    this.nodes.push({
      name,
      opType,
      domain,
      input: inputs.slice(0, given),
      output,
      attribute: Object.entries(attributes).map(([key, value]) => attributeOf(key, value)),
    });
    return output;
  }

  /** A tensor that the file keeps beside the graph, under a name of its own. */
  initializer(name: string, tensor: Tensor): string {
    const taken = this.unique(name);
    this.initializers.push({ name: taken, tensor });
    return taken;
  }

  /** A tensor that is part of the graph; equal ones are one. */
  constant(t: Tensor): string {
    const rawData = elementsOf(t);
    const content = t.size <= SHARED ? Buffer.from(rawData).toString('base64') : null;
    return this.#constant({ ...tensorHead(t), rawData }, content);
  }

  /** One number throughout a shape, a scalar by default. */
  filled(value: number, dtype: DType, shape: readonly number[] = []): string {
    return this.constant(fromTypedArray(shape, dtype, newTypedArray(dtype, sizeOf(shape)).fill(value)));
  }

  /** Whole numbers as sizes, axes and places are given. */
  list(values: readonly number[]): string {
    const rawData = longs(values);
    const data = { dims: [BigInt(values.length)], dataType: DataType.int64, rawData };
    return this.#constant(data, Buffer.from(rawData).toString('base64'));
  }

  /** Numbers that may depend on open sizes, as a list. */
  sizes(values: readonly Size[]): string {
    const parts: string[] = [];
    let before: number[] = [];
    const flush = (): void => {
      if (before.length > 0) parts.push(this.list(before));
      before = [];
    };
    for (const size of values) {
      if (isKnown(size)) {
        before.push(size.at[0] as number);
        continue;
      }
      flush();
      parts.push(this.#sum(size, true, n => this.list([n])));
    }
    if (parts.length === 0) return this.list(before);
    flush();
    return parts.length === 1 ? (parts[0] as string) : this.node('Concat', parts, { axis: 0 });
  }

  /** A number that may depend on open sizes, as a scalar of such a type. */
  number(size: Size, dtype: DType): string {
    if (isKnown(size)) return this.filled(size.at[0] as number, dtype);
    const cast = (list: string) => this.node('Cast', [this.node('Squeeze', [list])], { to: dataTypeOf(dtype) });
    return this.#sum(size, false, n => this.filled(n, dtype), cast);
  }

  /** start, start + step and so on: so many numbers. */
  counted(count: Size, start: Size, step: number, dtype: DType): string {
    // Sums are taken of int32 and floats alone.
    const type = isFloat(dtype) ? dtype : 'int32';
    const steps = this.node('Expand', [this.filled(step, type), this.sizes([count])]);
    const sums = this.node('CumSum', [steps, this.filled(0, 'int32')]);
    const before = plus(start, known(-step));
    const numbers = sameSize(before, known(0)) ? sums : this.node('Add', [sums, this.number(before, type)]);
    return type === dtype ? numbers : this.node('Cast', [numbers], { to: dataTypeOf(dtype) });
  }

  /** Tells of an axis that has a size. */
  offer(size: Size, of: string, axis: number): void {
    const key = size.at.join();
    if (!isKnown(size) && !this.#offers.has(key)) this.#offers.set(key, { of, axis });
  }

  #sum(size: Size, whole: boolean, number: (n: number) => string, as = (list: string) => list): string {
    const terms = this.open.terms(size, whole);
    if (terms === null) return as(this.#read(size));
    const last = (term: Term): number => Number(term.open.length === 0);
    const parts = terms
      .toSorted((a, b) => last(a) - last(b))
      .map(({ factor, open }) => {
        if (open.length === 0) return number(factor);
        const product = as(this.#product(open));
        return factor === 1 ? product : this.node('Mul', [product, number(factor)]);
      });
    return parts.reduce((sum, part) => this.node('Add', [sum, part]));
  }

  /** The product of open sizes, as a list of one. */
  #product(open: readonly number[]): string {
    const [last = 0, ...others] = open.toReversed();
    return this.#once(open.join(), () =>
      others.length === 0
        ? this.#read(measured(this.open.points.map(point => point[last] as number)))
        : this.node('Mul', [this.#product(others.reverse()), this.#product([last])]),
    );
  }

  /** A size of a value, as a list of one. */
  #read(size: Size): string {
    const offer = this.#offers.get(size.at.join());
    if (offer === undefined)
      throw new SizeDependent('takes a number that is no sum of products of open sizes', this.owner);
    const { of, axis } = offer;
    return this.#once(`${of}: ${axis}`, () => this.node('Shape', [of], { start: axis, end: axis + 1 }));
  }

  /** A node of the graph itself, written when it is first asked for. */
  #once(key: string, write: () => string): string {
    let name = this.#shared.get(key);
    if (name === undefined) {
      const { scope } = this;
      this.scope = '';
      name = write();
      this.scope = scope;
      this.#shared.set(key, name);
    }
    return name;
  }

  /** Has a value that a node gives go by another name. */
  rename(from: string, to: string): void {
    const renamed = (name: string): string => (name === from ? to : name);
    for (const node of this.nodes) {
      node.input = (node.input ?? []).map(renamed);
      node.output = (node.output ?? []).map(renamed);
    }
  }

  #constant(data: Init<TensorData>, content: string | null): string {
    const key = content === null ? null : `${data.dataType} ${(data.dims ?? []).join(' ')}: ${content}`;
    const known = key === null ? undefined : this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.unique('constant');
    this.nodes.push({
      name,
      opType: 'Constant',
      input: [],
      output: [name],
      attribute: [{ name: 'value', t: data, type: AttributeType.tensor }],
    });
    if (key !== null) this.#constants.set(key, name);
    return name;
  }
}
