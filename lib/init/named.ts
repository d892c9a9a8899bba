import { ArgumentError } from '../errors.js';
import { checkOneOf, checkPattern, checkString, shown } from '../support/check.js';
import type { Tensor } from '../tensor/tensor.js';
import { Kaiming, Xavier } from './fans.js';
import { type InitializedParameter, Initializer } from './initializer.js';
import { Orthogonal } from './orthogonal.js';
import { Normal, One, TruncatedNormal, Uniform, Zero } from './simple.js';

/**
 * Another initializer for each pattern, matched against parameters' paths, the first that matches first:
 * `new Mixed([[/bias$/, 'ones'], [/./, new Xavier()]])`. What a pattern names is filled whatever its role.
 */
export class Mixed extends Initializer {
  /** Pairs of a pattern of names and the initializer of the first that fits. */
  readonly rules: readonly (readonly [RegExp, Initializer])[];
  constructor(rules: readonly (readonly [RegExp | string, InitializerLike])[]) {
    super();
    if (!Array.isArray(rules))
      throw new ArgumentError(`Mixed takes an array of [pattern, initializer] pairs, but got ${shown(rules)}`);
    this.rules = [...rules].map((rule: unknown) => {
      if (!Array.isArray(rule) || rule.length !== 2)
        throw new ArgumentError(`Mixed takes [pattern, initializer] pairs, but got ${shown(rule)}`);
      const [pattern, initializer] = rule as [unknown, unknown];
      return [checkPattern('Mixed: a pattern', pattern), createInitializer('Mixed', initializer)] as const;
    });
  }
  #apply(name: string, data: Tensor, parameter: InitializedParameter): boolean {
    const path = checkString("Mixed: the parameter's path", (parameter as InitializedParameter | undefined)?.path);
    const rule = this.rules.find(([pattern]) => path.search(pattern) >= 0);
    rule?.[1].initWeight(name, data, parameter);
    return rule !== undefined;
  }
  override initWeight(name: string, data: Tensor, parameter: InitializedParameter): void {
    if (this.#apply(name, data, parameter)) return;
    throw new ArgumentError(
      `Mixed has no pattern for '${parameter.path}'; add one that matches everything, such as /./, at the end`,
    );
  }
  override initBias(name: string, data: Tensor, parameter: InitializedParameter): void {
    if (!this.#apply(name, data, parameter)) super.initBias(name, data, parameter);
  }
  override initGamma(name: string, data: Tensor, parameter: InitializedParameter): void {
    if (!this.#apply(name, data, parameter)) super.initGamma(name, data, parameter);
  }
  override initBeta(name: string, data: Tensor, parameter: InitializedParameter): void {
    if (!this.#apply(name, data, parameter)) super.initBeta(name, data, parameter);
  }
  override initRunningMean(name: string, data: Tensor, parameter: InitializedParameter): void {
    if (!this.#apply(name, data, parameter)) super.initRunningMean(name, data, parameter);
  }
  override initRunningVar(name: string, data: Tensor, parameter: InitializedParameter): void {
    if (!this.#apply(name, data, parameter)) super.initRunningVar(name, data, parameter);
  }
}

const named = {
  zeros: () => new Zero(),
  ones: () => new One(),
  uniform: () => new Uniform(),
  normal: () => new Normal(),
  xavier: () => new Xavier(),
  kaiming: () => new Kaiming(),
  truncatedNormal: () => new TruncatedNormal(),
  orthogonal: () => new Orthogonal(),
} as const;

export type InitializerName = keyof typeof named;
/** An initializer, or the name of one with its defaults. */
export type InitializerLike = Initializer | InitializerName;

/** The initializer that a user named or made. */
export function createInitializer(who: string, value: unknown): Initializer {
  if (value instanceof Initializer) return value;
  if (typeof value === 'string')
    return named[checkOneOf(`${who}: an initializer`, value, Object.keys(named) as InitializerName[])]();
  throw new ArgumentError(`${who} takes an init.Initializer or its name, but got ${shown(value)}`);
}
