import { ArgumentError, ShapeError } from '../errors.js';
import { full } from '../ops/create.js';
import { normal, uniform } from '../random/index.js';
import { checkNumber, checkOneOf, checkOptions, checkRange, checkString, shown, shownShape } from '../support/check.js';
import type { Tensor } from '../tensor/tensor.js';

/** What an initializer may read of the parameter that it fills. */
export interface InitializedParameter {
  readonly name: string;
  readonly path: string;
  readonly shape: readonly number[];
  readonly role: string;
}

/**
 * Fills new parameters with their first values. Extend it and override `initWeight` (and its siblings, chosen by the
 * parameter's role) to write your own: `data` comes filled with zeros, and is written with `copyFrom` or `set`. Random
 * functions called in it draw from the parameter's own stream, so that the values depend on the seed, the number of the
 * `initialize` call and the parameter's path alone.
 */
export class Initializer {
  initWeight(name: string, _data: Tensor, _parameter: InitializedParameter): void {
    throw new ArgumentError(
      `${this.constructor.name} has no initWeight, which '${name}' needs; define initWeight(name, data, parameter)`,
    );
  }
  /** Zeros. */
  initBias(_name: string, data: Tensor, _parameter: InitializedParameter): void {
    fill(data, 0);
  }
  /** Ones. */
  initGamma(_name: string, data: Tensor, _parameter: InitializedParameter): void {
    fill(data, 1);
  }
  /** Zeros. */
  initBeta(_name: string, data: Tensor, _parameter: InitializedParameter): void {
    fill(data, 0);
  }
  /** Zeros. */
  initRunningMean(_name: string, data: Tensor, _parameter: InitializedParameter): void {
    fill(data, 0);
  }
  /** Ones. */
  initRunningVar(_name: string, data: Tensor, _parameter: InitializedParameter): void {
    fill(data, 1);
  }
}

function fill(data: Tensor, value: number): void {
  data.copyFrom(full([...data.shape], value, { dtype: data.dtype }));
}

type FloatType = 'float32' | 'float64';

function fillUniform(data: Tensor, low: number, high: number): void {
  data.copyFrom(uniform([...data.shape], { low, high, dtype: data.dtype as FloatType }));
}

function fillNormal(data: Tensor, mean: number, std: number): void {
  data.copyFrom(normal([...data.shape], { mean, std, dtype: data.dtype as FloatType }));
}

/** One value throughout. */
export class Constant extends Initializer {
  readonly value: number;
  constructor(value: number) {
    super();
    this.value = checkNumber('Constant', value);
  }
  override initWeight(_name: string, data: Tensor): void {
    fill(data, this.value);
  }
}

/** Zeros. */
export class Zero extends Constant {
  constructor() {
    super(0);
  }
}

/** Ones. */
export class One extends Constant {
  constructor() {
    super(1);
  }
}

/** Uniform in [-scale, scale); scale 0.07 by default, as in Gluon. */
export class Uniform extends Initializer {
  readonly scale: number;
  constructor(scale = 0.07) {
    super();
    this.scale = checkRange('Uniform: scale', scale, 0, Number.MAX_VALUE);
  }
  override initWeight(_name: string, data: Tensor): void {
    fillUniform(data, -this.scale, this.scale);
  }
}

/** Normal with mean 0; standard deviation 0.01 by default, as in Gluon. */
export class Normal extends Initializer {
  readonly sigma: number;
  constructor(sigma = 0.01) {
    super();
    this.sigma = checkRange('Normal: sigma', sigma, 0, Number.MAX_VALUE);
  }
  override initWeight(_name: string, data: Tensor): void {
    fillNormal(data, 0, this.sigma);
  }
}

export interface XavierOptions {
  /** Which distribution; 'uniform' by default. */
  rndType?: 'uniform' | 'gaussian' | undefined;
  /** Which fan to divide by: the mean of both ('avg', default), that of the inputs or of the outputs. */
  factorType?: 'avg' | 'in' | 'out' | undefined;
  /** 3 by default. */
  magnitude?: number | undefined;
}

