export { Adam, Adamax, type AdamOptions, AdamW, LAMB, type LAMBOptions, type LazyAdamOptions } from '../optim/adam.js';
export {
  Adadelta,
  type AdadeltaOptions,
  Adagrad,
  type AdagradOptions,
  RMSProp,
  type RMSPropOptions,
} from '../optim/adaptive.js';
export { clipGlobalNorm } from '../optim/clip.js';
export type { NamedOptions, OptimizerName } from '../optim/named.js';
export { Optimizer, type OptimizerOptions } from '../optim/optimizer.js';
export type { Update } from '../optim/rule.js';
export {
  CosineScheduler,
  type DecayOptions,
  FactorScheduler,
  type FactorSchedulerOptions,
  MultiFactorScheduler,
  type MultiFactorSchedulerOptions,
  OneCycleScheduler,
  type OneCycleSchedulerOptions,
  PolynomialScheduler,
  type PolynomialSchedulerOptions,
  Scheduler,
  type WarmupOptions,
} from '../optim/scheduler.js';
export { SGD, type SGDOptions } from '../optim/sgd.js';
