import type { Spec } from '../contenders/protocol.js';

export const pictureNets = ['MobileNetV2', 'EfficientNet-B0', 'ResNet-18', 'ResNet-50'] as const;

export interface PicturesSpec extends Spec {
  readonly kind: 'pictures';
  readonly net: (typeof pictureNets)[number];
  readonly batch: number;
  /** The net's ONNX file, which all others read. */
  readonly model: string;
  /** Ours by a plan with such tiles; by a plan as it is by default, which also writes the file, where it is left out. */
  readonly winograd?: 0 | 2 | 4;
}

/** Rows and columns of a picture. */
export const SIDE = 224;

export const shapeOf = ({ batch }: PicturesSpec): readonly [number, number, number, number] => [batch, 3, SIDE, SIDE];
