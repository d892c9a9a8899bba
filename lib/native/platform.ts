import { closeSync, openSync, readSync } from 'node:fs';

/** The loader's name stands in the program's header, which lies within this. */
const HEADER_BYTES = 4096;

/**
 * The C library of this process, by the loader that its program names: a system may hold both libraries, and files that
 * tell a distribution may be missing.
 */
function libc(): 'glibc' | 'musl' {
  const header = Buffer.alloc(HEADER_BYTES);
  try {
    const file = openSync(process.execPath, 'r');
    try {
      readSync(file, header, 0, HEADER_BYTES, 0);
    } finally {
      closeSync(file);
    }
  } catch {
    return 'glibc';
  }
  return header.includes('/ld-musl-') ? 'musl' : 'glibc';
}

/** What decides which addon fits: `linux-x64-glibc`, `darwin-arm64`, … */
export function platform(): string {
  const system = `${process.platform}-${process.arch}`;
  return process.platform === 'linux' ? `${system}-${libc()}` : system;
}
