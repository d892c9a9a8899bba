/** The library as its users have it, through its public interface. */
import { readFileSync } from 'node:fs';
import { type nn, setNumThreads, tensor } from 'latent';
import { Batcher } from '../../examples/support/batcher.js';
import type { OverheadSpec } from '../suites/overhead.js';
import { type DeferredSpec, deferredJob } from './latent-deferred.js';
import { type DenseSpec, denseJob } from './latent-dense.js';
import { type ElementwiseSpec, elementwiseJob } from './latent-elementwise.js';
import { layersJob } from './latent-layers.js';
import { type MemorySpec, memoryJob } from './latent-memory.js';
import { type MnistSpec, mnistJob } from './latent-mnist.js';
import { fineTuningJob, modelJob } from './latent-model.js';
import { batchOf, forwardJob, netOf, trainJob } from './latent-net.js';
import { overheadJob } from './latent-overhead.js';
import type { LayersSpec } from './layers.js';
import type { FineTuningSpec, ModelSpec } from './models.js';
import type { NetSpec, TrainSpec } from './nets.js';
import { type PredictionsSpec, predictionsJob } from './predictions.js';
import { serve } from './serve.js';
import { type ServingSpec, servingJob } from './serving.js';

const threads = Number(process.argv[2]);
const { version } = JSON.parse(readFileSync(require.resolve('latent/package.json'), 'utf8')) as { version: string };

void serve(version, spec => {
  setNumThreads(typeof spec.threads === 'number' ? spec.threads : threads);
  switch (spec.kind) {
    case 'forward':
      return forwardJob(spec as NetSpec);
    case 'predictions': {
      const net = netOf(spec as NetSpec);
      const x = batchOf(spec as NetSpec);
      return predictionsJob(
        spec as PredictionsSpec,
        () => net.predict(x),
        () => net.predictSync(x),
      );
    }
    case 'serving': {
      const net = netOf(spec as NetSpec) as unknown as nn.Block;
      if ((spec as ServingSpec).batching === 'micro-batches') {
        const batcher = new Batcher(net, (spec as ServingSpec).sizes[0] as number);
        return servingJob(row => batcher.predict(row));
      }
      return servingJob(async row => {
        const y = await net.predict(tensor(row, { shape: [1, row.length] }));
        return y.toTypedArray() as Float32Array;
      });
    }
    case 'train':
      return trainJob(spec as TrainSpec);
    case 'memory':
      return memoryJob(spec as MemorySpec);
    case 'elementwise':
      return elementwiseJob(spec as ElementwiseSpec);
    case 'dense':
      return denseJob(spec as DenseSpec);
    case 'overhead':
      return overheadJob(spec as OverheadSpec);
    case 'layers':
      return layersJob(spec as LayersSpec);
    case 'model':
      return modelJob(spec as ModelSpec);
    case 'fineTuning':
      return fineTuningJob(spec as FineTuningSpec);
    case 'mnist':
      return mnistJob(spec as MnistSpec);
    case 'deferred':
      return deferredJob(spec as DeferredSpec);
    default:
      throw new Error(`there is no job of kind '${spec.kind}'`);
  }
});
