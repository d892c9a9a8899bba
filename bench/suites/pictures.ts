import { join } from 'node:path';
import { onnxruntime } from '../contenders/node-peers.js';
import { openvino } from '../contenders/openvino.js';
import { worker } from '../contenders/workers.js';
import { root } from '../root.js';
import { type PicturesSpec, pictureNets, SIDE } from '../workers/pictures.js';
import { comparisonSuite } from './comparison.js';

/** Every contender takes the net that ours has written. */
const modelOf = (net: string): string => join(root, 'build', 'bench', `${net}.onnx`);

export const pictures = comparisonSuite({
  name: 'pictures',
  about: `predictions of convolutional nets for pictures of ${SIDE}x${SIDE}, by plans; peers have our own ONNX files`,
  peers: [onnxruntime, openvino],
  ours: threads => worker('latent', [String(threads)]),
  timeout: 180_000,
  cases: ({ quick }) =>
    (quick ? (['MobileNetV2', 'ResNet-18'] as const) : pictureNets).flatMap(net =>
      (quick ? [1] : [1, 8]).map(batch => {
        const spec: PicturesSpec = { kind: 'pictures', net, batch, model: modelOf(net) };
        return {
          case: net,
          shape: `batch ${batch}`,
          unit: 'ms' as const,
          better: 'less' as const,
          figure: (seconds: number) => seconds * 1e3,
          spec,
          tolerance: 1e-3,
          baselines: { 'tap by tap': { ...spec, winograd: 0 }, 'tiles of 4x4': { ...spec, winograd: 4 } },
          roofs: [],
        };
      }),
    ),
});
