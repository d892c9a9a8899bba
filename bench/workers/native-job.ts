import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from '../root.js';
import type { Job } from './serve.js';

export type Operand = Float32Array | Float64Array;
declare const job: unique symbol;
/** Something that an addon runs again and again. */
export interface NativeJob {
  readonly [job]: true;
}

/** What any of the benchmark's addons does with jobs: bench/native/exports.h. */
export interface Jobs {
  time(job: NativeJob, iterations: number, warmup: number): number;
  result(job: NativeJob, out: Operand): void;
}

/** One of the benchmark's addons. */
export function requireAddon<A extends Jobs>(name: string): A {
  return createRequire(__filename)(join(root, 'build', 'Release', `${name}.node`)) as A;
}

/** A job that runs in C++. `out` takes its result. */
export function nativeJob(addon: Jobs, native: NativeJob, out?: () => Operand): Job {
  return {
    ...(out === undefined
      ? {}
      : {
          answer() {
            const result = out();
            addon.result(native, result);
            return result;
          },
        }),
    time: (iterations, warmup) => addon.time(native, iterations, warmup),
  };
}
