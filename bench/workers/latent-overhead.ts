import { dirname, join } from 'node:path';
import { autograd, nn, random, zeros } from 'latent';
import type { OverheadSpec } from '../suites/overhead.js';
import { calls, type Job } from './serve.js';

/** A native call that does nothing, with an object for its argument: through a session of the benchmark's own. */
function emptyCall(): () => void {
  const addon = require(join(dirname(require.resolve('latent/package.json')), 'build', 'Release', 'latent.node')) as {
    readonly protocol: { readonly limits: { readonly intPlaces: number; readonly realPlaces: number } };
    openSession(register: ArrayBuffer): { emptyCall(handle: object): void };
  };
  const { intPlaces, realPlaces } = addon.protocol.limits;
  const session = addon.openSession(new ArrayBuffer(4 * intPlaces + 8 * realPlaces));
  const handle = {};
  return () => session.emptyCall(handle);
}

/** A job within a recording scope of its own for each round, so that the scope counts once for all iterations. */
function recorded(job: Job): Job {
  return { time: (iterations, warmup) => autograd.record(() => job.time(iterations, warmup)) };
}

function forwardOf(inputs: number, hidden: number, outputs: number, planned: boolean): () => unknown {
  const net = new nn.Sequential(new nn.Dense(hidden, { activation: 'relu' }), new nn.Dense(outputs));
  net.initialize();
  if (planned) net.hybridize();
  const row = random.uniform([1, inputs]);
  return () => net(row);
}

export function overheadJob({ body }: OverheadSpec): Job {
  const x = random.uniform([1]);
  const y = random.uniform([1]);
  switch (body) {
    case 'empty':
      return calls(emptyCall());
    case 'x.add(y)':
      return calls(() => x.add(y));
    case 'x.mul(2)':
      return calls(() => x.mul(2));
    case 'x.relu()':
      return calls(() => x.relu());
    case 'x.reshape([1, 1])':
      return calls(() => x.reshape([1, 1]));
    case 'zeros([1])':
      return calls(() => zeros([1]));
    case 'x.add(y), recorded': {
      const w = random.uniform([1]).attachGrad();
      return recorded(calls(() => w.add(y)));
    }
    case 'forward 20-256-10, batch 1':
      return calls(forwardOf(20, 256, 10, false));
    case 'the same by a plan':
      return calls(forwardOf(20, 256, 10, true));
    case 'a plan of 1-1-1, batch 1':
      return calls(forwardOf(1, 1, 1, true));
  }
}
