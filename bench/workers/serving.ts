import type { Server } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { listen, serverOf } from '../../examples/serve.js';
import type { NetSpec } from './nets.js';
import type { Job } from './serve.js';

/** An HTTP server whose requests are rows for a net. */
export interface ServingSpec extends NetSpec {
  readonly kind: 'serving';
  readonly batching: 'micro-batches' | 'one by one';
}

/** A server whose answer is its port. It stands while it is timed: an iteration is a millisecond in which it may be asked. */
export async function servingJob(predict: (row: Float32Array) => Promise<Float32Array>): Promise<Job> {
  const server: Server = serverOf(predict);
  const port = await listen(server, 0);
  return {
    answer: () => [port],
    async time(iterations) {
      await setTimeout(iterations);
      return iterations / 1000;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
