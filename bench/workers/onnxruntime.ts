/** onnxruntime-node with all its graph optimisations. */
import { inputOf, layersOf, type NetSpec } from './nets.js';
import { modelOf } from './onnx-model.js';
import { requirePeer, versionOf } from './peer-package.js';
import { asyncCalls, serve } from './serve.js';

interface OrtTensor {
  readonly data: Float32Array;
}
interface OrtSession {
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}
interface Ort {
  readonly Tensor: new (type: string, data: Float32Array, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<OrtSession> };
}

const threads = Number(process.argv[2]);
const ort = requirePeer('onnxruntime-node') as Ort;

void serve(versionOf('onnxruntime-node'), async spec => {
  const net = spec as NetSpec;
  const session = await ort.InferenceSession.create(modelOf(layersOf(net), net.batch), {
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  const x = new ort.Tensor('float32', inputOf(net), [net.batch, net.sizes[0] as number]);
  return {
    ...asyncCalls(
      () => session.run({ x }),
      async () => ((await session.run({ x })).y as OrtTensor).data,
    ),
    close: () => void session.release(),
  };
});
