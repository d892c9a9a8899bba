import { ArgumentError, LatentError } from '../errors.js';
import { ADDON_ERROR, loadAddon } from './load.js';
import { version } from './version.js';

/** The functions that one load of this layer calls; each answers a status (0 is success). */
export interface Session {
  /** Runs the operation in the register; a new managed tensor belongs to `handle`. */
  call(handle: object | undefined): void;
  /** Runs the plan in the register; its first output belongs to `handle`. */
  runPlan(handle: object | undefined): void;
  createPlan(handle: object, register: ArrayBuffer, words: Int32Array): number;
  /** A plan is to serve inputs of other sizes; what runs name these by goes into the register. */
  addSizes(id: number, numbers: Float64Array): number;
  dropSizes(id: number, sizes: number): number;
  planBytes(id: number, sizes: number): number;
  /** `callback` is called with the number of each prediction that is done; `resource` stands for them to async_hooks. */
  openPredictions(callback: (number: number) => void, resource: object): number;
  predict(plan: number, sizes: number, number: number): number;
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
    sizes?: number,
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
  /** The compiler's name and version. */
  readonly compiler: string;
  /** The system that it was built for. */
  readonly target: string;
  /** Of the sources, for the files that the package holds; else empty. */
  readonly digest: string;
  /** Bytes of a core's first, second and third cache; 0 for one that is not there. */
  readonly caches: readonly [number, number, number];
  /** Names of the operations; their places are their numbers. */
  readonly operations: readonly string[];
  /** The numbers that both sides agree on, by their groups and names. */
  readonly protocol: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Where this thread broke a contract of the addon last, in a debug build; else undefined. */
  brokenContract(): string | undefined;
  /**
   * `findYoungCollector` answers a function that collects V8's young objects. It is called when that is first needed, and again
   * where it raised.
   */
  openSession(register: ArrayBuffer, findYoungCollector?: () => (() => void) | undefined): Session | undefined;
}

const sets = ['scalar', 'avx2', 'avx512', 'neon'];

function openAddon(): Addon {
  const addon = loadAddon() as Addon;
  if (addon.version !== version) {
    throw new LatentError(
      ADDON_ERROR,
      `latent ${version} found a native addon of version ${addon.version}: the package is not whole. Install it again, or, ` +
        `where the addon was built from source, build it anew`,
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

export const addon: Addon = openAddon();
