import { onnxruntime } from '../contenders/node-peers.js';
import { plainConvolutions, reorderedConvolutions } from '../contenders/onednn.js';
import type { Peer } from '../contenders/peer.js';
import { pytorch } from '../contenders/pytorch.js';
import { worker } from '../contenders/workers.js';
import { type LayerForm, layersSpec, type Pass } from '../workers/layers.js';
import { type Comparison, comparisonSuite } from './comparison.js';
import { EAGER, OF_PEAK } from './names.js';
import type { Effort, Suite } from './suite.js';

export interface Wanted {
  readonly case: string;
  readonly layers: readonly LayerForm[];
  readonly input: readonly number[];
  readonly passes: readonly Pass[];
  /** Measured with --quick as well. */
  readonly quick?: boolean;
  /** Measured by plans as well, against the same without. */
  readonly planned?: boolean;
}

const passNames: Readonly<Record<Pass, string>> = {
  predict: 'forward',
  forward: 'forward in training',
  backward: 'backward',
  both: 'forward and backward',
  train: 'training step',
};

/** How many times a pass does the forward's products. */
const products: Readonly<Record<Pass, number>> = { predict: 1, forward: 1, backward: 2, both: 3, train: 3 };

/** Peers that predict, and no more. */
const forwardsOnly = [onnxruntime, plainConvolutions, reorderedConvolutions];

function comparison({ case: title, layers, input }: Wanted, pass: Pass): Comparison {
  const { spec, multiplyAdds } = layersSpec(layers, input, pass);
  return {
    case: `${title}, ${passNames[pass]}`,
    shape: input.join('x'),
    unit: 'µs',
    better: 'less',
    figure: seconds => seconds * 1e6,
    spec,
    tolerance: 1e-4,
    without: pass === 'predict' ? [] : forwardsOnly.map(peer => peer.name),
    roofs:
      multiplyAdds === 0 ? [] : [{ name: OF_PEAK, roof: { kind: 'fma', work: 2 * products[pass] * multiplyAdds } }],
  };
}

/** The same by a plan, held against it. */
function byPlan(eager: Comparison): Comparison {
  return {
    ...eager,
    case: `${eager.case}, by a plan`,
    spec: { ...eager.spec, planned: true },
    baselines: { [EAGER]: eager.spec },
  };
}

/** A forward by a plan, as a case of its own. */
export function plannedForward(title: string, layers: readonly LayerForm[], input: readonly number[]): Comparison {
  const eager = comparison({ case: title, layers, input, passes: ['predict'] }, 'predict');
  return { ...eager, spec: { ...eager.spec, planned: true }, roofs: [] };
}

export function layersSuite(
  name: string,
  about: string,
  wanted: readonly Wanted[],
  peers: readonly Peer[] = [onnxruntime, pytorch],
): Suite {
  return comparisonSuite({
    name,
    about,
    peers,
    ours: threads => worker('latent', [String(threads)]),
    cases: ({ quick }: Effort) =>
      wanted
        .filter(one => !quick || one.quick === true)
        .flatMap(one =>
          one.passes.flatMap(pass => {
            const eager = comparison(one, pass);
            return one.planned === true ? [eager, byPlan(eager)] : [eager];
          }),
        ),
  });
}

const both: readonly Pass[] = ['predict', 'backward'];

const conv = (channels: number, kernel: number, stride = 1, padding = 0, groups = 1): readonly LayerForm[] => [
  { is: 'conv', channels, kernel, stride, padding, groups },
];

export const convolution = layersSuite(
  'conv',
  'convolutions of two dimensions with a bias, from TypeScript: forward, and the gradients of data, weights and bias',
  [
    { case: '5x5, 1 to 6', layers: conv(6, 5), input: [32, 1, 28, 28], passes: both },
    { case: '5x5, 6 to 16', layers: conv(16, 5), input: [32, 6, 14, 14], passes: both, quick: true },
    { case: '3x3, 32 to 64', layers: conv(64, 3, 1, 1), input: [8, 32, 28, 28], passes: both },
    { case: '3x3, 64 to 64', layers: conv(64, 3, 1, 1), input: [4, 64, 56, 56], passes: both, quick: true },
    { case: '3x3, 128 to 128', layers: conv(128, 3, 1, 1), input: [4, 128, 28, 28], passes: both },
    { case: '3x3, 256 to 256', layers: conv(256, 3, 1, 1), input: [4, 256, 14, 14], passes: both },
    { case: '3x3, stride 2, 128 to 128', layers: conv(128, 3, 2, 1), input: [4, 128, 28, 28], passes: both },
    { case: '1x1, 64 to 256', layers: conv(256, 1), input: [4, 64, 56, 56], passes: both, quick: true },
    { case: '1x1, 256 to 64', layers: conv(64, 1), input: [4, 256, 56, 56], passes: both },
    { case: '3x3, depthwise, 32', layers: conv(32, 3, 1, 1, 32), input: [4, 32, 112, 112], passes: both, quick: true },
    { case: '7x7, stride 2, 3 to 64', layers: conv(64, 7, 2, 3), input: [4, 3, 224, 224], passes: both },
    { case: '3x3, one picture, 64 to 64', layers: conv(64, 3, 1, 1), input: [1, 64, 56, 56], passes: ['predict'] },
  ],
  [onnxruntime, pytorch, plainConvolutions, reorderedConvolutions],
);

