import { memory } from 'latent';
import type { Spec } from '../contenders/protocol.js';
import { layersStep } from './latent-layers.js';
import { trainStep } from './latent-net.js';
import type { LayersSpec } from './layers.js';
import type { TrainSpec } from './nets.js';
import type { Job } from './serve.js';

/** Bytes, in the order of this job's answer. */
export interface MemoryUse {
  /** The most that tensors took, dead ones that weren't yet noticed included, in the first step and in all. */
  readonly firstStep: number;
  readonly peak: number;
  /** The native memory of tensors after the last step, once dead ones are freed. */
  readonly left: number;
  /** The process's memory at its most, and at the end. */
  readonly peakResident: number;
  readonly resident: number;
}

/** The training of a dense net, or of the layers that it has. */
export type MemorySpec = TrainSpec | (Spec & { readonly layers: LayersSpec });

/** Trains in `time`, an iteration a step, and answers what it took. */
export function memoryJob(spec: MemorySpec): Job {
  memory.collect();
  const step = 'layers' in spec ? layersStep(spec.layers as LayersSpec) : trainStep(spec as TrainSpec);
  step();
  const firstStep = memory.info().peakBytes;
  return {
    time(iterations) {
      const start = performance.now();
      for (let i = 0; i < iterations; i++) step();
      return (performance.now() - start) / 1000;
    },
    answer() {
      const resident = process.memoryUsage.rss();
      const peakResident = process.resourceUsage().maxRSS * 1024;
      const peak = memory.info().peakBytes;
      memory.collect();
      const { liveBytes: left } = memory.info();
      const use: MemoryUse = { firstStep, peak, left, peakResident, resident };
      return [use.firstStep, use.peak, use.left, use.peakResident, use.resident];
    },
  };
}
