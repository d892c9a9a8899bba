export type { ActivationName } from '../ops/activations.js';
export { type AttentionOptions, scaledDotProductAttention } from '../ops/attention.js';
export { type ParameterAttribute, ParameterDict } from '../parameter/dict.js';
export type { InitializeOptions } from '../parameter/initialize.js';
export { Parameter, type ParameterOptions, type ParameterRole } from '../parameter/parameter.js';
export type { LoadParametersOptions } from '../parameter/persist.js';
export { isShapePass } from '../trace/shape-pass.js';
export { Block, type BlockBase } from './block/block.js';
export { blockEquals, blockSerializer } from './block/equality.js';
export type { ExportOptions, ExportShape } from './block/export.js';
export type { ForwardHook, ForwardPreHook, HookHandle } from './block/hooks.js';
export type { HybridizeOptions } from './block/hybridize.js';
export { resetNames } from './block/names.js';
export type { OutputShape, ShapeOptions } from './block/output-shape.js';
export type { PredictOptions, PredictSyncOptions } from './block/predict.js';
export { Summary, type SummaryRow } from './block/summary.js';
export { isBlock, type Unowned, unowned } from './block/tree.js';
export {
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  TransformerEncoderLayer,
  type TransformerEncoderLayerOptions,
} from './layers/attention.js';
export { Activation, Dropout, Flatten, Identity, Lambda } from './layers/basic.js';
export { Concurrent, type ConcurrentOptions, Residual, type ResidualOptions } from './layers/containers.js';
export {
  type Conv,
  Conv1D,
  Conv1DTranspose,
  Conv2D,
  Conv2DTranspose,
  type ConvOptions,
  type ConvTransposeOptions,
} from './layers/conv.js';
export { Dense, type DenseOptions } from './layers/dense.js';
export { Embedding, type EmbeddingOptions } from './layers/embedding.js';
export {
  BatchNorm,
  type BatchNormOptions,
  GroupNorm,
  type GroupNormOptions,
  InstanceNorm,
  LayerNorm,
  type LayerNormOptions,
  type NormLayer,
  type NormOptions,
  RMSNorm,
} from './layers/norm.js';
export {
  AvgPool1D,
  AvgPool2D,
  type AvgPoolOptions,
  GlobalAvgPool1D,
  GlobalAvgPool2D,
  GlobalMaxPool1D,
  GlobalMaxPool2D,
  type GlobalPool,
  MaxPool1D,
  MaxPool2D,
  type Pool,
  type PoolOptions,
} from './layers/pool.js';
export {
  ELU,
  GELU,
  type GELUOptions,
  LeakyReLU,
  PReLU,
  type PReLUOptions,
  SELU,
  SiLU,
  Swish,
} from './layers/rectifiers.js';
export {
  type CellOptions,
  GRU,
  GRUCell,
  LSTM,
  LSTMCell,
  type Recurrent,
  type RecurrentCell,
  type RecurrentOptions,
  RNN,
  RNNCell,
  type RNNCellOptions,
  type RNNOptions,
  type States,
} from './layers/recurrent.js';
export { Sequential } from './layers/sequential.js';
export type { Sizes } from './layers/window-sizes.js';
