/** latent: deep learning for Node.js in which nobody ever writes an input size. */
export * as autograd from './autograd/index.js';
export * as data from './data/index.js';
export * from './errors.js';
export * as init from './init/index.js';
export * as io from './io/index.js';
export * as loss from './loss/index.js';
export * as memory from './memory/index.js';
export * as metric from './metric/index.js';
export * as nn from './nn/index.js';
export type { Nested, NestedArray, SliceRange, TensorOptions } from './ops/index.js';
export {
  abs,
  add,
  arange,
  argmax,
  argmin,
  broadcastTo,
  cast,
  clip,
  clone,
  concat,
  detach,
  div,
  equal,
  erf,
  exp,
  expandDims,
  expm1,
  eye,
  flatten,
  full,
  gather,
  gelu,
  greater,
  greaterEqual,
  less,
  lessEqual,
  linspace,
  log,
  log1p,
  logSoftmax,
  logsumexp,
  matmul,
  max,
  maximum,
  mean,
  min,
  minimum,
  mul,
  neg,
  notEqual,
  oneHot,
  ones,
  onesLike,
  pow,
  reciprocal,
  relu,
  reshape,
  rsqrt,
  sigmoid,
  sign,
  silu,
  slice,
  softmax,
  softplus,
  softsign,
  split,
  sqrt,
  square,
  squeeze,
  stack,
  sub,
  sum,
  take,
  tanh,
  tensor,
  transpose,
  where,
  zeros,
  zerosLike,
} from './ops/index.js';
export * as optim from './optim/index.js';
export { Trainer, type TrainerSettings } from './optim/trainer.js';
export * as random from './random/index.js';
export type { DType, TypedArrayOf } from './tensor/dtype.js';
export type { Shape } from './tensor/shape-types.js';
export { Tensor } from './tensor/tensor.js';
export { getNumThreads, setNumThreads } from './threads.js';
