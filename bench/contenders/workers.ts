import { join } from 'node:path';
import type { Launch } from './contender.js';

/** How to start one of the benchmark's own Node workers. */
export function worker(name: string, args: readonly string[] = [], env: Launch['env'] = {}): Launch {
  return { label: '', file: process.execPath, args: [join(__dirname, '..', 'workers', `${name}.js`), ...args], env };
}

/** What every library reads its number of threads from. */
export function threadVariables(threads: number): Record<string, string> {
  const count = String(threads);
  return {
    OPENBLAS_NUM_THREADS: count,
    BLIS_NUM_THREADS: count,
    OMP_NUM_THREADS: count,
    MKL_NUM_THREADS: count,
    LATENT_NUM_THREADS: count,
  };
}
