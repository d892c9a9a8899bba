import { onnxruntime, tfjs } from '../contenders/node-peers.js';
import { pytorch } from '../contenders/pytorch.js';
import { worker } from '../contenders/workers.js';
import type { NetSpec } from '../workers/nets.js';
import { comparisonSuite } from './comparison.js';
import { EAGER, OF_PEAK } from './names.js';
import { forwardFlops, nameOf, nets } from './nets.js';

const spec = (sizes: readonly number[], batch: number): NetSpec => ({ kind: 'forward', sizes, batch });
const planned = (sizes: readonly number[], batch: number): NetSpec => ({ ...spec(sizes, batch), planned: true });

export const forward = comparisonSuite({
  name: 'forward',
  about:
    "forwards of dense nets with relu between their layers, by plans, from TypeScript, against runtimes' own interfaces",
  peers: [onnxruntime, pytorch, tfjs],
  ours: threads => worker('latent', [String(threads)]),
  cases({ quick, threads }) {
    return nets.flatMap(sizes =>
      (quick ? [1, 64] : [1, 8, 64, 1024]).map(batch => ({
        case: nameOf(sizes),
        shape: `batch ${batch}`,
        unit: 'µs' as const,
        better: 'less' as const,
        figure: (seconds: number) => seconds * 1e6,
        spec: planned(sizes, batch),
        tolerance: 1e-4,
        baselines: { [EAGER]: spec(sizes, batch) },
        // Several times slower than all others: the largest batches would take most of the run.
        without: threads > 1 || batch > 64 ? [tfjs.name] : [],
        roofs: [{ name: OF_PEAK, roof: { kind: 'fma' as const, work: forwardFlops(sizes, batch) } }],
      })),
    );
  },
});
