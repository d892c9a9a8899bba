import { type MemoryInfo, info as memoryInfo } from './memory/index.js';
import { addon } from './native/addon.js';
import { platform } from './native/platform.js';
import * as native from './native/version.js';
import { getNumThreads } from './threads.js';

/** The package's version. */
export const version: string = native.version;

/** A description of the running library: for reports of bugs and slow runs, and for logs. */
export interface LatentInfo {
  /** The package's version. */
  version: string;
  /** The system that decided which addon was loaded, such as `linux-x64-glibc` or `darwin-arm64`. */
  platform: string;
  /** The instruction set of the kernels in use: `scalar`, `avx2`, `avx512` or `neon`. */
  isa: string;
  /** Threads that operations use. */
  threads: number;
  /** Bytes of a core's caches, by which work is cut; 0 for a third cache that is not there. */
  caches: { l1: number; l2: number; l3: number };
  /** The memory that tensors take now; see `memory.info`. */
  memory: MemoryInfo;
  /**
   * The addon's target system and compiler, such as `x86_64-linux-gnu.2.17` and `Clang 22.1`, and a digest of its sources,
   * which is empty unless the addon is a prebuilt one.
   */
  build: { target: string; compiler: string; digest: string };
}

/**
 * The package, the addon that was loaded and the machine as it sees it.
 *
 * ```ts
 * import { info } from 'latent';
 *
 * console.log(info().isa, info().threads); // avx512 2
 * ```
 */
export function info(): LatentInfo {
  const [l1, l2, l3] = addon.caches;
  return {
    version,
    platform: platform(),
    isa: addon.isa,
    threads: getNumThreads(),
    caches: { l1, l2, l3 },
    memory: memoryInfo(),
    build: { target: addon.target, compiler: addon.compiler, digest: addon.digest },
  };
}
