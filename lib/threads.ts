import { ArgumentError } from './errors.js';
import { ints, Place, session } from './native/register.js';
import { checkInteger } from './support/check.js';

/** The number of threads that operations use, in the whole process. 1 computes on the calling thread alone. */
export function setNumThreads(n: number): void {
  if (checkInteger('setNumThreads', n, 1) > 1024)
    throw new ArgumentError(`setNumThreads takes at most 1024, but got ${n}`);
  session.setThreads(n);
}

/** By default what the process may use: its CPU affinity and container quota; LATENT_NUM_THREADS overrides. */
export function getNumThreads(): number {
  session.getThreads();
  return ints[Place.outputId] as number;
}
