import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import load from 'node-gyp-build';
import { ArgumentError, LatentError } from '../errors.js';

/** The functions that one load of this layer calls; each answers a status (0 is success). */
export interface Session {
  /** Runs the operation in the register; a new managed tensor belongs to `handle`. */
  call(handle: object | undefined): void;
  /** Runs the plan in the register; its first output belongs to `handle`. */
  runPlan(handle: object | undefined): void;
  createPlan(handle: object, register: ArrayBuffer, words: Int32Array, numbers: Float64Array): number;
  planBytes(id: number, batch: number): number;
  /** `callback` is called with the number of each prediction that is done; `resource` stands for them to async_hooks. */
  openPredictions(callback: (number: number) => void, resource: object): number;
  predict(plan: number, batch: number, number: number): number;
  /** Tells in the register whether the prediction had not begun: then it is gone, and does not call back. */
  stopPrediction(number: number): number;
  emptyCall(handle: object): void;
  release(id: number): number;
  dispose(id: number): number;
  manage(handle: object, id: number): number;
  isContiguous(id: number): number;
  isExclusive(id: number): number;
  keepPacked(id: number): number;
  adopt(target: number, source: number): number;
  /** The target's elements become the source's, without any memory. */
  restore(target: number, source: number): number;
  read(id: number, target: ArrayBufferView): number;
  write(id: number, source: ArrayBufferView): number;
  /** Into the elements of a contiguous tensor from place `at` on. */
  writePart(id: number, source: ArrayBufferView, at: number): number;
  /** A file that is about to be made, to be removed where this thread ends before `releaseTemporary`. */
  holdTemporary(path: string): number;
  releaseTemporary(path: string): number;
  update(
    rule: number,
    ids: Int32Array,
    numbers: Float64Array,
    clipNorm: number,
    plan?: number,
    batch?: number,
    handle?: object,
  ): number;
  info(): number;
  collect(): number;
  setLimit(bytes: number): number;
  refuseAllocation(n: number, always: number): number;
  setThreads(n: number): number;
  getThreads(): number;
  /** Into how many tasks work was cut at most since this was called last; for tests. */
  takeMostTasks(): number;
  fmaPeak(rounds: number): number;
}

export interface Addon {
  readonly version: string;
  /** The instruction set in use: `scalar`, `avx2`, `avx512` or `neon`. */
  readonly isa: string;
  /** Names of the operations; their places are their numbers. */
  readonly operations: readonly string[];
  openSession(register: ArrayBuffer): Session | undefined;
}

const ADDON = 'ERR_LATENT_ADDON';
const sets = ['scalar', 'avx2', 'avx512', 'neon'];

/** The package's folder: this file lies somewhere below it, on its own or in a bundle. */
function packageRoot(): string {
  let folder = __dirname;
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

const root = packageRoot();

function packageVersion(): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
}

function loadAddon(): Addon {
  const platform = `${process.platform}-${process.arch}`;
  let addon: Addon;
  try {
    addon = load(root) as Addon;
  } catch (cause) {
    throw new LatentError(
      ADDON,
      `latent has no native addon for ${platform} (Node ${process.versions.node}): looked for build/Release/latent.node and ` +
        `prebuilds/${platform} in ${root}. To build it from source (a C++17 compiler and CMake are needed), run: ` +
        `npm explore latent -- npm run build:native`,
      { cause },
    );
  }
  if (addon.version !== packageVersion()) {
    throw new LatentError(
      ADDON,
      `latent ${packageVersion()} found a native addon of version ${addon.version} for ${platform} in ${root}; ` +
        `rebuild it with: npm run build:native`,
    );
  }
  checkEnvironment(addon);
  return addon;
}

/** The variables that the addon reads: one that it cannot follow raises, for it would be silently ignored. */
function checkEnvironment({ isa }: Addon): void {
  const { LATENT_ISA: wanted, LATENT_NUM_THREADS: threads, LATENT_CACHES: caches } = process.env;
  if (wanted !== undefined && wanted !== '' && wanted !== isa) {
    throw new ArgumentError(
      sets.includes(wanted)
        ? `latent: LATENT_ISA is '${wanted}', which this machine's CPU or this build lacks; at best it runs '${isa}'`
        : `latent: LATENT_ISA takes ${sets.join(', ')}, but is '${wanted}'; without it the best one is used, here '${isa}'`,
    );
  }
  if (threads !== undefined && threads !== '' && !/^([1-9]\d{0,2}|10[01]\d|102[0-4])$/.test(threads)) {
    throw new ArgumentError(`latent: LATENT_NUM_THREADS takes a whole number from 1 to 1024, but is '${threads}'`);
  }
  if (caches !== undefined && caches !== '' && !/^[1-9]\d{0,5}[KM](,[1-9]\d{0,5}[KM]){1,2}$/.test(caches)) {
    throw new ArgumentError(
      `latent: LATENT_CACHES takes the sizes of a core's caches from the first to the second or third, such as 48K,2M or ` +
        `48K,2M,260M, but is '${caches}'`,
    );
  }
}

export const addon: Addon = loadAddon();
