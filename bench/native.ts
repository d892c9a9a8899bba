import { dirname } from 'node:path';
import load from 'node-gyp-build';

/** A session of the benchmark's own on the addon, for what the library doesn't offer: an empty call, the FMA peak. */
interface Session {
  emptyCall(handle: object): void;
  fmaPeak(rounds: number): number;
}

const register = new ArrayBuffer(768);
const reals = new Float64Array(register, 256);
const addon = load(dirname(require.resolve('latent/package.json'))) as {
  isa: string;
  openSession(register: ArrayBuffer): Session;
};
const session = addon.openSession(register);

export const isa = addon.isa;

/** One native call that does nothing, with an object for its argument. */
export function emptyCall(handle: object): void {
  session.emptyCall(handle);
}

/** Keeps the fused multiply-add units busy; answers the floating-point operations done. */
export function fmaPeak(): number {
  session.fmaPeak(2_000_000);
  return reals[0] as number;
}
