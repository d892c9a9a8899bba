/** The functions on tensors that users call, and the types that they take. Importing them installs the tensors' methods. */
export { add, div, maximum, minimum, mul, pow, sub } from './binary.js';
export { cast, clone } from './cast.js';
export * from './compare.js';
export {
  arange,
  eye,
  full,
  linspace,
  ones,
  onesLike,
  type TensorOptions,
  tensor,
  zeros,
  zerosLike,
} from './create.js';
export { type GeluOptions, gelu } from './gelu.js';
export * from './join.js';
export * from './logical.js';
export * from './matmul.js';
export { gather, oneHot, take } from './pick.js';
export { argmax, argmin, max, mean, min, prod, sum } from './reduce.js';
export * from './repeat.js';
export * from './scan.js';
export * from './select.js';
export * from './softmax.js';
export * from './sort.js';
export { type NormOptions, norm, std, type VarianceOptions, var } from './statistics.js';
export * from './unary.js';
export * from './value.js';
export {
  broadcastTo,
  detach,
  expandDims,
  flatten,
  reshape,
  type SliceRange,
  slice,
  split,
  squeeze,
  swapAxes,
  transpose,
} from './view.js';

import './digest.js';
import './print.js';
