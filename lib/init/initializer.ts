import { ArgumentError } from '../errors.js';
import { full } from '../ops/create.js';
import { normal, uniform } from '../random/index.js';
import { shown } from '../support/check.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';

/** The properties of a parameter that its initializer may read. */
export interface InitializedParameter {
  /** The parameter's name. */
  readonly name: string;
  /** Its path in the net that was initialized, or its name. */
  readonly path: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** Its role: 'weight', 'bias' and so on. */
  readonly role: string;
}

/**
 * Fills new parameters with their first values. Extend it and override `initWeight` (and its siblings, chosen by the
 * parameter's role) to write your own: `data` comes filled with zeros, and is written with `copyFrom` or `set`. Random
 * functions called in it draw from the parameter's own stream, so that the values depend on the seed, the number of the
 * `initialize` call and the parameter's path alone.
 */
export class Initializer {
  /** Fills the data of a weight. */
  initWeight(name: string, _data: Tensor, _parameter: InitializedParameter): void {
    throw new ArgumentError(
      `${this.constructor.name} has no initWeight, which ${shown(name)} needs; define initWeight(name, data, parameter)`,
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

export function fill(data: Tensor, value: number): void {
  checkTensor('an initializer', data).copyFrom(full([...data.shape], value, { dtype: data.dtype }));
}

export type FloatType = 'float32' | 'float64';

export function fillUniform(data: Tensor, low: number, high: number): void {
  checkTensor('an initializer', data).copyFrom(uniform([...data.shape], { low, high, dtype: data.dtype as FloatType }));
}

export function fillNormal(data: Tensor, mean: number, std: number): void {
  checkTensor('an initializer', data).copyFrom(normal([...data.shape], { mean, std, dtype: data.dtype as FloatType }));
}
