import { checkBoolean, checkOptions, checkRange } from '../support/check.js';
import { checkBeta } from './adam.js';
import { NativeOptimizer, type RuleNumbers } from './native.js';
import { commonOptions, type OptimizerOptions } from './optimizer.js';

export interface RMSPropOptions extends OptimizerOptions {
  /** The share of the average that is kept; 0.99 by default. */
  rho?: number | undefined;
  /** 1e-8 by default. */
  epsilon?: number | undefined;
  /** 0 by default. */
  momentum?: number | undefined;
  /** Whether the gradient's average is taken from its square's; false by default. */
  centered?: boolean | undefined;
}

export const rmsPropOptions = [...commonOptions, 'rho', 'epsilon', 'momentum', 'centered'] as const;

/**
 * v = ρv + (1-ρ)g²;  d = g/(√v + ε), centered with max(v - a², 0) for v, where a = ρa + (1-ρ)g;  b = μb + d;  w -= rate·b, or
 * without momentum rate·d; g includes wd·w (Hinton 2012, Graves 2013; formulas as PyTorch's). Rate 0.01 by default.
 */
export class RMSProp extends NativeOptimizer {
  readonly rho: number;
  readonly epsilon: number;
  readonly momentum: number;
  readonly centered: boolean;
  protected readonly nativeRule = 'rmsprop';

  constructor(options?: RMSPropOptions) {
    const given = checkOptions('RMSProp', options, rmsPropOptions);
    super('RMSProp', given, 0.01, 0);
    this.rho = checkBeta('RMSProp: rho', given.rho ?? 0.99);
    this.epsilon = checkRange('RMSProp: epsilon', given.epsilon ?? 1e-8, 0, Number.MAX_VALUE);
    this.momentum = checkRange('RMSProp: momentum', given.momentum ?? 0, 0, 1);
    this.centered = checkBoolean('RMSProp: centered', given.centered ?? false);
  }

  protected override get settings() {
    return { rho: this.rho, epsilon: this.epsilon, momentum: this.momentum, centered: this.centered };
  }

  protected get kept(): readonly (number | null)[] {
    return [0, this.momentum > 0 ? 0 : null, this.centered ? 0 : null];
  }

  protected numbers(): RuleNumbers {
    return { beta2: this.rho, epsilon: this.epsilon, momentum: this.momentum };
  }
}

export interface AdagradOptions extends OptimizerOptions {
  /** The rate of step t, from 0, is rate/(1 + t·rateDecay); 0 by default. */
  rateDecay?: number | undefined;
  /** The first value of the sums of squares; 0 by default. */
  initialSum?: number | undefined;
  /** 1e-10 by default. */
  epsilon?: number | undefined;
}

export const adagradOptions = [...commonOptions, 'rateDecay', 'initialSum', 'epsilon'] as const;

/**
 * s = s + g²;  w -= rate·g/(√s + ε), where g includes wd·w (Duchi et al. 2011; formulas as PyTorch's). Rate 0.01 by
 * default. Without decay a step costs only the rows of a table that were looked up.
 */
export class Adagrad extends NativeOptimizer {
  readonly rateDecay: number;
  readonly initialSum: number;
  readonly epsilon: number;
  protected readonly nativeRule = 'adagrad';

  constructor(options?: AdagradOptions) {
    const given = checkOptions('Adagrad', options, adagradOptions);
    super('Adagrad', given, 0.01, 0);
    this.rateDecay = checkRange('Adagrad: rateDecay', given.rateDecay ?? 0, 0, Number.MAX_VALUE);
    this.initialSum = checkRange('Adagrad: initialSum', given.initialSum ?? 0, 0, Number.MAX_VALUE);
    this.epsilon = checkRange('Adagrad: epsilon', given.epsilon ?? 1e-10, 0, Number.MAX_VALUE);
  }

  protected override get settings() {
    return { rateDecay: this.rateDecay, initialSum: this.initialSum, epsilon: this.epsilon };
  }

  protected get kept(): readonly (number | null)[] {
    return [this.initialSum];
  }

  protected override leavesRest(decay: number): boolean {
    return decay === 0 && this.epsilon > 0;
  }

  protected override rateOf(rate: number, steps: number): number {
    return rate / (1 + steps * this.rateDecay);
  }

  protected numbers(): RuleNumbers {
    return { epsilon: this.epsilon };
  }
}

export interface AdadeltaOptions extends OptimizerOptions {
  /** The share of the averages that is kept; 0.9 by default. */
  rho?: number | undefined;
  /** 1e-6 by default. */
  epsilon?: number | undefined;
}

export const adadeltaOptions = [...commonOptions, 'rho', 'epsilon'] as const;

/**
 * v = ρv + (1-ρ)g²;  d = √(u + ε)/√(v + ε)·g;  u = ρu + (1-ρ)d²;  w -= rate·d, where g includes wd·w (Zeiler 2012;
 * formulas as PyTorch's). Rate 1 by default.
 */
export class Adadelta extends NativeOptimizer {
  readonly rho: number;
  readonly epsilon: number;
  protected readonly nativeRule = 'adadelta';
  protected readonly kept: readonly (number | null)[] = [0, 0];

  constructor(options?: AdadeltaOptions) {
    const given = checkOptions('Adadelta', options, adadeltaOptions);
    super('Adadelta', given, 1, 0);
    this.rho = checkBeta('Adadelta: rho', given.rho ?? 0.9);
    this.epsilon = checkRange('Adadelta: epsilon', given.epsilon ?? 1e-6, 0, Number.MAX_VALUE);
  }

  protected override get settings() {
    return { rho: this.rho, epsilon: this.epsilon };
  }

  protected numbers(): RuleNumbers {
    return { beta2: this.rho, epsilon: this.epsilon };
  }
}
