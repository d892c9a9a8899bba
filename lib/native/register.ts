import { addon, type Session } from './addon.js';

/**
 * The register: arguments and results of native calls travel in it as numbers. It isn't re-entrant: whatever may run
 * user code (getters, valueOf) is read before the first write. See native/binding/session.h for the other side.
 */
const INT_PLACES = 64;
const REAL_PLACES = 64;
const buffer = new ArrayBuffer(INT_PLACES * 4 + REAL_PLACES * 8);

export const ints = new Int32Array(buffer, 0, INT_PLACES);
export const reals = new Float64Array(buffer, INT_PLACES * 4, REAL_PLACES);

export const Place = {
  opcode: 0,
  status: 0,
  outputKind: 1,
  inputCount: 2,
  inputIds: 3,
  outputId: 11,
  outputDType: 12,
  outputRank: 13,
  scalarDType: 14,
  changed: 15,
  sizes: 1,
  ints: 16,
  moreOutputs: 40,
  moreIds: 41,
  moreRanks: 43,
  outputShape: 0,
  reals: 8,
  scalars: 32,
  moreShapes: 40,
} as const;

export const OutputKind = { managed: 0, unmanaged: 1, existing: 2, several: 3 } as const;

export const Status = {
  ok: 0,
  outOfMemory: 1,
  badHandle: 2,
  contract: 3,
  overflow: 4,
  index: 5,
  domain: 6,
  failed: 7,
  stopped: 8,
} as const;

export const MAX_RANK = 8;
export const MAX_INPUTS = 8;

function open(): Session {
  const opened = addon.openSession(buffer);
  if (opened === undefined) throw new Error('latent: the native addon could not open a session in this thread');
  return opened;
}

export const session: Session = open();

/** The number of a native operation. Raises at load when the addon has none of that name. */
export function opcode(name: string): number {
  const code = addon.operations.indexOf(name);
  if (code < 0)
    throw new Error(`latent: the native addon has no operation '${name}'; rebuild it with: npm run build:native`);
  return code;
}
