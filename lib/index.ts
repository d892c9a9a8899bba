/// <reference types="node" preserve="true" />
/** latent: deep learning for Node.js in which nobody ever writes an input size. */
export * as autograd from './autograd/index.js';
export * as data from './data/index.js';
export * from './errors.js';
export { info, type LatentInfo, version } from './info.js';
export * as init from './init/index.js';
export * as io from './io/index.js';
export * as loss from './loss/index.js';
export * as memory from './memory/index.js';
export * as metric from './metric/index.js';
export * as nn from './nn/index.js';
export * from './ops/index.js';
export * as random from './random/index.js';
export type { DType, TypedArrayOf } from './tensor/dtype.js';
export type { NestedArray, Shape } from './tensor/shape-types.js';
export { Tensor } from './tensor/tensor.js';
export { getNumThreads, setNumThreads } from './threads.js';
export { type CompiledStep, compileStep, type StepOptions } from './train/compile-step.js';
export * as optim from './train/index.js';
export { Trainer, type TrainerSettings } from './train/trainer.js';
