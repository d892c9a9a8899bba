import type { Stats } from 'node:fs';

/** The system's own errors, told by what they have: in jest they come from another realm, and are no `Error` of ours. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return typeof error === 'object' && error !== null && 'code' in error && 'syscall' in error;
}

/** The system's code, `ENOENT` and the like; undefined for any other error. */
export function codeOf(error: unknown): string | undefined {
  return isSystemError(error) ? error.code : undefined;
}

/** More interruptions of one call than this are an error. */
const MOST_INTERRUPTIONS = 100;

/** Makes a call again that a signal has interrupted. Not for `close`, after which the descriptor is gone in any case. */
export function retried<R>(call: () => R): R {
  for (let i = 0; ; i++) {
    try {
      return call();
    } catch (error) {
      if (codeOf(error) !== 'EINTR' || i === MOST_INTERRUPTIONS) throw error;
    }
  }
}

/** The same for a call that goes on beside the program and calls back. */
export async function retriedBeside<R>(
  call: (done: (error: NodeJS.ErrnoException | null, result: R) => void) => void,
): Promise<R> {
  for (let i = 0; ; i++) {
    try {
      return await new Promise<R>((resolve, reject) => {
        call((error, result) => (error === null ? resolve(result) : reject(error)));
      });
    } catch (error) {
      if (codeOf(error) !== 'EINTR' || i === MOST_INTERRUPTIONS) throw error;
    }
  }
}

/** Does what tidies up after an error, which is the one to tell; false where this fails too. */
export function attempt(body: () => void): boolean {
  try {
    body();
    return true;
  } catch {
    return false;
  }
}

/** The kind of something that is no regular file, for messages. */
export function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  return stats.isFile() ? 'a file' : 'a device';
}
