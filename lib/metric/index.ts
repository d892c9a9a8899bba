export {
  Accuracy,
  type AccuracyOptions,
  CrossEntropy,
  type CrossEntropyOptions,
  F1,
  type F1Options,
  Perplexity,
  type PerplexityOptions,
  TopKAccuracy,
  type TopKAccuracyOptions,
} from './classification.js';
export { Composite, Custom, type Figure, Loss } from './composed.js';
export { Metric, type MetricOptions } from './metric.js';
export { MAE, MSE, RMSE } from './regression.js';
