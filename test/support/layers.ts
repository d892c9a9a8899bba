import { nn, type Tensor, tensor } from '../../lib/index.js';
import { values } from './nn-helpers.js';

export interface Entry {
  /** The layer without any input size. */
  readonly make: () => nn.BlockBase;
  /** The shape of a first input, and its type. */
  readonly input: readonly number[];
  readonly ids?: number;
  /** The same with every size given, for layers that have parameters whose shape depends on the input. */
  readonly sized?: () => nn.BlockBase;
  /** An input that doesn't fit any more once the first one came. */
  readonly wrong?: readonly number[];
  /** What it prints before it knows its input. */
  readonly print: string | RegExp;
  readonly output: readonly number[];
}

const dense = (inUnits?: number) => new nn.Dense(3, { activation: 'tanh', inUnits });

/** Every layer that nn exports. */
export const layers: Record<string, Entry> = {
  Dense: {
    make: () => dense(),
    sized: () => dense(5),
    input: [4, 5],
    wrong: [4, 6],
    print: 'Dense(-1 -> 3, Activation(tanh))',
    output: [4, 3],
  },
  PReLU: {
    make: () => new nn.PReLU({ inChannels: -1 }),
    sized: () => new nn.PReLU({ inChannels: 5 }),
    input: [4, 5, 2],
    wrong: [4, 6, 2],
    print: 'PReLU(-1)',
    output: [4, 5, 2],
  },
  Sequential: {
    make: () => new nn.Sequential(dense(), dense()),
    sized: () => new nn.Sequential(dense(5), dense(3)),
    input: [4, 5],
    wrong: [4, 6],
    print: /\(0\): Dense\(-1 -> 3.*\n.*\(1\): Dense\(-1 -> 3/,
    output: [4, 3],
  },
  Concurrent: {
    make: () => new nn.Concurrent(dense(), new nn.Identity(), { axis: 1 }),
    sized: () => new nn.Concurrent(dense(5), new nn.Identity(), { axis: 1 }),
    input: [4, 5],
    wrong: [4, 6],
    print: /Concurrent\(\n {2}\(layers.0\): Dense\(-1 -> 3/,
    output: [4, 8],
  },
  Residual: {
    make: () => new nn.Residual(dense(), { shortcut: new nn.Dense(3, { useBias: false }) }),
    sized: () => new nn.Residual(dense(5), { shortcut: new nn.Dense(3, { useBias: false, inUnits: 5 }) }),
    input: [4, 5],
    wrong: [4, 6],
    print: /Residual\(\n {2}\(body\): Sequential/,
    output: [4, 3],
  },
  BatchNorm: {
    make: () => new nn.BatchNorm(),
    sized: () => new nn.BatchNorm({ inChannels: 5 }),
    input: [4, 5, 2],
    wrong: [4, 6, 2],
    print: 'BatchNorm(-1, axis = 1, momentum = 0.9, epsilon = 0.00001)',
    output: [4, 5, 2],
  },
  LayerNorm: {
    make: () => new nn.LayerNorm(),
    sized: () => new nn.LayerNorm({ inChannels: 5 }),
    input: [4, 2, 5],
    wrong: [4, 2, 6],
    print: 'LayerNorm(-1, axis = -1, epsilon = 0.00001)',
    output: [4, 2, 5],
  },
  RMSNorm: {
    make: () => new nn.RMSNorm(),
    sized: () => new nn.RMSNorm({ inChannels: 5 }),
    input: [4, 2, 5],
    wrong: [4, 2, 6],
    print: 'RMSNorm(-1, axis = -1, epsilon = 0.000001)',
    output: [4, 2, 5],
  },
  GroupNorm: {
    make: () => new nn.GroupNorm({ numGroups: 2 }),
    sized: () => new nn.GroupNorm({ numGroups: 2, inChannels: 6 }),
    input: [4, 6, 2],
    wrong: [4, 8, 2],
    print: 'GroupNorm(-1, numGroups = 2, epsilon = 0.00001)',
    output: [4, 6, 2],
  },
  InstanceNorm: {
    make: () => new nn.InstanceNorm(),
    sized: () => new nn.InstanceNorm({ inChannels: 5 }),
    input: [4, 5, 3],
    wrong: [4, 6, 3],
    print: 'InstanceNorm(-1, epsilon = 0.00001)',
    output: [4, 5, 3],
  },
  Embedding: {
    make: () => new nn.Embedding(7, 2),
    sized: () => new nn.Embedding(7, 2),
    input: [4, 3],
    ids: 7,
    print: 'Embedding(7 -> 2, float32)',
    output: [4, 3, 2],
  },
  Conv1D: {
    make: () => new nn.Conv1D(6, { kernelSize: 3, strides: 2, groups: 2, activation: 'tanh' }),
    sized: () => new nn.Conv1D(6, { kernelSize: 3, strides: 2, groups: 2, activation: 'tanh', inChannels: 4 }),
    input: [3, 4, 9],
    wrong: [3, 2, 9],
    print: 'Conv1D(-1 -> 6, kernelSize = 3, strides = 2, padding = 0, groups = 2, Activation(tanh))',
    output: [3, 6, 4],
  },
  Conv2D: {
    make: () => new nn.Conv2D(3, { kernelSize: [3, 2], padding: 'same', dilation: 2, activation: 'relu' }),
    sized: () =>
      new nn.Conv2D(3, { kernelSize: [3, 2], padding: 'same', dilation: 2, activation: 'relu', inChannels: 2 }),
    input: [3, 2, 6, 5],
    wrong: [3, 4, 6, 5],
    print: 'Conv2D(-1 -> 3, kernelSize = [3, 2], strides = 1, padding = same, dilation = 2, Activation(relu))',
    output: [3, 3, 6, 5],
  },
  Conv1DTranspose: {
    make: () => new nn.Conv1DTranspose(6, { kernelSize: 3, strides: 2, groups: 2 }),
    sized: () => new nn.Conv1DTranspose(6, { kernelSize: 3, strides: 2, groups: 2, inChannels: 4 }),
    input: [3, 4, 5],
    wrong: [3, 2, 5],
    print: 'Conv1DTranspose(-1 -> 6, kernelSize = 3, strides = 2, padding = 0, groups = 2)',
    output: [3, 6, 11],
  },
  Conv2DTranspose: {
    make: () => new nn.Conv2DTranspose(3, { kernelSize: 4, strides: 2, padding: 1, outputPadding: [0, 1] }),
    sized: () =>
      new nn.Conv2DTranspose(3, { kernelSize: 4, strides: 2, padding: 1, outputPadding: [0, 1], inChannels: 2 }),
    input: [3, 2, 6, 5],
    wrong: [3, 4, 6, 5],
    print: 'Conv2DTranspose(-1 -> 3, kernelSize = 4, strides = 2, padding = 1, outputPadding = [0, 1])',
    output: [3, 3, 12, 11],
  },
  RNN: {
    make: () => new nn.RNN(4, { activation: 'relu', layout: 'NTC' }),
    sized: () => new nn.RNN(4, { activation: 'relu', layout: 'NTC', inputSize: 5 }),
    input: [3, 2, 5],
    wrong: [3, 2, 6],
    print: 'RNN(-1 -> 4, NTC, Activation(relu))',
    output: [3, 2, 4],
  },
  LSTM: {
    make: () => new nn.LSTM(4, { numLayers: 2, bidirectional: true, layout: 'NTC' }),
    sized: () => new nn.LSTM(4, { numLayers: 2, bidirectional: true, layout: 'NTC', inputSize: 5 }),
    input: [3, 2, 5],
    wrong: [3, 2, 6],
    print: 'LSTM(-1 -> 4, NTC, numLayers = 2, bidirectional)',
    output: [3, 2, 8],
  },
  GRU: {
    make: () => new nn.GRU(4),
    sized: () => new nn.GRU(4, { inputSize: 5 }),
    input: [3, 2, 5],
    wrong: [3, 2, 6],
    print: 'GRU(-1 -> 4, TNC)',
    output: [3, 2, 4],
  },
  RNNCell: {
    make: () => new nn.RNNCell(4),
    sized: () => new nn.RNNCell(4, { inputSize: 5 }),
    input: [3, 5],
    wrong: [3, 6],
    print: 'RNNCell(-1 -> 4, Activation(tanh))',
    output: [3, 4],
  },
  LSTMCell: {
    make: () => new nn.LSTMCell(4),
    sized: () => new nn.LSTMCell(4, { inputSize: 5 }),
    input: [3, 5],
    wrong: [3, 6],
    print: 'LSTMCell(-1 -> 4)',
    output: [3, 4],
  },
  GRUCell: {
    make: () => new nn.GRUCell(4),
    sized: () => new nn.GRUCell(4, { inputSize: 5 }),
    input: [3, 5],
    wrong: [3, 6],
    print: 'GRUCell(-1 -> 4)',
    output: [3, 4],
  },
  MultiHeadAttention: {
    make: () => new nn.MultiHeadAttention(2, { causal: true }),
    sized: () => new nn.MultiHeadAttention(2, { causal: true, inUnits: 6, keyUnits: 6, valueUnits: 6 }),
    input: [3, 4, 6],
    wrong: [3, 4, 8],
    print: /MultiHeadAttention\(\n {2}\(query\): Projection\(-1 -> -1\)/,
    output: [3, 4, 6],
  },
  TransformerEncoderLayer: {
    make: () => new nn.TransformerEncoderLayer(2, { hiddenUnits: 5 }),
    sized: () => new nn.TransformerEncoderLayer(2, { hiddenUnits: 5, inUnits: 6 }),
    input: [3, 4, 6],
    wrong: [3, 4, 8],
    print:
      /TransformerEncoderLayer\(\n {2}\(attention\): MultiHeadAttention\((.*\n)+ {2}\(hidden\): Projection\(-1 -> 5\)/,
    output: [3, 4, 6],
  },
  MaxPool1D: {
    make: () => new nn.MaxPool1D({ poolSize: 3, padding: 1 }),
    input: [4, 2, 7],
    print: 'MaxPool1D(size = 3, strides = 3, padding = 1)',
    output: [4, 2, 3],
  },
  MaxPool2D: {
    make: () => new nn.MaxPool2D({ poolSize: [2, 3], strides: 2, ceilMode: true }),
    input: [4, 2, 5, 6],
    print: 'MaxPool2D(size = [2, 3], strides = 2, padding = 0, ceilMode = true)',
    output: [4, 2, 3, 3],
  },
  AvgPool1D: {
    make: () => new nn.AvgPool1D(),
    input: [4, 2, 7],
    print: 'AvgPool1D(size = 2, strides = 2, padding = 0)',
    output: [4, 2, 3],
  },
  AvgPool2D: {
    make: () => new nn.AvgPool2D(),
    input: [4, 2, 5, 6],
    print: 'AvgPool2D(size = 2, strides = 2, padding = 0)',
    output: [4, 2, 2, 3],
  },
  GlobalMaxPool1D: {
    make: () => new nn.GlobalMaxPool1D(),
    input: [4, 2, 7],
    print: 'GlobalMaxPool1D()',
    output: [4, 2, 1],
  },
  GlobalMaxPool2D: {
    make: () => new nn.GlobalMaxPool2D(),
    input: [4, 2, 7, 3],
    print: 'GlobalMaxPool2D()',
    output: [4, 2, 1, 1],
  },
  GlobalAvgPool1D: {
    make: () => new nn.GlobalAvgPool1D(),
    input: [4, 2, 7],
    print: 'GlobalAvgPool1D()',
    output: [4, 2, 1],
  },
  GlobalAvgPool2D: {
    make: () => new nn.GlobalAvgPool2D(),
    input: [4, 2, 7, 3],
    print: 'GlobalAvgPool2D()',
    output: [4, 2, 1, 1],
  },
  Activation: { make: () => new nn.Activation('relu'), input: [4, 5], print: 'Activation(relu)', output: [4, 5] },
  Dropout: { make: () => new nn.Dropout(0.5), input: [4, 5], print: 'Dropout(p = 0.5)', output: [4, 5] },
  Flatten: { make: () => new nn.Flatten(), input: [4, 5, 2], print: 'Flatten()', output: [4, 10] },
  Identity: { make: () => new nn.Identity(), input: [4, 5], print: 'Identity()', output: [4, 5] },
  Lambda: { make: () => new nn.Lambda(x => x.mul(2) as Tensor), input: [4, 5], print: 'Lambda()', output: [4, 5] },
  LeakyReLU: { make: () => new nn.LeakyReLU(0.1), input: [4, 5], print: 'LeakyReLU(0.1)', output: [4, 5] },
  ELU: { make: () => new nn.ELU(), input: [4, 5], print: 'ELU(1)', output: [4, 5] },
  SELU: { make: () => new nn.SELU(), input: [4, 5], print: 'SELU()', output: [4, 5] },
  GELU: { make: () => new nn.GELU(), input: [4, 5], print: 'GELU()', output: [4, 5] },
  SiLU: { make: () => new nn.SiLU(), input: [4, 5], print: 'SiLU()', output: [4, 5] },
  Swish: { make: () => new nn.Swish(2), input: [4, 5], print: 'Swish(2)', output: [4, 5] },
};

/** A first input. */
export function inputOf({ input, ids }: Entry, shape = input): Tensor {
  const numbers = values(shape.reduce((a, b) => a * b, 1));
  if (ids === undefined) return tensor(numbers, { shape });
  return tensor(
    Int32Array.from(numbers, v => Math.floor(((v + 1) / 2) * ids)),
    { shape },
  );
}
