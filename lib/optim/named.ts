import { ArgumentError } from '../errors.js';
import { checkOneOf, shown } from '../support/check.js';
import { Adam, Adamax, type AdamOptions, AdamW, LAMB, type LAMBOptions, type LazyAdamOptions } from './adam.js';
import {
  Adadelta,
  type AdadeltaOptions,
  Adagrad,
  type AdagradOptions,
  RMSProp,
  type RMSPropOptions,
} from './adaptive.js';
import { Optimizer } from './optimizer.js';
import { SGD, type SGDOptions } from './sgd.js';

/** The options of each optimizer that goes by a name. */
export interface NamedOptions {
  sgd: SGDOptions;
  adam: LazyAdamOptions;
  adamw: AdamOptions;
  adamax: AdamOptions;
  lamb: LAMBOptions;
  rmsprop: RMSPropOptions;
  adagrad: AdagradOptions;
  adadelta: AdadeltaOptions;
}

const named: { readonly [N in keyof NamedOptions]: (options?: NamedOptions[N]) => Optimizer } = {
  sgd: options => new SGD(options),
  adam: options => new Adam(options),
  adamw: options => new AdamW(options),
  adamax: options => new Adamax(options),
  lamb: options => new LAMB(options),
  rmsprop: options => new RMSProp(options),
  adagrad: options => new Adagrad(options),
  adadelta: options => new Adadelta(options),
};

export type OptimizerName = keyof NamedOptions;

/** An optimizer made from its name and options, or one that was made already. */
export function createOptimizer(who: string, optimizer: unknown, options: object | undefined): Optimizer {
  if (optimizer instanceof Optimizer) {
    if (options !== undefined && Object.keys(options).length > 0)
      throw new ArgumentError(`${who}: options belong to the optimizer's name; this one was made with its own`);
    return optimizer;
  }
  if (typeof optimizer === 'string')
    return named[checkOneOf(`${who}: optimizer`, optimizer, Object.keys(named) as OptimizerName[])](options);
  throw new ArgumentError(`${who} takes an optim.Optimizer or its name, but got ${shown(optimizer)}`);
}
