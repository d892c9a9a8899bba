import {
  closeSync,
  fchmodSync,
  fsync,
  fsyncSync,
  openSync,
  readlinkSync,
  realpathSync,
  rename,
  renameSync,
  statSync,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { FileError } from '../errors.js';
import { attempt, codeOf, isSystemError, kindOf, retried, retriedBeside } from '../support/system-errors.js';
import { holdTemporary, releaseTemporary, removeLeftovers, temporaryBeside } from './temporaries.js';

/** More links than this are a loop. */
const LINKS = 40;

/** Where a path leads through symbolic links, also where there is nothing yet at their end. */
function target(path: string): string {
  let at = resolve(path);
  for (let i = 0; ; i++) {
    try {
      return retried(() => realpathSync(at));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || i === LINKS) throw error;
    }
    try {
      at = resolve(
        dirname(at),
        retried(() => readlinkSync(at)),
      );
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EINVAL') throw error;
      return at;
    }
  }
}

/** The mode of the file that is about to be replaced; undefined where there is none. Raises for what is no file. */
function modeOf(path: string, to: string): number | undefined {
  const stats = retried(() => statSync(to, { throwIfNoEntry: false }));
  if (stats === undefined) return undefined;
  if (!stats.isFile())
    throw new FileError(`Cannot write ${path}: it is ${kindOf(stats)}, and only a regular file can be replaced`);
  return stats.mode & 0o7777;
}

/** Codes of systems that cannot open or sync a folder. The rename is then as durable as the system makes it. */
const noFolders = new Set(['EACCES', 'EBADF', 'EINVAL', 'EISDIR', 'ENOTSUP', 'EPERM']);

function openFolder(folder: string): number | null {
  try {
    return retried(() => openSync(folder, 'r'));
  } catch (error) {
    if (noFolders.has(codeOf(error) ?? '')) return null;
    throw error;
  }
}

/** Bytes that a write took; one that takes none would be repeated for ever. */
function taken(count: number): number {
  if (count > 0) return count;
  throw Object.assign(new Error('the system took none of the bytes'), { code: 'EIO', syscall: 'write' });
}

/**
 * A file that takes another's place: made beside it, and renamed over it once it is on the disk. Until then the old one is
 * as it was; whatever fails, no descriptor and no temporary file are left.
 */
class Replacement {
  readonly #path: string;
  #to = '';
  #temporary: string | null = null;
  #file: number | null = null;
  #folder: number | null = null;
  #isRenamed = false;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#begin();
    } catch (cause) {
      throw this.failed(cause);
    }
  }

  #begin(): void {
    this.#to = target(this.#path);
    const mode = modeOf(this.#path, this.#to);
    removeLeftovers(this.#to);
    this.#folder = openFolder(dirname(this.#to));
    const temporary = temporaryBeside(this.#to);
    holdTemporary(temporary);
    this.#temporary = temporary;
    const file = retried(() => openSync(temporary, 'wx', 0o666));
    this.#file = file;
    if (mode !== undefined) retried(() => fchmodSync(file, mode));
  }

  writeSync(bytes: Uint8Array): void {
    const file = this.#file as number;
    for (let at = 0; at < bytes.length; ) {
      const from = at;
      at += taken(retried(() => writeSync(file, bytes, from, bytes.length - from)));
    }
  }

  finishSync(): void {
    const file = this.#file as number;
    retried(() => fsyncSync(file));
    this.#close();
    retried(() => renameSync(this.#temporary as string, this.#to));
    this.#isRenamed = true;
    const folder = this.#folder;
    if (folder === null) return;
    try {
      retried(() => fsyncSync(folder));
    } catch (error) {
      if (!noFolders.has(codeOf(error) ?? '')) throw error;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    const file = this.#file as number;
    for (let at = 0; at < bytes.length; ) {
      const from = at;
      at += taken(await retriedBeside<number>(done => write(file, bytes, from, bytes.length - from, null, done)));
    }
  }

  async finish(): Promise<void> {
    const file = this.#file as number;
    await retriedBeside<void>(done => fsync(file, done as (error: NodeJS.ErrnoException | null) => void));
    this.#close();
    const temporary = this.#temporary as string;
    await retriedBeside<void>(done =>
      rename(temporary, this.#to, done as (error: NodeJS.ErrnoException | null) => void),
    );
    this.#isRenamed = true;
    const folder = this.#folder;
    if (folder === null) return;
    try {
      await retriedBeside<void>(done => fsync(folder, done as (error: NodeJS.ErrnoException | null) => void));
    } catch (error) {
      if (!noFolders.has(codeOf(error) ?? '')) throw error;
    }
  }

  /** At once, also amid work beside the program: a close that waits its turn would be lost with the thread. */
  #close(): void {
    const file = this.#file as number;
    this.#file = null;
    try {
      closeSync(file);
    } catch (error) {
      if (codeOf(error) !== 'EINTR') throw error;
    }
  }

  /** Tidies up, and answers what the failure raises. */
  failed(cause: unknown): unknown {
    this.end();
    if (!isSystemError(cause)) return cause;
    return new FileError(
      this.#isRenamed
        ? `Cannot make ${this.#path} last: ${cause.message}; it is written whole, but after a loss of power there may be the old one`
        : `Cannot write ${this.#path}: ${cause.message}; what was there before is unchanged`,
      { cause },
    );
  }

  end(): void {
    const [file, folder, temporary] = [this.#file, this.#folder, this.#temporary];
    this.#file = this.#folder = this.#temporary = null;
    if (file !== null) attempt(() => closeSync(file));
    if (folder !== null) attempt(() => closeSync(folder));
    if (temporary === null) return;
    const isGone = this.#isRenamed || attempt(() => retried(() => unlinkSync(temporary)));
    if (isGone) releaseTemporary(temporary);
  }
}

/**
 * Writes a file whole or not at all: into a temporary file beside it, to the disk, then renamed over it. A failure, or
 * the end of the process at any point, leaves the old file. Its mode and a symbolic link to it are kept. What is no
 * regular file, a pipe or a device, is refused.
 */
export function writeFileAtomically(path: string, chunks: Iterable<Uint8Array>): void {
  const replacement = new Replacement(path);
  try {
    for (const chunk of chunks) replacement.writeSync(chunk);
    replacement.finishSync();
  } catch (cause) {
    throw replacement.failed(cause);
  }
  replacement.end();
}

/** The same beside the program: the event loop goes on while the disk is slow. The chunks must stay as they are. */
export async function writeFileBeside(path: string, chunks: readonly Uint8Array[]): Promise<void> {
  const replacement = new Replacement(path);
  try {
    for (const chunk of chunks) await replacement.write(chunk);
    await replacement.finish();
  } catch (cause) {
    throw replacement.failed(cause);
  }
  replacement.end();
}
