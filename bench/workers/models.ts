import type { Spec } from '../contenders/protocol.js';
import { integers, uniform } from './generate.js';

export const pictureNets = ['MobileNetV2', 'EfficientNet-B0', 'ResNet-18', 'ResNet-50'] as const;
export const sequenceNets = ['ViT-Ti', 'BERT-small', "wav2vec's front end"] as const;

export const trainedNets = ['MobileNetV2', 'ResNet-18'] as const;

export type NetName = (typeof pictureNets)[number] | (typeof sequenceNets)[number];

/** A net that predicts; all others read the ONNX file that ours has written. */
export interface ModelSpec extends Spec {
  readonly kind: 'model';
  readonly net: NetName;
  readonly input: readonly number[];
  /** Where the input is whole numbers, from 0 up to this one. */
  readonly below?: number;
  /** The net's ONNX file. */
  readonly model: string;
  /** Ours by a plan with such tiles; by a plan as it is by default, which also writes the file, where it is left out. */
  readonly winograd?: 0 | 2 | 4;
}

/** A net that is trained, by hand or by a compiled step, always on the same batch. */
export interface FineTuningSpec extends Spec {
  readonly kind: 'fineTuning';
  readonly net: (typeof trainedNets)[number];
  readonly input: readonly number[];
  readonly rate: number;
  readonly momentum: number;
  readonly planned: boolean;
  /** The file of the parameters to begin with, one after the other as float32, which ours writes. */
  readonly parameters: string;
}

/** Rows and columns of a picture. */
export const SIDE = 224;

const VOCABULARY = 30522;

/** The shape of a net's input for a batch; where its values are whole numbers, also their end. */
export function inputOf(net: NetName, batch: number): { readonly input: readonly number[]; readonly below?: number } {
  switch (net) {
    case 'BERT-small':
      return { input: [batch, 128], below: VOCABULARY };
    case "wav2vec's front end":
      return { input: [batch, 1, 16_000] };
    default:
      return { input: [batch, 3, SIDE, SIDE] };
  }
}

export function modelInput({ input, below }: Pick<ModelSpec, 'input' | 'below'>): Float32Array | Int32Array {
  const size = input.reduce((a, b) => a * b);
  return below === undefined ? uniform(new Float32Array(size), 1) : integers(size, 1, below);
}
