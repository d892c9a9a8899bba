import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { FileError } from '../errors.js';
import { builtin } from './builtin.js';

/** The system's own errors, told by what they have: in jest they come from another realm, and are no `Error` of ours. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return typeof error === 'object' && error !== null && 'code' in error && 'syscall' in error;
}

function message(error: unknown): string {
  return isSystemError(error) ? error.message : String(error);
}

/** More links than this are a loop. */
const LINKS = 40;

/** Where a path leads through symbolic links, also where there is nothing yet at their end. */
function target(path: string): string {
  let at = path;
  for (let i = 0; i < LINKS; i++) {
    try {
      return realpathSync(at);
    } catch {
      try {
        at = resolve(dirname(at), readlinkSync(at));
      } catch {
        return at;
      }
    }
  }
  return path;
}

function modeOf(path: string): number | undefined {
  try {
    return statSync(path).mode & 0o7777;
  } catch {
    return undefined;
  }
}

function writeFully(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
}

function syncFolder(folder: string): void {
  let fd: number;
  try {
    fd = openSync(folder, 'r');
  } catch {
    return; // some systems open no folders; the rename is then as durable as they make it
  }
  try {
    fsyncSync(fd);
  } catch {
    // as above
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes a file whole or not at all: into a temporary file beside it, to the disk, then renamed over it. A failure, or
 * the end of the process at any point, leaves the old file. Its mode and a symbolic link to it are kept.
 */
export function writeFileAtomically(path: string, chunks: Iterable<Uint8Array>): void {
  const to = target(path);
  const temporary = join(dirname(to), `.${basename(to)}.${builtin.crypto().randomBytes(6).toString('hex')}.tmp`);
  let fd: number | undefined;
  let made = false;
  try {
    fd = openSync(temporary, 'wx', 0o666);
    made = true;
    const mode = modeOf(to);
    if (mode !== undefined) fchmodSync(fd, mode);
    for (const chunk of chunks) writeFully(fd, chunk);
    fsyncSync(fd);
    const done = fd;
    fd = undefined;
    closeSync(done);
    renameSync(temporary, to);
    syncFolder(dirname(to));
  } catch (cause) {
    if (fd !== undefined) {
      try {
        closeSync(fd);
      } catch {
        // the first error is the one to tell
      }
    }
    if (made) {
      try {
        unlinkSync(temporary);
      } catch {
        // what could not be written may also not be removed
      }
    }
    if (isSystemError(cause)) {
      throw new FileError(`Cannot write ${path}: ${message(cause)}; what was there before is unchanged`, { cause });
    }
    throw cause;
  }
}

/** A file read by position, never mapped: a mapped file that shrinks kills the process. */
export class FileReader {
  readonly #fd: number;
  readonly size: number;

  constructor(readonly path: string) {
    try {
      this.#fd = openSync(path, 'r');
    } catch (cause) {
      throw new FileError(`Cannot read ${path}: ${message(cause)}`, { cause });
    }
    try {
      const facts = fstatSync(this.#fd);
      if (!facts.isFile()) throw new FileError(`Cannot read ${path}: it is no file`);
      this.size = facts.size;
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** Fills `bytes` from a position on; false when the file ends before. */
  read(bytes: Uint8Array, position: number): boolean {
    for (let at = 0; at < bytes.length; ) {
      let n: number;
      try {
        n = readSync(this.#fd, bytes, at, bytes.length - at, position + at);
      } catch (cause) {
        throw new FileError(`Cannot read ${this.path}: ${message(cause)}`, { cause });
      }
      if (n === 0) return false;
      at += n;
    }
    return true;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
