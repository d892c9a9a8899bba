import { addon, type Session } from './addon.js';
import { findYoungCollector } from './young.js';

/** The protocol's numbers of such names, as the addon tells them. Raises at load where it lacks one. */
export function numbersOf<const N extends string>(group: string, names: readonly N[]): { readonly [K in N]: number } {
  const given = addon.protocol?.[group] ?? {};
  const missing = names.find(name => typeof given[name] !== 'number');
  if (missing !== undefined)
    throw new Error(
      `latent: the native addon has no number for '${missing}' (${group}); rebuild it with: npm run build:native`,
    );
  return Object.fromEntries(names.map(name => [name, given[name]])) as { [K in N]: number };
}

/** How much there may be at most, or is, of what travels between both sides. */
export const limits = numbersOf('limits', [
  'rank',
  'inputs',
  'intArguments',
  'realArguments',
  'intPlaces',
  'realPlaces',
  'drawInts',
  'updateIds',
  'updateNumbers',
]);
export const MAX_RANK = limits.rank;
export const MAX_INPUTS = limits.inputs;

/**
 * The register: arguments and results of native calls travel in it as numbers. It isn't re-entrant: whatever may run
 * user code (getters, valueOf) is read before the first write. See native/binding/session.h for the other side.
 */
const buffer = new ArrayBuffer(limits.intPlaces * 4 + limits.realPlaces * 8);

export const ints = new Int32Array(buffer, 0, limits.intPlaces);
export const reals = new Float64Array(buffer, limits.intPlaces * 4, limits.realPlaces);

/** Places in the register: of integers, then of doubles. */
export const Place = {
  ...numbersOf('ints', [
    'opcode',
    'status',
    'outputKind',
    'inputCount',
    'inputIds',
    'outputId',
    'outputDType',
    'outputRank',
    'scalarDType',
    'sizes',
    'changed',
    'ints',
    'moreOutputs',
    'moreIds',
    'moreRanks',
  ]),
  ...numbersOf('reals', ['outputShape', 'reals', 'scalars', 'moreShapes']),
};

export const OutputKind = numbersOf('outputKinds', ['managed', 'unmanaged', 'existing', 'several']);

export const Status = numbersOf('statuses', [
  'ok',
  'outOfMemory',
  'badHandle',
  'contract',
  'overflow',
  'index',
  'domain',
  'failed',
  'stopped',
]);

function open(): Session {
  const opened = addon.openSession(buffer, findYoungCollector);
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
