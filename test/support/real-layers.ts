import { loss, nn, type Tensor } from '../../lib/index.js';
import { drawn, type RealCase } from './real-cases.js';

export type Layer = nn.Block & ((...inputs: Tensor[]) => Tensor);

function lenet(): nn.Block {
  const convolution = (channels: number, padding: number) =>
    new nn.Conv2D(channels, { kernelSize: 5, padding }) as nn.Block;
  const pool = () => new nn.MaxPool2D({ poolSize: 2, strides: 2 });
  return new nn.Sequential(
    ...[convolution(6, 2), new nn.Activation('relu'), pool()],
    ...[convolution(16, 0), new nn.Activation('relu'), pool(), new nn.Flatten()],
    ...[new nn.Dense(120), new nn.Activation('relu'), new nn.Dense(84), new nn.Activation('relu'), new nn.Dense(10)],
  );
}

function mlp(units: readonly number[]): nn.Block {
  const layers = units.flatMap(n => [new nn.Dense(n), new nn.Activation('relu')]);
  return new nn.Sequential(...layers.slice(0, -1)) as nn.Block;
}

/** relu(x + f(x)), f of two convolutions with normalization. */
class BasicBlock extends nn.Block {
  readonly body: nn.Block;
  constructor(channels: number) {
    super();
    const convolution = () => new nn.Conv2D(channels, { kernelSize: 3, padding: 1, useBias: false });
    this.body = new nn.Sequential(
      ...[convolution(), new nn.BatchNorm(), new nn.Activation('relu'), convolution(), new nn.BatchNorm()],
    );
  }
  override forward(x: Tensor): Tensor {
    return x.add(this.body(x) as Tensor).relu() as Tensor;
  }
}

const kinds: Readonly<Record<string, (o: any, c: RealCase) => unknown>> = {
  conv1d: ({ channels, ...o }) => new nn.Conv1D(channels, o),
  conv2d: ({ channels, ...o }) => new nn.Conv2D(channels, o),
  conv1dTranspose: ({ channels, ...o }) => new nn.Conv1DTranspose(channels, o),
  conv2dTranspose: ({ channels, ...o }) => new nn.Conv2DTranspose(channels, o),
  dense: ({ units, ...o }) => new nn.Dense(units, { ...o, flatten: false }),
  attention: ({ heads, ...o }) => new nn.MultiHeadAttention(heads, o),
  lstm: ({ units, ...o }) => new nn.LSTM(units, o),
  gru: ({ units, ...o }) => new nn.GRU(units, o),
  rnn: ({ units, ...o }) => new nn.RNN(units, { ...o, activation: 'tanh' }),
  layerNorm: o => new nn.LayerNorm(o),
  rmsNorm: o => new nn.RMSNorm(o),
  batchNorm: o => new nn.BatchNorm(o),
  groupNorm: o => new nn.GroupNorm(o),
  instanceNorm: o => new nn.InstanceNorm(o),
  softmaxCrossEntropy: () => new loss.SoftmaxCrossEntropy(),
  maxPool2d: o => new nn.MaxPool2D(o),
  avgPool2d: o => new nn.AvgPool2D(o),
  globalAvgPool2d: () => new nn.GlobalAvgPool2D(),
  embedding: o => new nn.Embedding(o.inputDim, o.outputDim),
  mlp: o => mlp(o.units),
  lenet: () => lenet(),
  residual: (_, c) => new BasicBlock(c.draws.x.shape[1] as number),
  encoder: ({ heads, ...o }) => new nn.TransformerEncoderLayer(heads, { ...o, dropout: 0 }),
};

/** What goes into a case, drawn once. */
export interface Given {
  readonly x: Tensor;
  /** The labels of losses; null where there is no loss. */
  readonly labels: Tensor | null;
  /** The gradient of the result, where there is no loss. */
  readonly cotangent: Tensor | null;
  /** A layer with the case's parameters in it. */
  make(): Layer;
}

export function given(c: RealCase): Given {
  const { x, ...rest } = c.draws;
  const { classes } = c.options;
  const values = new Map<string, Tensor>();
  const make = (): Layer => {
    const layer = kinds[c.kind]!(c.options, c) as Layer;
    layer.initialize();
    // A loss has nothing to settle, nor does it take an input alone.
    if (c.kind !== 'softmaxCrossEntropy')
      layer.inferShape([...x.shape], { dtype: x.below === undefined ? 'float32' : 'int32' });
    const parameters = layer.collectParams();
    const trained = [...parameters].filter(([, p]) => p.gradReq !== 'null').map(([path]) => path);
    expect(trained.sort()).toEqual(Object.keys(rest).sort());
    Object.entries(rest).forEach(([path, draw], k) => {
      const parameter = parameters.get(path)!;
      if (!values.has(path)) values.set(path, drawn(parameter.shape, c.seed + 3 + k, draw));
      parameter.setData(values.get(path)!);
    });
    return layer;
  };
  return {
    x: drawn(x.shape, c.seed, x),
    labels: classes === undefined ? null : drawn(x.shape.slice(0, 1), c.seed + 2, { below: classes }),
    cotangent: classes === undefined ? drawn(c.want.y!.shape, c.seed + 1) : null,
    make,
  };
}
