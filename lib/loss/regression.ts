import { ArgumentError } from '../errors.js';
import { add, div, mul, sub } from '../ops/binary.js';
import { greater } from '../ops/compare.js';
import { labelProduct } from '../ops/labels.js';
import { checkedRates } from '../ops/range.js';
import { where } from '../ops/select.js';
import { abs, exp, log, square } from '../ops/unary.js';
import { checkBoolean, checkOptions, checkRange } from '../support/check.js';
import type { Tensor } from '../tensor/tensor.js';
import { common, Loss, type LossOptions } from './loss.js';

/** (pred - label)² / 2. */
export class L2 extends Loss {
  constructor(options?: LossOptions) {
    super('L2', checkOptions('L2', options, common));
  }
  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = this.aligned('L2', pred, label, sampleWeight);
    return this.reduce(square(sub(x, z)), sampleWeight, 0.5);
  }
}

/** |pred - label|. */
export class L1 extends Loss {
  constructor(options?: LossOptions) {
    super('L1', checkOptions('L1', options, common));
  }
  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = this.aligned('L1', pred, label, sampleWeight);
    return this.reduce(abs(sub(x, z)), sampleWeight);
  }
}

export interface HuberOptions extends LossOptions {
  /** Where the square becomes a line; 1 by default. */
  rho?: number | undefined;
}

/** d²/(2ρ) where d = |pred - label| is at most ρ, else d - ρ/2. */
export class Huber extends Loss {
  readonly rho: number;

  constructor(options?: HuberOptions) {
    const given = checkOptions('Huber', options, [...common, 'rho']);
    super('Huber', given);
    this.rho = checkRange('Huber: rho', given.rho ?? 1, 0, Number.MAX_VALUE);
    if (this.rho === 0) throw new ArgumentError('Huber: rho takes a number above 0, but got 0');
  }

  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = this.aligned('Huber', pred, label, sampleWeight);
    const d: Tensor = abs(sub(x, z));
    return this.reduce(where(greater(d, this.rho), sub(d, this.rho / 2), div(square(d), 2 * this.rho)), sampleWeight);
  }
}

export interface PoissonNLLOptions extends LossOptions {
  /** Whether predictions are logarithms of the rates (default), rather than the rates. */
  fromLogits?: boolean | undefined;
  /** Whether Stirling's approximation of ln label! is added where labels are above 1; false by default. */
  computeFull?: boolean | undefined;
  /** Keeps the logarithm of a rate of 0 finite; 1e-8 by default. */
  epsilon?: number | undefined;
}

/**
 * e^pred - label·pred, or of rates pred - label·ln(pred + ε): a Poisson distribution's -ln p(label) but for ln label!. A
 * label or a rate below 0 raises ValueError.
 */
export class PoissonNLL extends Loss {
  readonly fromLogits: boolean;
  readonly computeFull: boolean;
  readonly epsilon: number;

  constructor(options?: PoissonNLLOptions) {
    const given = checkOptions('PoissonNLL', options, [...common, 'fromLogits', 'computeFull', 'epsilon']);
    super('PoissonNLL', given);
    this.fromLogits = checkBoolean('PoissonNLL: fromLogits', given.fromLogits ?? true);
    this.computeFull = checkBoolean('PoissonNLL: computeFull', given.computeFull ?? false);
    this.epsilon = checkRange('PoissonNLL: epsilon', given.epsilon ?? 1e-8, 0, Number.MAX_VALUE);
  }

  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = this.aligned('PoissonNLL', pred, label, sampleWeight);
    const hint = 'for logarithms of rates leave fromLogits: false out';
    const rate: Tensor = this.fromLogits ? exp(x) : checkedRates('PoissonNLL', x, hint);
    const logs: Tensor = this.fromLogits ? x : log(add(rate, this.epsilon));
    const plain: Tensor = sub(rate, labelProduct(logs, z, counts));
    return this.reduce(this.computeFull ? add(plain, stirling(z)) : plain, sampleWeight);
  }
}

const counts = { who: 'PoissonNLL', low: 0, high: Infinity, takes: 'labels from 0' } as const;

/** z·ln z - z + ln(2πz)/2 where z is above 1, else 0. */
function stirling(z: Tensor): Tensor {
  const isMany = greater(z, 1);
  const safe: Tensor = where(isMany, z, 1);
  const approximation = add(sub(mul(safe, log(safe)), safe), mul(log(mul(safe, 2 * Math.PI)), 0.5));
  return where(isMany, approximation, 0);
}
