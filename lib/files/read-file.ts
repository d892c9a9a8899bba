import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { FileError } from '../errors.js';
import { attempt, isSystemError, kindOf, retried } from '../support/system-errors.js';

function failure(path: string, cause: unknown): FileError {
  return new FileError(`Cannot read ${path}: ${isSystemError(cause) ? cause.message : String(cause)}`, { cause });
}

function called<R>(path: string, call: () => R): R {
  try {
    return retried(call);
  } catch (cause) {
    throw failure(path, cause);
  }
}

/** Whether there is something at a path. */
export function isThere(path: string): boolean {
  return called(path, () => statSync(path, { throwIfNoEntry: false })) !== undefined;
}

function checkKind(path: string, stats: Stats): void {
  if (!stats.isFile())
    throw new FileError(`Cannot read ${path}: it is ${kindOf(stats)}, and only a regular file is read`);
}

/** A file read by position, never mapped: a mapped file that shrinks kills the process. */
export class FileReader {
  readonly #fd: number;
  readonly size: number;

  constructor(readonly path: string) {
    // Before it is opened, for that alone does things to a pipe or a device.
    checkKind(
      path,
      called(path, () => statSync(path)),
    );
    // A pipe may have come since: to open it must not wait for a writer.
    this.#fd = called(path, () => openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)));
    try {
      const stats = called(path, () => fstatSync(this.#fd));
      checkKind(path, stats);
      this.size = stats.size;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Fills `bytes` from a position on; false when the file ends before. */
  read(bytes: Uint8Array, position: number): boolean {
    for (let at = 0; at < bytes.length; ) {
      const from = at;
      const n = called(this.path, () => readSync(this.#fd, bytes, from, bytes.length - from, position + from));
      if (n === 0) return false;
      at += n;
    }
    return true;
  }

  /** Closes the file. An error of closing is ignored: the bytes have been read. */
  close(): void {
    attempt(() => closeSync(this.#fd));
  }
}
