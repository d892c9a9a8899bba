import { type Jobs, type NativeJob, type Operand, requireAddon } from './native-job.js';

export interface ProductShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Products one after another. */
  readonly batch: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

declare const blas: unique symbol;
export interface NativeBlas {
  readonly [blas]: true;
}

/** bench/native/addon.cc. */
export interface Addon extends Jobs {
  readonly instructionSet: string;
  libraryProduct(shape: ProductShape, a: Operand, b: Operand, packed: boolean): NativeJob;
  openBlas(path: string): NativeBlas;
  blasVersion(blas: NativeBlas): string;
  blasProduct(
    blas: NativeBlas,
    shape: ProductShape,
    a: Operand,
    b: Operand,
    prepacks: boolean,
    packed: boolean,
  ): NativeJob | null;
  fmaPeak(threads: number): { readonly job: NativeJob; readonly work: number };
  stream(kind: string, bytes: number, threads: number): { readonly job: NativeJob; readonly work: number };
  setThreads(threads: number): void;
}

export const addon = requireAddon<Addon>('latent_bench');
