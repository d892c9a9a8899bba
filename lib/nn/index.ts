export type { ActivationName } from '../ops/activations.js';
export { type AttentionOptions, scaledDotProductAttention } from '../ops/attention.js';
export { type ParameterAttribute, ParameterDict } from '../parameter/dict.js';
export type { InitializeOptions } from '../parameter/initialize.js';
export { Parameter, type ParameterOptions, type ParameterRole } from '../parameter/parameter.js';
export type { LoadParametersOptions } from '../parameter/persist.js';
export { isShapePass } from '../trace/shape-pass.js';
export {
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  TransformerEncoderLayer,
  type TransformerEncoderLayerOptions,
} from './attention.js';
export { Activation, Dropout, Flatten, Identity, Lambda } from './basic.js';
export { Block, type BlockBase } from './block.js';
export { Concurrent, type ConcurrentOptions, Residual, type ResidualOptions } from './containers.js';
export {
  type Conv,
  Conv1D,
  Conv1DTranspose,
  Conv2D,
  Conv2DTranspose,
  type ConvOptions,
  type ConvTransposeOptions,
} from './conv.js';
export { Dense, type DenseOptions } from './dense.js';
export { Embedding, type EmbeddingOptions } from './embedding.js';
export type { ExportOptions } from './export.js';
export type { ForwardHook, ForwardPreHook, HookHandle } from './hooks.js';
export type { HybridizeOptions } from './hybrid.js';
export { resetNames } from './names.js';
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
} from './norm.js';
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
} from './pool.js';
export type { PredictOptions, PredictSyncOptions } from './predict.js';
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
} from './rectifiers.js';
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
} from './recurrent.js';
export { Sequential } from './sequential.js';
export type { OutputShape, ShapeOptions } from './shapes.js';
export type { Sizes } from './sizes.js';
export { isBlock, type Unowned, unowned } from './structure.js';
export { Summary, type SummaryRow } from './summary.js';
export { blockEquals, blockSerializer } from './testing.js';
