import { session } from '../native/register.js';

/** Buffers of fewer bytes are left to V8, which collects them in its own time. */
const LARGE = 2 ** 24;

/**
 * To be called when the last large buffer was let go of and before the next is made: one of so many bytes is freed. V8 frees
 * buffers beside the program, and waits for that only when it collects again.
 */
export function freeBuffers(bytes: number): void {
  if (bytes < LARGE) return;
  session.collect();
  session.collect();
}
