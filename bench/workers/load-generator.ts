import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer } from '../contenders/peer.js';
import { root } from '../root.js';
import { uniform } from './generate.js';
import { requirePeer } from './peer-package.js';

interface Outcome {
  readonly requests: { readonly total: number };
  readonly duration: number;
  readonly latency: { readonly p99: number };
  readonly errors: number;
  readonly non2xx: number;
}

type Autocannon = (options: object) => Promise<Outcome>;

/** What a server stood. */
export interface Loaded {
  readonly perSecond: number;
  /** Whole milliseconds within which 99 of 100 answers came; 1 is the least. */
  readonly p99: number;
  readonly failed: number;
}

const NAME = 'autocannon';

/** What asks, as the benchmark lists what a machine lacks. */
export const loadGenerator: { readonly installed: boolean; readonly peer: Peer } = {
  installed: existsSync(join(root, 'bench', 'node_modules', NAME)),
  peer: { name: NAME, install: 'npm ci --prefix bench --ignore-scripts', find: () => null },
};

/** Requests to a server on this machine, each as soon as the one before it on its connection is answered. */
export class Load {
  readonly #body: Buffer;

  constructor(
    private readonly port: number,
    bytes: number,
  ) {
    const row = uniform(new Float32Array(bytes / 4), 1);
    this.#body = Buffer.from(row.buffer);
  }

  async run(connections: number, seconds: number): Promise<Loaded> {
    const autocannon = requirePeer(NAME) as Autocannon;
    const { requests, latency, duration, errors, non2xx } = await autocannon({
      url: `http://127.0.0.1:${this.port}/predict`,
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: this.#body,
      connections,
      duration: seconds,
    });
    return { perSecond: requests.total / duration, p99: Math.max(1, latency.p99), failed: errors + non2xx };
  }
}
