import { nn, type Tensor } from 'latent';
import type { pictureNets } from './models.js';

type Activation = 'relu' | 'relu6' | 'silu';

class Relu6 extends nn.Block {
  override forward(x: Tensor): Tensor {
    return x.clip(0, 6);
  }
}

const activation = (name: Activation): nn.Block => (name === 'relu6' ? new Relu6() : new nn.Activation(name));

/** A convolution, its normalization and an activation; the convolution keeps the size at a stride of 1. */
function conv(channels: number, kernel: number, stride: number, name: Activation | null, groups = 1): nn.Block[] {
  const padding = (kernel - 1) / 2;
  return [
    new nn.Conv2D(channels, { kernelSize: kernel, strides: stride, padding, groups, useBias: false }),
    new nn.BatchNorm(),
    ...(name === null ? [] : [activation(name)]),
  ];
}

/** y = f(body(x) + shortcut(x)), where f may be relu. */
class Shortcut extends nn.Block {
  constructor(
    readonly body: nn.Block,
    readonly projection: nn.Block | null,
    readonly ends: boolean,
  ) {
    super();
  }
  override forward(x: Tensor): Tensor {
    const y = (this.body as nn.Sequential)(x).add(this.projection === null ? x : (this.projection as nn.Sequential)(x));
    return this.ends ? y.relu() : y;
  }
}

/** Each channel times a gate that follows from the means of all. */
class Gate extends nn.Block {
  readonly gate: nn.Sequential;
  constructor(squeezed: number, channels: number) {
    super();
    this.gate = new nn.Sequential(
      new nn.GlobalAvgPool2D(),
      new nn.Conv2D(squeezed, { kernelSize: 1, activation: 'silu' }),
      new nn.Conv2D(channels, { kernelSize: 1, activation: 'sigmoid' }),
    );
  }
  override forward(x: Tensor): Tensor {
    return x.mul(this.gate(x));
  }
}

/** The inverted bottleneck of MobileNetV2, with gates that of EfficientNet. */
function inverted(inputs: number, outputs: number, expansion: number, kernel: number, stride: number, gates: boolean) {
  const hidden = inputs * expansion;
  const name = gates ? 'silu' : 'relu6';
  const body = new nn.Sequential(
    ...(expansion > 1 ? conv(hidden, 1, 1, name) : []),
    ...conv(hidden, kernel, stride, name, hidden),
    ...(gates ? [new Gate(Math.max(1, Math.floor(inputs / 4)), hidden)] : []),
    ...conv(outputs, 1, 1, null),
  );
  return stride === 1 && inputs === outputs ? new Shortcut(body, null, false) : body;
}

function residual(inputs: number, outputs: number, stride: number, isBottleneck: boolean): nn.Block {
  const width = isBottleneck ? outputs / 4 : outputs;
  const body = isBottleneck
    ? [...conv(width, 1, 1, 'relu'), ...conv(width, 3, stride, 'relu'), ...conv(outputs, 1, 1, null)]
    : [...conv(width, 3, stride, 'relu'), ...conv(outputs, 3, 1, null)];
  const isSame = stride === 1 && inputs === outputs;
  return new Shortcut(
    new nn.Sequential(...body),
    isSame ? null : new nn.Sequential(...conv(outputs, 1, stride, null)),
    true,
  );
}

const head = (): nn.Block[] => [new nn.GlobalAvgPool2D(), new nn.Flatten(), new nn.Dense(1000)];

/** Stages of an inverted net: expansion, outputs, how many, stride, kernel. */
type Stages = readonly (readonly [number, number, number, number, number])[];

function invertedNet(first: number, stages: Stages, last: number, gates: boolean): nn.Block[] {
  const name = gates ? 'silu' : 'relu6';
  const blocks: nn.Block[] = [];
  let inputs = first;
  for (const [expansion, outputs, count, stride, kernel] of stages) {
    for (let i = 0; i < count; i++) {
      blocks.push(inverted(inputs, outputs, expansion, kernel, i === 0 ? stride : 1, gates));
      inputs = outputs;
    }
  }
  return [...conv(first, 3, 2, name), ...blocks, ...conv(last, 1, 1, name), ...head()];
}

function residualNet(counts: readonly number[], isBottleneck: boolean): nn.Block[] {
  const blocks: nn.Block[] = [];
  let inputs = 64;
  counts.forEach((count, stage) => {
    const outputs = 64 * 2 ** stage * (isBottleneck ? 4 : 1);
    for (let i = 0; i < count; i++) {
      blocks.push(residual(inputs, outputs, i === 0 && stage > 0 ? 2 : 1, isBottleneck));
      inputs = outputs;
    }
  });
  return [...conv(64, 7, 2, 'relu'), new nn.MaxPool2D({ poolSize: 3, strides: 2, padding: 1 }), ...blocks, ...head()];
}

/** Convolutional nets of known designs, which end in 1000 classes. */
export const pictures: Record<(typeof pictureNets)[number], () => nn.Block[]> = {
  MobileNetV2: () =>
    invertedNet(
      32,
      [
        [1, 16, 1, 1, 3],
        [6, 24, 2, 2, 3],
        [6, 32, 3, 2, 3],
        [6, 64, 4, 2, 3],
        [6, 96, 3, 1, 3],
        [6, 160, 3, 2, 3],
        [6, 320, 1, 1, 3],
      ],
      1280,
      false,
    ),
  'EfficientNet-B0': () =>
    invertedNet(
      32,
      [
        [1, 16, 1, 1, 3],
        [6, 24, 2, 2, 3],
        [6, 40, 2, 2, 5],
        [6, 80, 3, 2, 3],
        [6, 112, 3, 1, 5],
        [6, 192, 4, 2, 5],
        [6, 320, 1, 1, 3],
      ],
      1280,
      true,
    ),
  'ResNet-18': () => residualNet([2, 2, 2, 2], false),
  'ResNet-50': () => residualNet([3, 4, 6, 3], true),
};
