import { join } from 'node:path';
import { onnxruntime } from '../contenders/node-peers.js';
import { openvino } from '../contenders/openvino.js';
import { compiledPytorch, pytorch } from '../contenders/pytorch.js';
import { worker } from '../contenders/workers.js';
import { root } from '../root.js';
import { inputOf, type ModelSpec, type NetName, pictureNets, SIDE, sequenceNets } from '../workers/models.js';
import { type Comparison, comparisonSuite } from './comparison.js';
import type { Suite } from './suite.js';

/** Every contender takes the net that ours has written. */
const modelOf = (net: string): string => join(root, 'build', 'bench', `${net.replace(/[^\w-]+/g, '-')}.onnx`);

function modelSuite(
  name: string,
  about: string,
  nets: readonly NetName[],
  quickly: readonly NetName[],
  batches: readonly number[],
  baselines: (spec: ModelSpec) => Comparison['baselines'],
): Suite {
  return comparisonSuite({
    name,
    about,
    peers: [onnxruntime, openvino, pytorch, compiledPytorch],
    ours: threads => worker('latent', [String(threads)]),
    // A net is compiled before it answers.
    timeout: 600_000,
    cases: ({ quick }) =>
      (quick ? quickly : nets).flatMap(net =>
        (quick ? [1] : batches).map((batch): Comparison => {
          const spec: ModelSpec = { kind: 'model', net, ...inputOf(net, batch), model: modelOf(net) };
          const given = baselines(spec);
          return {
            case: net,
            shape: `batch ${batch}`,
            unit: 'ms',
            better: 'less',
            figure: seconds => seconds * 1e3,
            spec,
            tolerance: 1e-3,
            ...(given === undefined ? {} : { baselines: given }),
            roofs: [],
          };
        }),
      ),
  });
}

export const pictures = modelSuite(
  'pictures',
  `predictions of convolutional nets for pictures of ${SIDE}x${SIDE}, by plans; peers have our own ONNX files`,
  pictureNets,
  ['MobileNetV2', 'ResNet-18'],
  [1, 8],
  spec => ({ 'tap by tap': { ...spec, winograd: 0 }, 'tiles of 4x4': { ...spec, winograd: 4 } }),
);

export const sequences = modelSuite(
  'sequences',
  'predictions of nets for sequences of patches, tokens and samples, by plans; peers have our own ONNX files',
  sequenceNets,
  ['ViT-Ti'],
  [1, 8],
  () => undefined,
);
