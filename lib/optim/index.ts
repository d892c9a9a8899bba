export { Adam, Adamax, type AdamOptions, AdamW, LAMB, type LAMBOptions, type LazyAdamOptions } from './adam.js';
export {
  Adadelta,
  type AdadeltaOptions,
  Adagrad,
  type AdagradOptions,
  RMSProp,
  type RMSPropOptions,
} from './adaptive.js';
export { clipGlobalNorm } from './clip.js';
export type { NamedOptions, OptimizerName } from './named.js';
export { Optimizer, type OptimizerOptions } from './optimizer.js';
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
} from './scheduler.js';
export { SGD, type SGDOptions } from './sgd.js';
