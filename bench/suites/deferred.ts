import { worker } from '../contenders/workers.js';
import type { DeferredSpec } from '../workers/latent-deferred.js';
import { type Comparison, comparisonSuite } from './comparison.js';

const BATCH = 32;

function deferredCase(
  layers: number,
  width: number,
  part: DeferredSpec['part'],
  against: DeferredSpec['part'],
): Comparison {
  const spec = (which: DeferredSpec['part']): DeferredSpec => ({
    kind: 'deferred',
    part: which,
    layers,
    width,
    batch: BATCH,
  });
  return {
    case: part,
    shape: `${layers} layers of ${width}, batch ${BATCH}`,
    unit: 'ms',
    better: 'less',
    figure: seconds => seconds * 1000,
    spec: spec(part),
    tolerance: 0,
    baselines: { [against]: spec(against) },
    roofs: [],
  };
}

export const deferred = comparisonSuite({
  name: 'deferred',
  about:
    'what it costs that nobody writes an input size: the first call of a net against one that knew its sizes; and tracing',
  peers: [],
  ours: threads => worker('latent', [String(threads)]),
  cases: ({ quick }) => [
    deferredCase(quick ? 20 : 100, 512, 'first call', 'fill and forward'),
    deferredCase(100, 16, 'first call', 'fill and forward'),
    deferredCase(100, 16, 'shape pass', 'forward'),
    deferredCase(20, 16, 'call that traces', 'forward'),
  ],
});
