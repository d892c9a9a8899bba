import { ArgumentError } from '../errors.js';
import { checkBoolean, checkOptions, checkRange } from '../support/check.js';
import { NativeOptimizer, type RuleNumbers } from './native.js';
import { commonOptions, type OptimizerOptions } from './optimizer.js';

export interface SGDOptions extends OptimizerOptions {
  /** 0 by default. */
  momentum?: number | undefined;
  /** Looks ahead by the momentum; false by default. */
  nesterov?: boolean | undefined;
  /**
   * Leaves rows of a table alone, with their momentum and decay, in steps whose look-ups did not touch them (as Gluon's
   * `lazy_update`); false by default. Without momentum and decay it changes nothing: such rows stay as they are anyway.
   */
  lazyUpdate?: boolean | undefined;
}

export const sgdOptions = [...commonOptions, 'momentum', 'nesterov', 'lazyUpdate'] as const;

/**
 * g = gradient + wd·w;  b = μ·b + g, beginning with g;  w -= rate·b, or with Nesterov rate·(g + μ·b). Formulas as PyTorch's.
 * Rate 0.01 by default. Without momentum and decay a step costs only the rows of a table that were looked up.
 */
export class SGD extends NativeOptimizer {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly lazyUpdate: boolean;
  protected readonly nativeRule = 'sgd';

  constructor(options?: SGDOptions) {
    const given = checkOptions('SGD', options, sgdOptions);
    super('SGD', given, 0.01, 0);
    this.momentum = checkRange('SGD: momentum', given.momentum ?? 0, 0, 1);
    this.nesterov = checkBoolean('SGD: nesterov', given.nesterov ?? false);
    this.lazyUpdate = checkBoolean('SGD: lazyUpdate', given.lazyUpdate ?? false);
    if (this.nesterov && this.momentum === 0) throw new ArgumentError('SGD: nesterov takes a momentum above 0');
  }

  protected override get settings(): Readonly<Record<string, number | boolean>> {
    const { momentum, nesterov, lazyUpdate } = this;
    return { momentum, nesterov, ...(lazyUpdate && { lazyUpdate }) };
  }

  protected override leavesRest(decay: number): boolean {
    return this.lazyUpdate || (this.momentum === 0 && decay === 0);
  }

  protected get kept(): readonly (number | null)[] {
    return this.momentum > 0 ? [0] : [];
  }

  protected numbers(steps: number): RuleNumbers {
    return { momentum: this.momentum, nesterov: this.nesterov, firstStep: steps === 0 };
  }
}