/**
 * Scale s = √(magnitude / fan), drawn uniformly from [-s, s) or normally with deviation s, where the fans of a weight
 * [out, in, ...kernel] are in·kernel and out·kernel (Glorot and Bengio 2010; options and defaults as Gluon's).
 */
export class Xavier extends Initializer {
  readonly rndType: 'uniform' | 'gaussian';
  readonly factorType: 'avg' | 'in' | 'out';
  readonly magnitude: number;
  constructor(options?: XavierOptions) {
    super();
    const {
      rndType = 'uniform',
      factorType = 'avg',
      magnitude = 3,
    } = checkOptions('Xavier', options, ['rndType', 'factorType', 'magnitude']);
    this.rndType = checkOneOf('Xavier: rndType', rndType, ['uniform', 'gaussian']);
    this.factorType = checkOneOf('Xavier: factorType', factorType, ['avg', 'in', 'out']);
    this.magnitude = checkRange('Xavier: magnitude', magnitude, 0, Number.MAX_VALUE);
  }
  override initWeight(name: string, data: Tensor): void {
    const [outputs, inputs, ...kernel] = data.shape;
    if (outputs === undefined || inputs === undefined) {
      throw new ShapeError(
        `${this.constructor.name} takes a weight of two dimensions or more, but '${name}' has shape ${shownShape(data.shape)}`,
      );
    }
    const area = kernel.reduce((a, b) => a * b, 1);
    const fan = { in: inputs * area, out: outputs * area, avg: ((inputs + outputs) * area) / 2 }[this.factorType];
    const scale = Math.sqrt(this.magnitude / fan);
    if (this.rndType === 'uniform') fillUniform(data, -scale, scale);
    else fillNormal(data, 0, scale);
  }
}

export interface KaimingOptions {
  /** As Xavier's; 'avg' by default. */
  factorType?: 'avg' | 'in' | 'out' | undefined;
  /** The slope of the PReLU behind the layer; 0.25 by default, 0 for ReLU. */
  slope?: number | undefined;
}

/** Xavier with gaussian numbers and magnitude 2 / (1 + slope²) (He et al. 2015; Gluon's MSRAPrelu). */
export class Kaiming extends Xavier {
  constructor(options?: KaimingOptions) {
    const { factorType = 'avg', slope = 0.25 } = checkOptions('Kaiming', options, ['factorType', 'slope']);
    checkNumber('Kaiming: slope', slope);
    super({ rndType: 'gaussian', factorType, magnitude: 2 / (1 + slope * slope) });
  }
}

/**
 * Another initializer for each pattern, matched against parameters' paths, the first that matches first:
 * `new Mixed([[/bias$/, 'ones'], [/./, new Xavier()]])`. What a pattern names is filled whatever its role.
 */
export class Mixed extends Initializer {
  readonly rules: readonly (readonly [RegExp, Initializer])[];
  constructor(rules: readonly (readonly [RegExp | string, InitializerLike])[]) {
    super();
    if (!Array.isArray(rules))
      throw new ArgumentError(`Mixed takes an array of [pattern, initializer] pairs, but got ${shown(rules)}`);
    this.rules = rules.map((rule: unknown) => {
      if (!Array.isArray(rule) || rule.length !== 2)
        throw new ArgumentError(`Mixed takes [pattern, initializer] pairs, but got ${shown(rule)}`);
      const [pattern, initializer] = rule as [unknown, unknown];
      return [
        pattern instanceof RegExp ? pattern : new RegExp(checkString('Mixed: a pattern', pattern)),
        createInitializer('Mixed', initializer),
      ] as const;
    });
  }
  #apply(name: string, data: Tensor, parameter: InitializedParameter): boolean {
    const rule = this.rules.find(([pattern]) => parameter.path.search(pattern) >= 0);
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
