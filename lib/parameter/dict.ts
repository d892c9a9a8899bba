import { inspect } from 'node:util';
import type { GradReq } from '../autograd/tape.js';
import { ArgumentError } from '../errors.js';
import { checkFunction, checkString, shown } from '../support/check.js';
import { type InitializeOptions, initializeParameters } from './initialize.js';
import { type Parameter, parameterInternals } from './parameter.js';
import { type LoadParametersOptions, loadFromFile, saveToFile } from './persist.js';

/** Attributes that can be set on many parameters at once. */
export type ParameterAttribute = 'lrMult' | 'wdMult' | 'gradReq';

/** As a tensor's. */
const { 'A ParameterDict, whose file made by save() can be sent,': cannotBeCloned } = {
  'A ParameterDict, whose file made by save() can be sent,'() {},
};

/** Parameters by path, in the order of their blocks; prints as Gluon's. */
export class ParameterDict {
  /** @internal */
  readonly cloned: () => void = cannotBeCloned;
  readonly #entries: ReadonlyMap<string, Parameter>;
  readonly #prefix: string;
  readonly #who: string;
  readonly #pattern: string | null;
  /** Where the pattern was looked for. */
  readonly #all: ReadonlyMap<string, Parameter>;

  /**
   * With a pattern, its entries are those whose path matches.
   * @internal
   */
  constructor(prefix: string, who: string, all: ReadonlyMap<string, Parameter>, pattern?: RegExp) {
    this.#prefix = prefix;
    this.#who = who;
    this.#pattern = pattern === undefined ? null : String(pattern);
    this.#all = all;
    this.#entries = pattern === undefined ? all : new Map([...all].filter(([path]) => path.search(pattern) >= 0));
  }

  /** The number of parameters. */
  get size(): number {
    return this.#entries.size;
  }

  /** The paths of the parameters, in the order of the net. */
  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  /** The parameters, in the order of the net. */
  values(): IterableIterator<Parameter> {
    return this.#entries.values();
  }

  /** Pairs of path and parameter, in the order of the net. */
  entries(): IterableIterator<[string, Parameter]> {
    return this.#entries.entries();
  }

  [Symbol.iterator](): IterableIterator<[string, Parameter]> {
    return this.#entries.entries();
  }

  /** Calls back with each parameter and its path. */
  forEach(callback: (parameter: Parameter, path: string) => void): void {
    checkFunction('ParameterDict.forEach', callback);
    this.#entries.forEach((parameter, path) => {
      callback(parameter, path);
    });
  }

  /** Whether there is a parameter of such a path. */
  has(key: string): boolean {
    return this.#find(key) !== undefined;
  }

  /** The parameter of that path or display name. Raises when there is none. */
  get(key: string): Parameter {
    const found = this.#find(checkString('ParameterDict.get', key));
    if (found === undefined) {
      throw new ArgumentError(
        `${this.#who} has no parameter '${key}'; it has ${[...this.#entries.keys()].join(', ') || 'none'}`,
      );
    }
    return found;
  }

  /**
   * Raises where a pattern has found nothing: what was to be done would be done to nothing, in silence.
   * @internal
   */
  checkFound(what: string): this {
    if (this.#pattern === null || this.#entries.size > 0) return this;
    const paths = [...this.#all.keys()];
    const listed =
      paths.length > 12 ? `${paths.slice(0, 12).join(', ')} and ${paths.length - 12} more` : paths.join(', ');
    throw new ArgumentError(
      `${this.#who}.collectParams(${this.#pattern}) found no parameter ${what}; there are ${listed || 'none at all'}`,
    );
  }

  #find(key: string): Parameter | undefined {
    return this.#entries.get(key) ?? [...this.#entries.values()].find(parameter => parameter.name === key);
  }

  /** As Block's `initialize`, for these parameters. */
  initialize(options?: InitializeOptions): void {
    initializeParameters(this.#who, this.checkFound('to initialize').#entries, options);
  }

  /** Sets all gradients to zeros. */
  zeroGrad(): void {
    for (const parameter of this.checkFound('whose gradient is to be 0').values()) parameter.zeroGrad();
  }

  /**
   * Sets an attribute on each. `setAttr('gradReq', 'null')` freezes them, running statistics with the rest, which then stay as
   * they are in training; 'write' or 'add' lets them go on. `setAttr('lrMult', 0)` keeps optimizers from changing them. Raises
   * where a pattern has found none.
   */
  setAttr<K extends ParameterAttribute>(name: K, value: Parameter[K]): void {
    if (!['lrMult', 'wdMult', 'gradReq'].includes(name)) {
      throw new ArgumentError(`setAttr takes 'lrMult', 'wdMult' or 'gradReq', but got ${shown(name)}`);
    }
    for (const parameter of this.checkFound(`to set ${name} of`).values()) {
      if (name === 'gradReq') parameterInternals.train(parameter, value as GradReq);
      else parameter[name] = value;
    }
  }

  /** Writes all values to a safetensors file, whole or not at all. */
  save(path: string): void {
    saveToFile({ who: this.#who, parameters: this.checkFound('to save').#entries }, 'save', path);
  }

  /** Reads all values from a safetensors file, also before shapes are known; all or nothing. */
  load(path: string, options?: LoadParametersOptions): void {
    loadFromFile({ who: this.#who, parameters: this.checkFound('to load').#entries }, 'load', path, options);
  }

  toString(): string {
    return `${this.#prefix} (\n${[...this.#entries.values()].map(parameter => `  ${parameter}\n`).join('')})`;
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
