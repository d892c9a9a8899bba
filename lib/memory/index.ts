import { reals, session } from '../native/register.js';
import { checkRange } from '../support/check.js';

export interface MemoryInfo {
  /** Bytes that this thread's tensors take. */
  liveBytes: number;
  /** The most they ever took. */
  peakBytes: number;
  /** Bytes of freed buffers that the process keeps for the next ones. */
  pooledBytes: number;
  /** This thread's tensors. */
  tensors: number;
}

/** The native memory of tensors. Handles that are dead but not yet noticed count as live; see `collect`. */
export function info(): MemoryInfo {
  session.info();
  const [liveBytes = 0, peakBytes = 0, pooledBytes = 0, tensors = 0] = reals;
  return { liveBytes, peakBytes, pooledBytes, tensors };
}

/** Runs the garbage collector, frees the memory of all dead tensors and gives pooled buffers back. For tests and tools. */
export function collect(): void {
  session.collect();
}

/**
 * The bytes that the process's tensors may take together. An allocation past it frees what it can, then raises
 * OutOfMemoryError. `Infinity` and undefined restore the default: the smaller of the container's limit and the machine's
 * memory.
 */
export function setLimit(bytes?: number): void {
  const limit =
    bytes === undefined || bytes === Infinity ? 0 : checkRange('memory.setLimit', bytes, 1, Number.MAX_SAFE_INTEGER);
  session.setLimit(Math.floor(limit));
}
