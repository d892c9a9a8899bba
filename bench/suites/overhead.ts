import type { Spec } from '../contenders/protocol.js';
import { worker } from '../contenders/workers.js';
import { comparisonSuite } from './comparison.js';

/** What is called; the worker knows how. */
const overheadBodies = [
  'empty',
  'x.add(y)',
  'x.mul(2)',
  'x.relu()',
  'x.reshape([1, 1])',
  'x.add(y), recorded',
  'zeros([1])',
  'forward 20-256-10, batch 1',
  'the same by a plan',
  'a plan of 1-1-1, batch 1',
] as const;

export interface OverheadSpec extends Spec {
  readonly kind: 'overhead';
  readonly body: (typeof overheadBodies)[number];
}

const EMPTY = 'an empty call';

export const overhead = comparisonSuite({
  name: 'overhead',
  about:
    'what a call costs: operations on one element, as a multiple of an empty Node-API call with one object for its argument, in the same rounds',
  peers: [],
  ours: threads => worker('latent', [String(threads)]),
  cases() {
    const spec = (body: OverheadSpec['body']): OverheadSpec => ({ kind: 'overhead', body });
    return overheadBodies
      .filter(body => body !== 'empty')
      .map(body => ({
        case: body,
        shape: body.startsWith('forward') || body.startsWith('the same') ? '1x20' : '1',
        unit: 'ns' as const,
        better: 'less' as const,
        figure: (seconds: number) => seconds * 1e9,
        spec: spec(body),
        tolerance: 0,
        baselines: { [EMPTY]: spec('empty') },
        roofs: [],
      }));
  },
});
