import { ArgumentError } from '../errors.js';
import { checkBoolean, checkOptions, checkRange } from '../support/check.js';
import { NativeOptimizer, type RuleNumbers } from './native.js';
import { commonOptions, type OptimizerOptions } from './optimizer.js';

export interface AdamOptions extends OptimizerOptions {
  /** 0.9 by default. */
  beta1?: number | undefined;
  /** 0.999 by default. */
  beta2?: number | undefined;
  /** 1e-8 by default (LAMB: 1e-6). */
  epsilon?: number | undefined;
}

export const adamOptions = [...commonOptions, 'beta1', 'beta2', 'epsilon'] as const;

/** A share that an average keeps: from 0, below 1. */
export function checkBeta(who: string, value: number): number {
  if (checkRange(who, value, 0, 1) === 1) throw new ArgumentError(`${who} takes a number below 1, but got 1`);
  return value;
}

interface Defaults {
  readonly learningRate: number;
  readonly weightDecay?: number;
  readonly epsilon?: number;
}

/** Optimizers that step along an average of the gradients, divided by an average of their sizes. */
abstract class AdamFamily extends NativeOptimizer {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  protected readonly kept: readonly (number | null)[] = [0, 0];

  constructor(who: string, given: AdamOptions, { learningRate, weightDecay = 0, epsilon = 1e-8 }: Defaults) {
    super(who, given, learningRate, weightDecay);
    this.beta1 = checkBeta(`${who}: beta1`, given.beta1 ?? 0.9);
    this.beta2 = checkBeta(`${who}: beta2`, given.beta2 ?? 0.999);
    this.epsilon = checkRange(`${who}: epsilon`, given.epsilon ?? epsilon, 0, Number.MAX_VALUE);
  }

  protected override get settings(): Readonly<Record<string, number | boolean>> {
    return { beta1: this.beta1, beta2: this.beta2, epsilon: this.epsilon };
  }

  /** Averages that began with 0 are too small by these factors. */
  protected numbers(steps: number): RuleNumbers {
    const { beta1, beta2, epsilon } = this;
    return {
      beta1,
      beta2,
      epsilon,
      correction1: 1 - beta1 ** (steps + 1),
      correction2: 1 - beta2 ** (steps + 1),
    };
  }
}

export interface LazyAdamOptions extends AdamOptions {
  /**
   * Leaves rows of a table alone, with their averages and decay, in steps whose look-ups did not touch them (as Gluon's
   * `lazy_update` and PyTorch's SparseAdam); false by default.
   */
  lazyUpdate?: boolean | undefined;
}

export const lazyAdamOptions = [...adamOptions, 'lazyUpdate'] as const;

/**
 * m = β₁m + (1-β₁)g;  v = β₂v + (1-β₂)g²;  w -= rate·m̂/(√v̂ + ε) with m̂ = m/(1-β₁ᵗ), v̂ = v/(1-β₂ᵗ), where g includes
 * wd·w (Kingma and Ba 2015; formulas as PyTorch's). Rate 0.001 by default.
 */
export class Adam extends AdamFamily {
  readonly lazyUpdate: boolean;
  protected readonly nativeRule = 'adam';

  constructor(options?: LazyAdamOptions) {
    const given = checkOptions('Adam', options, lazyAdamOptions);
    super('Adam', given, { learningRate: 0.001 });
    this.lazyUpdate = checkBoolean('Adam: lazyUpdate', given.lazyUpdate ?? false);
  }

  protected override get settings(): Readonly<Record<string, number | boolean>> {
    return { ...super.settings, ...(this.lazyUpdate && { lazyUpdate: true }) };
  }

  protected override leavesRest(): boolean {
    return this.lazyUpdate;
  }
}

/** Adam with decay apart from the gradient: w -= rate·wd·w first (Loshchilov and Hutter 2019). Decay 0.01 by default. */
export class AdamW extends AdamFamily {
  protected readonly nativeRule = 'adam';

  constructor(options?: AdamOptions) {
    super('AdamW', checkOptions('AdamW', options, adamOptions), { learningRate: 0.001, weightDecay: 0.01 });
  }

  protected override numbers(steps: number): RuleNumbers {
    return { ...super.numbers(steps), decoupled: true };
  }
}

/**
 * m as Adam's;  u = max(β₂u, |g| + ε);  w -= rate/(1-β₁ᵗ)·m/u, where g includes wd·w (Kingma and Ba 2015; formulas as
 * PyTorch's). Rate 0.002 by default.
 */
export class Adamax extends AdamFamily {
  protected readonly nativeRule = 'adamax';

  constructor(options?: AdamOptions) {
    super('Adamax', checkOptions('Adamax', options, adamOptions), { learningRate: 0.002 });
  }
}

export interface LAMBOptions extends AdamOptions {
  /** The least length of a weight that its step is in proportion to; 0 by default. */
  lowerBound?: number | undefined;
  /** The most; Infinity by default. */
  upperBound?: number | undefined;
}

export const lambOptions = [...adamOptions, 'lowerBound', 'upperBound'] as const;

/**
 * d = m̂/(√v̂ + ε) + wd·w with m̂ and v̂ as Adam's;  w -= rate·|w|/|d|·d for each parameter, |w| within the bounds, and the
 * quotient 1 where a length is 0 (You et al. 2020; formulas as Gluon's). Rate 0.001 by default.
 */
export class LAMB extends AdamFamily {
  readonly lowerBound: number;
  readonly upperBound: number;
  protected readonly nativeRule = 'lamb';

  constructor(options?: LAMBOptions) {
    const given = checkOptions('LAMB', options, lambOptions);
    super('LAMB', given, { learningRate: 0.001, epsilon: 1e-6 });
    this.lowerBound = checkRange('LAMB: lowerBound', given.lowerBound ?? 0, 0, Number.MAX_VALUE);
    this.upperBound = checkRange('LAMB: upperBound', given.upperBound ?? Infinity, this.lowerBound, Infinity);
  }

  protected override get settings(): Readonly<Record<string, number | boolean>> {
    return { ...super.settings, lowerBound: this.lowerBound, upperBound: this.upperBound };
  }

  protected override numbers(steps: number): RuleNumbers {
    return { ...super.numbers(steps), decoupled: true, leastRatio: this.lowerBound, mostRatio: this.upperBound };
  }
}
