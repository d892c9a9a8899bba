import { OutOfMemoryError } from '../errors.js';
import { builtin } from './builtin.js';

/** Below this nothing is asked: it fits any heap. */
const FREE = 1e7;

/**
 * Refuses to build JavaScript objects of about so many bytes where the heap has no room for them: V8 would end the
 * process, not throw.
 */
export function checkHeap(who: string, bytes: number, advice: string): void {
  if (bytes < FREE) return;
  const { heap_size_limit: limit, used_heap_size: used } = builtin.v8().getHeapStatistics();
  if (bytes <= limit - used) return;
  const mb = (n: number) => `${Math.round(n / 1e6).toLocaleString('en-US')} MB`;
  throw new OutOfMemoryError(
    `${who} would take about ${mb(bytes)} of JavaScript heap, which has ${mb(limit - used)} left; ${advice}`,
  );
}
