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
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
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

/** A name beside a file that nobody else has. */
function temporaryBeside(to: string): string {
  return join(dirname(to), `.${basename(to)}.${builtin.crypto().randomBytes(6).toString('hex')}.tmp`);
}

/** What a write that failed raises. */
function writeFailure(path: string, cause: unknown): unknown {
  if (!isSystemError(cause)) return cause;
  return new FileError(`Cannot write ${path}: ${message(cause)}; what was there before is unchanged`, { cause });
}

/**
 * Writes a file whole or not at all: into a temporary file beside it, to the disk, then renamed over it. A failure, or
 * the end of the process at any point, leaves the old file. Its mode and a symbolic link to it are kept.
 */
export function writeFileAtomically(path: string, chunks: Iterable<Uint8Array>): void {
  const to = target(path);
  const temporary = temporaryBeside(to);
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
    throw writeFailure(path, cause);
  }
}

/** The same beside the program: the event loop goes on while the disk is slow. The chunks must stay as they are. */
export async function writeFileBeside(path: string, chunks: readonly Uint8Array[]): Promise<void> {
  const to = target(path);
  const temporary = temporaryBeside(to);
  let file: FileHandle | undefined;
  let made = false;
  try {
    file = await open(temporary, 'wx', 0o666);
    made = true;
    const mode = modeOf(to);
    if (mode !== undefined) await file.chmod(mode);
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at, chunk.length - at)).bytesWritten;
    }
    await file.sync();
    const done = file;
    file = undefined;
    await done.close();
    await rename(temporary, to);
    syncFolder(dirname(to));
  } catch (cause) {
    // The first error is the one to tell; what could not be written may also not be removed.
    await file?.close().catch(() => undefined);
    if (made) await unlink(temporary).catch(() => undefined);
    throw writeFailure(path, cause);
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
