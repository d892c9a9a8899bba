import { ArgumentError } from '../errors.js';
import { checkBoolean, checkOptions, checkRange } from '../support/check.js';
import { commonOptions, Optimizer, type OptimizerOptions, type RuleNumbers } from './optimizer.js';

export interface SGDOptions extends OptimizerOptions {
  /** 0 by default. */
  momentum?: number | undefined;
  /** Looks ahead by the momentum; false by default. */
  nesterov?: boolean | undefined;
}

/**
 * g = gradient + wd·w;  b = μ·b + g, beginning with g;  w -= rate·b, or with Nesterov rate·(g + μ·b). Formulas as PyTorch's.
 * Rate 0.01 by default.
 */
export class SGD extends Optimizer {
  readonly momentum: number;
  readonly nesterov: boolean;
  protected readonly rule = 'sgd';

  constructor(options?: SGDOptions) {
    const given = checkOptions('SGD', options, [...commonOptions, 'momentum', 'nesterov']);
    super('SGD', given, 0.01, 0);
    this.momentum = checkRange('SGD: momentum', given.momentum ?? 0, 0, 1);
    this.nesterov = checkBoolean('SGD: nesterov', given.nesterov ?? false);
    if (this.nesterov && this.momentum === 0) throw new ArgumentError('SGD: nesterov takes a momentum above 0');
  }

  protected get settings() {
    return { momentum: this.momentum, nesterov: this.nesterov };
  }

  protected get kept(): readonly (number | null)[] {
    return this.momentum > 0 ? [0] : [];
  }

  protected numbers(steps: number): RuleNumbers {
    return { momentum: this.momentum, nesterov: this.nesterov, firstStep: steps === 0 };
  }
}
