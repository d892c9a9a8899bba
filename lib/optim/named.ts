import { ArgumentError } from '../errors.js';
import { checkOneOf, checkOptions, shown } from '../support/check.js';
import {
  Adam,
  Adamax,
  type AdamOptions,
  AdamW,
  adamOptions,
  LAMB,
  type LAMBOptions,
  type LazyAdamOptions,
  lambOptions,
  lazyAdamOptions,
} from './adam.js';
import {
  Adadelta,
  type AdadeltaOptions,
  Adagrad,
  type AdagradOptions,
  adadeltaOptions,
  adagradOptions,
  RMSProp,
  type RMSPropOptions,
  rmsPropOptions,
} from './adaptive.js';
import { Optimizer } from './optimizer.js';
import { SGD, type SGDOptions, sgdOptions } from './sgd.js';

/** The options of each optimizer that goes by a name. */
export interface NamedOptions {
  /** Options of 'sgd'. */
  sgd: SGDOptions;
  /** Options of 'adam'. */
  adam: LazyAdamOptions;
  /** Options of 'adamw'. */
  adamw: AdamOptions;
  /** Options of 'adamax'. */
  adamax: AdamOptions;
  /** Options of 'lamb'. */
  lamb: LAMBOptions;
  /** Options of 'rmsprop'. */
  rmsprop: RMSPropOptions;
  /** Options of 'adagrad'. */
  adagrad: AdagradOptions;
  /** Options of 'adadelta'. */
  adadelta: AdadeltaOptions;
}

const named: {
  readonly [N in keyof NamedOptions]: {
    readonly make: (options?: NamedOptions[N]) => Optimizer;
    readonly options: readonly string[];
  };
} = {
  sgd: { make: options => new SGD(options), options: sgdOptions },
  adam: { make: options => new Adam(options), options: lazyAdamOptions },
  adamw: { make: options => new AdamW(options), options: adamOptions },
  adamax: { make: options => new Adamax(options), options: adamOptions },
  lamb: { make: options => new LAMB(options), options: lambOptions },
  rmsprop: { make: options => new RMSProp(options), options: rmsPropOptions },
  adagrad: { make: options => new Adagrad(options), options: adagradOptions },
  adadelta: { make: options => new Adadelta(options), options: adadeltaOptions },
};

export type OptimizerName = keyof NamedOptions;

/**
 * An optimizer made from its name and options, or one that was made already. `settings` are the names of what the caller
 * has taken out of the options for itself: a message about a misspelt one must know them.
 */
export function createOptimizer(
  who: string,
  optimizer: unknown,
  options: object | undefined,
  settings: readonly string[],
): Optimizer {
  const checked = (name: string, known: readonly string[]) =>
    checkOptions(`${who} ${name}`, options as Record<string, unknown> | undefined, [...known, ...settings]);
  if (optimizer instanceof Optimizer) {
    const kind = optimizer.constructor.name;
    const own = Object.values(named).flatMap(one => one.options);
    const foreign = Object.keys(options ?? {}).find(key => own.includes(key));
    if (foreign !== undefined) {
      throw new ArgumentError(
        `${who}: '${foreign}' belongs to the optimizer's name; this ${kind} was made with its own, so give it to new ${kind}()`,
      );
    }
    checked(`with ${kind} made already`, []);
    return optimizer;
  }
  if (typeof optimizer === 'string') {
    const name = checkOneOf(`${who}: optimizer`, optimizer, Object.keys(named) as OptimizerName[]);
    const { make, options: known } = named[name];
    checked(`with '${name}'`, known);
    return make(options);
  }
  throw new ArgumentError(`${who} takes an optim.Optimizer or its name, but got ${shown(optimizer)}`);
}
