import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from '../root.js';
import type { Job } from './serve.js';

export interface ProductShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Products behind one another. */
  readonly batch: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

type Operand = Float32Array | Float64Array;
declare const job: unique symbol;
declare const blas: unique symbol;
export interface NativeJob {
  readonly [job]: true;
}
export interface NativeBlas {
  readonly [blas]: true;
}

/** bench/native/addon.cc. */
export interface Addon {
  readonly instructionSet: string;
  libraryProduct(shape: ProductShape, a: Operand, b: Operand, packed: boolean): NativeJob;
  openBlas(path: string): NativeBlas;
  blasVersion(blas: NativeBlas): string;
  blasProduct(blas: NativeBlas, shape: ProductShape, a: Operand, b: Operand): NativeJob | null;
  fmaPeak(threads: number): { readonly job: NativeJob; readonly work: number };
  stream(kind: string, bytes: number, threads: number): { readonly job: NativeJob; readonly work: number };
  time(job: NativeJob, iterations: number, warmup: number): number;
  result(job: NativeJob, out: Operand): void;
  setThreads(threads: number): void;
}

export const addon = createRequire(__filename)(join(root, 'build', 'Release', 'latent_bench.node')) as Addon;

/** A job that runs in C++. `out` takes its result. */
export function nativeJob(native: NativeJob, out?: () => Operand): Job {
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
