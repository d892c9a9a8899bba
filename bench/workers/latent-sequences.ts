import { concat, nn, type Tensor } from 'latent';
import type { sequenceNets } from './models.js';

/** Patches of a picture, each a vector, after one that stands for all; with a vector of its own for each place. */
class Patches extends nn.Block {
  readonly patch: nn.Conv2D;
  readonly first: nn.Parameter;
  readonly places: nn.Parameter;
  constructor(units: number, size: number, count: number) {
    super();
    this.patch = new nn.Conv2D(units, { kernelSize: size, strides: size });
    this.first = new nn.Parameter({ shape: [1, 1, units] });
    this.places = new nn.Parameter({ shape: [1, count + 1, units] });
  }
  override forward(x: Tensor): Tensor {
    const [batch, units] = [x.shape[0] as number, this.places.shape?.[2] as number];
    const patches: Tensor = this.patch(x).reshape([batch, units, -1]).transpose([0, 2, 1]);
    return concat([this.first.data().broadcastTo([batch, 1, units]), patches], { axis: 1 }).add(this.places.data());
  }
}

/** Tokens and their places as vectors. */
class Tokens extends nn.Block {
  readonly token: nn.Embedding;
  readonly places: nn.Parameter;
  readonly norm = new nn.LayerNorm();
  constructor(rows: number, units: number, length: number) {
    super();
    this.token = new nn.Embedding(rows, units);
    this.places = new nn.Parameter({ shape: [1, length, units] });
  }
  override forward(x: Tensor): Tensor {
    return this.norm(this.token(x).add(this.places.data()));
  }
}

/** The vector of the first place. */
class First extends nn.Block {
  override forward(x: Tensor): Tensor {
    return x.slice(null, 0);
  }
}

const encoders = (count: number, heads: number, hiddenUnits: number, preNorm: boolean): nn.Block[] =>
  Array.from(
    { length: count },
    () => new nn.TransformerEncoderLayer(heads, { hiddenUnits, preNorm, activation: 'gelu', dropout: 0 }),
  );

/** Nets of known designs: over patches of a picture, over tokens, over samples of sound. */
export const sequences: Record<(typeof sequenceNets)[number], () => nn.Block[]> = {
  'ViT-Ti': () => [
    new Patches(192, 16, 196),
    ...encoders(12, 3, 768, true),
    new nn.LayerNorm(),
    new First(),
    new nn.Dense(1000),
  ],
  'BERT-small': () => [
    new Tokens(30522, 512, 128),
    ...encoders(4, 8, 2048, false),
    new First(),
    new nn.Dense(512, { activation: 'tanh' }),
  ],
  "wav2vec's front end": () => [
    new nn.Conv1D(512, { kernelSize: 10, strides: 5, useBias: false }),
    new nn.GroupNorm({ numGroups: 512 }),
    new nn.Activation('gelu'),
    ...[3, 3, 3, 3, 2, 2].map(
      kernelSize => new nn.Conv1D(512, { kernelSize, strides: 2, useBias: false, activation: 'gelu' }),
    ),
  ],
};
