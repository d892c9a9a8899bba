import { isDeepStrictEqual } from 'node:util';
import { ArgumentError } from '../errors.js';
import { full } from '../ops/create.js';
import type { FormAttrs, OnnxAttribute, OnnxGraph } from '../ops/own-form.js';
import { checkString, shown } from '../support/check.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';

/** A node or a constant of a form. */
type Addition =
  | {
      readonly type: string;
      readonly inputs: readonly string[];
      readonly attributes: Readonly<Record<string, OnnxAttribute>>;
    }
  | { readonly constant: Tensor };

function isAttribute(value: unknown): boolean {
  if (typeof value === 'string' || Number.isInteger(value)) return true;
  if (Array.isArray(value)) return value.every(Number.isInteger) || value.every(one => typeof one === 'string');
  return typeof value === 'object' && value !== null && typeof (value as { f?: unknown }).f === 'number';
}

/** Records a form, whose values are called by their places: '#0' is the first input. */
export class Form implements OnnxGraph {
  readonly additions: Addition[] = [];
  readonly result: string;
  private readonly who: string;

  constructor(
    private readonly count: number,
    { who, write }: FormAttrs,
  ) {
    this.who = who();
    this.result = this.#check(
      'the result',
      write(
        this,
        Array.from({ length: count }, (_, i) => `#${i}`),
      ),
    );
  }

  #add(addition: Addition): string {
    return `#${this.count + this.additions.push(addition) - 1}`;
  }

  #check(what: string, name: unknown): string {
    const place = typeof name === 'string' && name.startsWith('#') ? Number(name.slice(1)) : Number.NaN;
    if (Number.isInteger(place) && place >= 0 && place < this.count + this.additions.length) return name as string;
    throw new ArgumentError(
      `${this.who}: ${what} must be the name of a value of the graph: an input, or what node() or constant() answered; but got ${shown(name)}`,
    );
  }

  node(type: string, inputs: readonly string[], attributes: Readonly<Record<string, OnnxAttribute>> = {}): string {
    if (checkString(`${this.who}: the type of a node`, type) === '')
      throw new ArgumentError(`${this.who}: the type of a node cannot be empty`);
    if (!Array.isArray(inputs))
      throw new ArgumentError(`${this.who}: node('${type}') takes a list of names, but got ${shown(inputs)}`);
    for (const input of inputs) if (input !== '') this.#check(`an input of node('${type}')`, input);
    for (const [name, value] of Object.entries(attributes)) {
      if (isAttribute(value)) continue;
      throw new ArgumentError(
        `${this.who}: attribute '${name}' of node('${type}') takes a whole number, a float as { f: 0.5 }, a text, or a list of whole numbers or of texts, but got ${shown(value)}`,
      );
    }
    return this.#add({ type, inputs: [...inputs], attributes: { ...attributes } });
  }

  constant(value: Tensor | number): string {
    if (typeof value !== 'number' && !isTensor(value))
      throw new ArgumentError(`${this.who}: constant() takes a tensor or a number, but got ${shown(value)}`);
    return this.#add({ constant: typeof value === 'number' ? (full([], value) as Tensor) : value });
  }

  /** The additions by their content. */
  get content(): unknown {
    return [
      this.result,
      this.additions.map(one =>
        'constant' in one ? [one.constant.shape, one.constant.dtype, one.constant.toTypedArray()] : one,
      ),
    ];
  }
}

/** Whether two functions of so many inputs write the same. */
export function sameForm(count: number, a: FormAttrs, b: FormAttrs): boolean {
  return isDeepStrictEqual(new Form(count, a).content, new Form(count, b).content);
}
