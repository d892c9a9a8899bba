/** onnxruntime-node with all its graph optimisations. */
import { readFileSync } from 'node:fs';
import type { Spec } from '../contenders/protocol.js';
import { inputValues, type LayersSpec } from './layers.js';
import { type ModelSpec, modelInput } from './models.js';
import { inputOf, type NetSpec } from './nets.js';
import { layersModel, netModel } from './onnx-layers.js';
import { requirePeer, versionOf } from './peer-package.js';
import { type PredictionsSpec, predictionsJob } from './predictions.js';
import { asyncCalls, serve } from './serve.js';
import { servingJob } from './serving.js';

interface OrtTensor {
  readonly data: Float32Array;
}
interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}
interface Ort {
  readonly Tensor: new (type: string, data: Float32Array | Int32Array, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<OrtSession> };
}

const threads = Number(process.argv[2]);
const ort = requirePeer('onnxruntime-node') as Ort;

/** The model of a case, its input and that one's shape; or what of it there is no operator for. */
function caseOf(spec: Spec) {
  if (spec.kind === 'model') {
    const model = spec as ModelSpec;
    return { model: readFileSync(model.model), values: modelInput(model), shape: model.input };
  }
  if (spec.kind === 'layers') {
    const layers = spec as LayersSpec;
    return { model: layersModel(layers), values: inputValues(layers), shape: layers.input };
  }
  const net = spec as NetSpec;
  return { model: netModel(net), values: inputOf(net), shape: [net.batch, net.sizes[0] as number] };
}

void serve(versionOf('onnxruntime-node'), async spec => {
  const { model, values, shape } = caseOf(spec);
  if ('lacks' in model) return { unsupported: `it has no operator for ${model.lacks}`, time: () => 0 };
  const session = await ort.InferenceSession.create(model, {
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  const x = new ort.Tensor(values instanceof Int32Array ? 'int32' : 'float32', values, shape);
  if (spec.kind === 'serving') {
    return servingJob(async row => {
      const { y } = await session.run({ x: new ort.Tensor('float32', row, [1, row.length]) });
      return Float32Array.from((y as OrtTensor).data);
    });
  }
  if (spec.kind === 'predictions') {
    return {
      ...predictionsJob(spec as PredictionsSpec, () => session.run({ x }), null),
      close: () => void session.release(),
    };
  }
  const [input, output] = [session.inputNames[0] as string, session.outputNames[0] as string];
  return {
    ...asyncCalls(
      () => session.run({ [input]: x }),
      async () => ((await session.run({ [input]: x }))[output] as OrtTensor).data,
    ),
    close: () => void session.release(),
  };
});
