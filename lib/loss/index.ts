export {
  Hinge,
  type HingeOptions,
  KLDiv,
  type KLDivOptions,
  Logistic,
  type LogisticOptions,
  SigmoidBinaryCrossEntropy,
  type SigmoidBinaryCrossEntropyOptions,
  SoftmaxCrossEntropy,
  type SoftmaxCrossEntropyOptions,
  SquaredHinge,
} from './classification.js';
export { Loss, type LossOptions } from './loss.js';
export { Huber, type HuberOptions, L1, L2, PoissonNLL, type PoissonNLLOptions } from './regression.js';
export { CosineEmbedding, type MarginOptions, Triplet } from './similarity.js';
