import { interpreterOf } from './elf.js';

/**
 * The C library of this process, by the loader that its program names: a system may hold both libraries, and files that
 * tell a distribution may be missing. A program that names none, or that cannot be read, is asked for a report, which has
 * the version of glibc where that is the one.
 */
function libc(): 'glibc' | 'musl' {
  let loader: string | undefined;
  try {
    loader = interpreterOf(process.execPath);
  } catch {
    loader = undefined;
  }
  if (loader !== undefined) return loader.includes('/ld-musl-') ? 'musl' : 'glibc';
  const report = process.report?.getReport() as { header: { glibcVersionRuntime?: string } } | undefined;
  return report === undefined || report.header.glibcVersionRuntime !== undefined ? 'glibc' : 'musl';
}

/** The platform by which an addon is chosen: `linux-x64-glibc`, `darwin-arm64`, … */
export function platform(): string {
  const system = `${process.platform}-${process.arch}`;
  return process.platform === 'linux' ? `${system}-${libc()}` : system;
}
