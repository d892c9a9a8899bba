export {
  Adam,
  type AdamOptions,
  AdamW,
  Optimizer,
  type OptimizerName,
  type OptimizerOptions,
  SGD,
  type SGDOptions,
} from './optimizer.js';
