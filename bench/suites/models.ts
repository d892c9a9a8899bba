import { join } from 'node:path';
import { onnxruntime } from '../contenders/node-peers.js';
import { openvino } from '../contenders/openvino.js';
import { compiledPytorch, pytorch } from '../contenders/pytorch.js';
import { worker } from '../contenders/workers.js';
import { root } from '../root.js';
import {
  type FineTuningSpec,
  inputOf,
  type ModelSpec,
  type NetName,
  pictureNets,
  SIDE,
  sequenceNets,
  trainedNets,
} from '../workers/models.js';
import { type Comparison, comparisonSuite } from './comparison.js';
import { EAGER } from './names.js';
import type { Suite } from './suite.js';

/** Every contender takes the net, or the parameters, that ours has written. */
const fileOf = (net: string, ending: string): string =>
  join(root, 'build', 'bench', `${net.replace(/[^\w-]+/g, '-')}.${ending}`);

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
          const spec: ModelSpec = { kind: 'model', net, ...inputOf(net, batch), model: fileOf(net, 'onnx') };
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

const BATCH = 8;

export const fineTuning = comparisonSuite({
  name: 'finetune',
  about: `training steps of convolutional nets, ${BATCH} pictures of ${SIDE}x${SIDE}, SGD with momentum, by hand and compiled`,
  peers: [pytorch, compiledPytorch],
  timeout: 900_000,
  ours: threads => worker('latent', [String(threads)]),
  cases: ({ quick }) =>
    (quick ? trainedNets.slice(0, 1) : trainedNets).flatMap((net): Comparison[] => {
      const spec: FineTuningSpec = {
        kind: 'fineTuning',
        net,
        ...inputOf(net, BATCH),
        // Larger steps part ways within a few: which side of a bound of relu6 a value is on depends on its last bits.
        rate: 1e-5,
        momentum: 0.9,
        planned: false,
        parameters: fileOf(net, 'parameters'),
      };
      const byHand: Comparison = {
        case: net,
        shape: `batch ${BATCH}`,
        unit: 'ms',
        better: 'less',
        figure: seconds => seconds * 1e3,
        spec,
        tolerance: 1e-3,
        without: [compiledPytorch.name],
        roofs: [],
      };
      const compiled: Comparison = {
        ...byHand,
        case: `${net}, compiled`,
        spec: { ...spec, planned: true },
        without: [],
        baselines: { [EAGER]: spec },
      };
      return [byHand, compiled];
    }),
});