const pool = (is: 'maxPool' | 'avgPool', size: number, stride: number, padding = 0): readonly LayerForm[] => [
  { is, size, stride, padding },
];

export const norm = layersSuite(
  'norm',
  'normalization and pooling, from TypeScript: forward, and the gradients of data and parameters',
  [
    {
      case: 'BatchNorm',
      layers: [{ is: 'batchNorm' }],
      input: [32, 64, 28, 28],
      passes: ['predict', 'forward', 'backward'],
      quick: true,
    },
    { case: 'LayerNorm', layers: [{ is: 'layerNorm' }], input: [32, 128, 256], passes: both, quick: true },
    { case: 'LayerNorm, short', layers: [{ is: 'layerNorm' }], input: [32, 64], passes: both },
    { case: 'GroupNorm, 8 groups', layers: [{ is: 'groupNorm', groups: 8 }], input: [16, 64, 28, 28], passes: both },
    { case: 'InstanceNorm', layers: [{ is: 'instanceNorm' }], input: [16, 64, 28, 28], passes: both },
    { case: 'MaxPool 2x2', layers: pool('maxPool', 2, 2), input: [32, 64, 28, 28], passes: both, quick: true },
    { case: 'MaxPool 3x3, stride 2', layers: pool('maxPool', 3, 2, 1), input: [8, 64, 112, 112], passes: both },
    { case: 'AvgPool 2x2', layers: pool('avgPool', 2, 2), input: [32, 64, 28, 28], passes: both },
    { case: 'AvgPool 3x3, stride 1', layers: pool('avgPool', 3, 1, 1), input: [8, 64, 28, 28], passes: both },
  ],
);

export const rnn = layersSuite('rnn', 'recurrent layers over whole sequences, time-major, from TypeScript', [
  {
    case: 'LSTM 128',
    layers: [{ is: 'lstm', size: 128 }],
    input: [32, 32, 64],
    passes: [...both, 'train'],
    quick: true,
    planned: true,
  },
  { case: 'LSTM 256', layers: [{ is: 'lstm', size: 256 }], input: [64, 64, 256], passes: both },
  {
    case: 'LSTM 64, one sequence',
    layers: [{ is: 'lstm', size: 64 }],
    input: [50, 1, 32],
    passes: both,
    planned: true,
  },
  { case: 'GRU 128', layers: [{ is: 'gru', size: 128 }], input: [32, 32, 64], passes: both },
  { case: 'GRU 256', layers: [{ is: 'gru', size: 256 }], input: [64, 64, 256], passes: both },
]);

export const attention = layersSuite('attention', 'self-attention and encoder layers, batch first, from TypeScript', [
  {
    case: '4 heads of 16',
    layers: [{ is: 'attention', heads: 4 }],
    input: [32, 32, 64],
    passes: both,
    quick: true,
    planned: true,
  },
  { case: '8 heads of 64', layers: [{ is: 'attention', heads: 8 }], input: [8, 128, 512], passes: both },
  { case: '8 heads of 32, long', layers: [{ is: 'attention', heads: 8 }], input: [2, 512, 256], passes: both },
  {
    case: 'encoder, 4 heads of 16',
    layers: [{ is: 'encoder', heads: 4, hidden: 256 }],
    input: [32, 32, 64],
    passes: both,
    planned: true,
  },
  {
    case: 'encoder, 8 heads of 64',
    layers: [{ is: 'encoder', heads: 8, hidden: 2048 }],
    input: [4, 128, 512],
    passes: both,
    planned: true,
  },
]);

export const lenetOf = (first: number, second: number, ...units: readonly number[]): readonly LayerForm[] => [
  { is: 'conv', channels: first, kernel: 5, relu: true },
  { is: 'maxPool', size: 2, stride: 2 },
  { is: 'conv', channels: second, kernel: 5, relu: true },
  { is: 'maxPool', size: 2, stride: 2 },
  { is: 'flatten' },
  ...units.map((n): LayerForm => ({ is: 'dense', units: n, relu: true })),
  { is: 'dense', units: 10 },
];

const batches = [1, 32, 128];
export const lenet = layersSuite(
  'lenet',
  'LeNet on pictures of 28 x 28 pixels, from TypeScript: forwards, and training steps with SGD',
  (
    [
      ['6-16-120-84', lenetOf(6, 16, 120, 84)],
      ['20-50-500', lenetOf(20, 50, 500)],
    ] as const
  ).flatMap(([name, layers]) =>
    batches.map(
      (batch): Wanted => ({
        case: name,
        layers,
        input: [batch, 1, 28, 28],
        passes: batch === 1 ? ['predict'] : ['predict', 'train'],
        quick: batch === 32,
        planned: true,
      }),
    ),
  ),
);
