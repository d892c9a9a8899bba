import fs, { existsSync, readdirSync, readlinkSync } from 'node:fs';

/** What one system call may do instead of its work. `short` and `none`: fewer bytes than were asked for, or none. */
export const faults = ['ENOSPC', 'EIO', 'EINTR', 'EDQUOT', 'short', 'none'] as const;
export type Fault = (typeof faults)[number];

/** A call of the file system as it was made. */
export interface Call {
  readonly name: string;
  /** The path, or that of the descriptor. */
  readonly path: string;
}

type Any = (...args: any[]) => any;

const real: Readonly<Record<string, Any>> = Object.fromEntries(
  Object.entries(fs).filter(([name, value]) => typeof value === 'function' && /^[a-z]/.test(name)),
) as Record<string, Any>;

/** What is called for them: but nobody takes the power away here, and a disk takes its time. */
const original: Readonly<Record<string, Any>> = {
  ...real,
  fsyncSync: () => undefined,
  fsync: (_: number, done: Any) => void setImmediate(done, null),
};

const moving = /^(read|write)(Sync)?$/;
const closing = /^close(Sync)?$/;

function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: made to fail, ${syscall}`), { code, syscall });
}

/**
 * Watches every call of node:fs while `body` runs, and has the k-th (from 1) fail. A close that fails has closed, as
 * systems do. Answers the calls, and whether one failed: not where k is beyond the last, nor where a fault of numbers
 * of bytes meets a call that moves none.
 */
export class FileFaults {
  readonly calls: Call[] = [];
  failed = false;
  readonly #open = new Map<number, string>();
  #isInside = false;

  constructor(
    readonly k: number,
    readonly fault: Fault,
  ) {}

  install(): void {
    for (const name of Object.keys(original)) (fs as unknown as Record<string, Any>)[name] = this.#watched(name);
    for (const name of Object.keys(fs.promises))
      if (typeof (fs.promises as unknown as Record<string, unknown>)[name] === 'function')
        jest.spyOn(fs.promises, name as 'open').mockImplementation((() => {
          throw new Error(`fs.promises.${name} is not watched`);
        }) as never);
  }

  remove(): void {
    Object.assign(fs, real);
    jest.restoreAllMocks();
  }

  #watched(name: string): Any {
    const call = original[name] as Any;
    const isSync = name.endsWith('Sync');
    return (...args: any[]) => {
      const done: unknown = args.at(-1);
      // What one function of node:fs calls of the others belongs to it.
      if (this.#isInside || (!isSync && typeof done !== 'function')) return call(...args);
      const path = typeof args[0] === 'number' ? (this.#open.get(args[0]) ?? String(args[0])) : String(args[0]);
      this.calls.push({ name, path });
      const hits = this.calls.length === this.k && (moving.test(name) || !['short', 'none'].includes(this.fault));
      this.#isInside = true;
      try {
        if (!hits) return this.#noted(name, path, call(...args));
        this.failed = true;
        if (closing.test(name)) original.closeSync!(args[0]);
        return this.#fail(name, isSync, args, done as Any);
      } finally {
        this.#isInside = false;
      }
    };
  }

  #noted(name: string, path: string, result: unknown): unknown {
    if (name === 'openSync') this.#open.set(result as number, path);
    return result;
  }

  #fail(name: string, isSync: boolean, args: any[], done: Any): unknown {
    if (this.fault === 'short') return original[name]!(...args.map((arg, i) => (i === 3 ? Math.ceil(arg / 3) : arg)));
    if (this.fault === 'none') return isSync ? 0 : void setImmediate(done, null, 0);
    const error = systemError(this.fault, name.replace('Sync', ''));
    if (isSync) throw error;
    setImmediate(done, error);
    return undefined;
  }
}

/** The descriptors of this process that are open on something below a folder. */
export function openBelow(folder: string): string[] {
  if (!existsSync('/proc/self/fd')) return [];
  return readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      const to = readlinkSync(`/proc/self/fd/${fd}`);
      return to.startsWith(folder) ? [to] : [];
    } catch {
      return []; // the one that the folder was read by
    }
  });
}
