export {
  Adam,
  type AdamOptions,
  AdamW,
  type NamedOptions,
  Optimizer,
  type OptimizerName,
  type OptimizerOptions,
  SGD,
  type SGDOptions,
} from './optimizer.js';
