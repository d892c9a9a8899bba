import { pytorch } from '../contenders/pytorch.js';
import type { LayerForm } from '../workers/layers.js';
import { layersSuite, type Wanted } from './layers.js';

const layer = (name: string, input: readonly number[], form: LayerForm): Wanted => ({
  case: name,
  layers: [form],
  input,
  passes: ['predict', 'both'],
});

const conv = (
  name: string,
  input: readonly number[],
  channels: number,
  kernel: number | readonly number[],
  options: Partial<Extract<LayerForm, { is: 'conv' }>> = {},
): Wanted => layer(name, input, { is: 'conv', channels, kernel, ...options });

const up = (
  name: string,
  input: readonly number[],
  channels: number,
  kernel: number,
  options: Partial<Extract<LayerForm, { is: 'convTranspose' }>> = {},
): Wanted => layer(name, input, { is: 'convTranspose', channels, kernel, ...options });

const dense = (name: string, input: readonly number[], units: number, bias = true): Wanted =>
  layer(name, input, { is: 'dense', units, bias });

/** Of each kind one, measured with --quick as well. */
const quickly = [
  "ConvNeXt's first",
  "MobileNet's depthwise 3x3",
  "Whisper's first",
  'table, one output',
  "ViT-Ti's attention",
  "BERT's LayerNorm",
];

/** Single layers of known models, at their models' sizes. */
export const zoo = layersSuite(
  'zoo',
  'single layers of known models, as calls from TypeScript: forward, and forward and backward',
  [
    conv("ViT-B/16's patches", [2, 3, 224, 224], 768, 16, { stride: 16 }),
    conv("ConvNeXt's first", [2, 3, 224, 224], 96, 4, { stride: 4 }),
    conv("ConvNeXt's depthwise", [2, 96, 56, 56], 96, 7, { padding: 3, groups: 96 }),
    conv("ConvNeXt's downsampling", [2, 96, 56, 56], 192, 2, { stride: 2 }),
    conv("ResNet's first", [2, 3, 224, 224], 64, 7, { stride: 2, padding: 3, bias: false }),
    conv("ResNet-50's last 1x1", [2, 512, 7, 7], 2048, 1, { bias: false }),
    conv("ResNet-50's 3x3 with stride 2", [2, 256, 28, 28], 256, 3, { stride: 2, padding: 1, bias: false }),
    conv("ResNeXt's 32 groups", [2, 256, 28, 28], 256, 3, { padding: 1, groups: 32, bias: false }),
    conv("AlexNet's 5x5", [4, 64, 27, 27], 192, 5, { padding: 2 }),
    conv("VGG's 3x3 of 512", [1, 512, 28, 28], 512, 3, { padding: 1 }),
    conv("VGG's second", [1, 64, 224, 224], 64, 3, { padding: 1 }),
    conv("Inception's 1x7", [2, 160, 17, 17], 192, [1, 7], { padding: [0, 3] }),
    conv("EfficientNet's squeeze", [8, 1152, 1, 1], 48, 1),
    conv("EfficientNet's depthwise 5x5", [2, 240, 28, 28], 240, 5, {
      stride: 2,
      padding: 2,
      groups: 240,
      bias: false,
    }),
    conv("MobileNet's depthwise 3x3", [4, 384, 14, 14], 384, 3, { padding: 1, groups: 384, bias: false }),
    conv("YOLO's head", [1, 256, 20, 20], 255, 1),
    conv("ESPCN's last", [1, 64, 96, 96], 12, 3, { padding: 1 }),
    conv('spectrogram', [2, 1, 80, 300], 32, 3, { stride: 2 }),
    conv("LeNet's second", [256, 6, 14, 14], 16, 5),
    up("U-Net's up 2x2", [1, 256, 28, 28], 128, 2, { stride: 2 }),
    up("DCGAN's first", [8, 100, 1, 1], 512, 4, { bias: false }),
    up("DCGAN's last", [8, 64, 32, 32], 3, 4, { stride: 2, padding: 1, bias: false }),
    up("HiFi-GAN's up 16", [1, 256, 128], 128, 16, { stride: 8, padding: 4 }),
    conv("Whisper's first", [1, 80, 3000], 384, 3, { padding: 1 }),
    conv("wav2vec's first", [1, 1, 16000], 512, 10, { stride: 5, bias: false }),
    conv("wav2vec's positions", [1, 768, 49], 768, 128, { padding: 64, groups: 16 }),
    conv('filter bank of 512', [1, 1, 16000], 514, 512, { stride: 160, bias: false }),
    conv("WaveNet's dilated", [2, 64, 2048], 128, 2, { dilation: 512 }),
    conv("TCN's dilated", [4, 32, 500], 32, 7, { padding: 24, dilation: 8 }),
    dense("BERT's feed-forward", [512, 768], 3072),
    dense("BERT's pooler", [1, 768], 768),
    dense("GPT-2's head", [64, 768], 50257, false),
    dense('table, one output', [10000, 13], 1),
    dense('table, wide batch', [8192, 30], 64),
    dense("recommender's tower", [2048, 429], 1024),
    dense("ViT-Ti's projections", [4, 197, 192], 576),
    layer("ViT-B's attention", [2, 197, 768], { is: 'attention', heads: 12 }),
    layer("ViT-Ti's attention", [8, 197, 192], { is: 'attention', heads: 3 }),
    layer("GPT-2's attention", [2, 256, 768], { is: 'attention', heads: 12, causal: true }),
    layer('language model, LSTM 650', [35, 20, 650], { is: 'lstm', size: 650, layers: 2 }),
    layer('text recognition, BiLSTM 256', [26, 8, 512], { is: 'lstm', size: 256, bidirectional: true }),
    layer('translation, GRU 1024', [30, 16, 512], { is: 'gru', size: 1024 }),
    layer("BERT's LayerNorm", [8, 128, 768], { is: 'layerNorm' }),
    layer("ResNet's late BatchNorm", [4, 2048, 7, 7], { is: 'batchNorm' }),
    layer("U-Net's GroupNorm", [2, 320, 32, 32], { is: 'groupNorm', groups: 32 }),
    layer("GPT-2's loss", [64, 50257], { is: 'crossEntropy' }),
    layer("ResNet's max pool", [4, 64, 112, 112], { is: 'maxPool', size: 3, stride: 2, padding: 1 }),
    layer("ResNet's last pool", [4, 2048, 7, 7], { is: 'avgPool', size: 7, stride: 1 }),
    layer("BERT's embedding", [16, 128], { is: 'embedding', rows: 30522, units: 768 }),
  ].map(one => ({ ...one, quick: quickly.includes(one.case) })),
  [pytorch],
);
