import { inspect, types } from 'node:util';
import { closest, distance } from 'fastest-levenshtein';
import { ArgumentError } from '../errors.js';

/** A value as it reads in a message: short, on one line, never throwing. */
export function shown(value: unknown): string {
  if (typeof value === 'function') return value.name === '' ? 'a function' : `function ${value.name}`;
  const isProxy = types.isProxy(value);
  try {
    const text = inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 8, maxStringLength: 60 });
    // It prints as what it stands for, and is not that.
    const line = `${isProxy ? 'a Proxy of ' : ''}${text.replace(/\s+/g, ' ')}`;
    return line.length > 120 ? `${line.slice(0, 117)}...` : line;
  } catch {
    return isProxy ? 'a Proxy' : `a ${typeof value}`;
  }
}

/** A shape as it reads in a message: `[2, 128]`. */
export function shownShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

function fail(who: string, expected: string, value: unknown): never {
  throw new ArgumentError(`${who} takes ${expected}, but got ${shown(value)}`);
}

export function checkNumber(who: string, value: unknown, expected = 'a number'): number {
  if (typeof value !== 'number' || Number.isNaN(value)) fail(who, expected, value);
  return value;
}

/** A number in [low, high]; the text names the range. */
export function checkRange(who: string, value: unknown, low: number, high: number): number {
  const finite = high === Number.MAX_VALUE ? 'a finite number' : 'a number';
  const from = low === -Number.MAX_VALUE ? finite : `${finite} from ${low}`;
  const expected = high >= Number.MAX_VALUE ? from : `${from} to ${high}`;
  const number = checkNumber(who, value, expected);
  if (number < low || number > high) fail(who, expected, value);
  return number;
}

/** A number above 0, finite unless `high` is Infinity. */
export function checkPositive(who: string, value: unknown, high = Number.MAX_VALUE): number {
  const expected = high === Number.MAX_VALUE ? 'a finite number above 0' : 'a number above 0';
  const number = checkNumber(who, value, expected);
  if (!(number > 0) || number > high) fail(who, expected, value);
  return number;
}

export function checkInteger(
  who: string,
  value: unknown,
  low = Number.MIN_SAFE_INTEGER,
  high = Number.MAX_SAFE_INTEGER,
): number {
  const expected = low === Number.MIN_SAFE_INTEGER ? 'an integer' : `an integer from ${low}`;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < low) fail(who, expected, value);
  if (value > high) fail(who, `${expected} to ${high}`, value);
  return value;
}

/** The largest size that is asked for by an option: what native code and indices count in. */
const LARGEST = 2 ** 31 - 1;

/** A size that an option asks for: whole, from `low`, and no larger than an int32. */
export function checkSize(who: string, value: unknown, low = 1): number {
  return checkInteger(who, value, low, LARGEST);
}

export function checkBoolean(who: string, value: unknown): boolean {
  if (typeof value !== 'boolean') fail(who, 'true or false', value);
  return value;
}

export function checkString(who: string, value: unknown): string {
  if (typeof value !== 'string') fail(who, 'a string', value);
  return value;
}

/** The path of a file or folder, which no system has empty or with a NUL in it. */
export function checkPath(who: string, value: unknown): string {
  const path = checkString(who, value);
  if (path === '') throw new ArgumentError(`${who} takes the path of a file, but got an empty string`);
  if (path.includes('\0'))
    throw new ArgumentError(`${who} takes a path without NUL characters, but got ${shown(path)}`);
  return path;
}

/** The bytes of any typed array. A buffer that was transferred to another thread has none. */
export function checkBytes(who: string, value: unknown): Uint8Array {
  if (!ArrayBuffer.isView(value)) fail(who, 'a Uint8Array', value);
  if (isDetached(value))
    throw new ArgumentError(`${who} takes a Uint8Array, but its buffer is detached: it was transferred`);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/** Node 20 has no `ArrayBuffer.prototype.detached`, which would tell. */
function isGone(buffer: ArrayBufferLike): boolean {
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

/** Whether the buffer of a typed array was transferred to another thread, which leaves it without elements. */
export function isDetached(view: ArrayBufferView): boolean {
  // A DataView raises where it is asked for its length, a typed array has the length 0.
  try {
    return view.byteLength === 0 && isGone(view.buffer);
  } catch {
    return true;
  }
}

/** A regular expression, of any realm, or the text of one. */
export function checkPattern(who: string, value: unknown): RegExp {
  if (types.isRegExp(value)) return value;
  if (typeof value !== 'string') fail(who, 'a RegExp or a string', value);
  try {
    return new RegExp(value);
  } catch (cause) {
    throw new ArgumentError(`${who} takes a RegExp or the text of one, but got ${shown(value)}`, { cause });
  }
}

export function checkFunction<F>(who: string, value: F): F {
  if (typeof value !== 'function') fail(who, 'a function', value);
  return value;
}

export function checkOneOf<T extends string>(who: string, value: unknown, choices: readonly T[]): T {
  if (typeof value !== 'string' || !(choices as readonly string[]).includes(value)) {
    const near = typeof value === 'string' && value !== '' ? meant(likest(value, choices)) : '';
    throw new ArgumentError(
      `${who} takes one of ${choices.map(c => `'${c}'`).join(', ')}, but got ${shown(value)}${near}`,
    );
  }
  return value as T;
}

export function checkNumberOf<T extends number>(who: string, value: unknown, choices: readonly T[]): T {
  if (!(choices as readonly unknown[]).includes(value)) fail(who, `one of ${choices.join(', ')}`, value);
  return value as T;
}

/** The choice that a text is most like, in any case; null where it is like none. */
function likest<T extends string>(text: string, choices: readonly T[]): T | null {
  const lower = choices.map(choice => choice.toLowerCase());
  const own = text.toLowerCase();
  const near = lower.find(choice => isSwapped(own, choice)) ?? closest(own, lower);
  if (isSwapped(own, near)) return choices[lower.indexOf(near)] as T;
  const isPart = own.length > 2 && (near.includes(own) || own.includes(near));
  const isLike = 2 * distance(own, near) <= Math.max(own.length, near.length);
  return isPart || isLike ? (choices[lower.indexOf(near)] as T) : null;
}

/** Whether two letters beside one another are in each other's place. */
function isSwapped(a: string, b: string): boolean {
  const at = [...a].findIndex((letter, i) => letter !== b[i]);
  return at >= 0 && `${a.slice(0, at)}${a[at + 1]}${a[at]}${a.slice(at + 2)}` === b;
}

function meant(name: string | null): string {
  return name === null ? '' : `; did you mean '${name}'?`;
}

/** The names of options in other libraries. */
const aliases: Readonly<Record<string, string>> = {
  lr: 'learningRate',
  wd: 'weightDecay',
  betas: 'beta1',
  eps: 'epsilon',
  bias: 'useBias',
  dim: 'axis',
  keepDims: 'keepdims',
  inFeatures: 'inUnits',
  initializer: 'init',
  batch_first: 'layout',
  batchFirst: 'layout',
  normFirst: 'preNorm',
  dimFeedforward: 'hiddenUnits',
  dropLast: 'lastBatch',
  affine: 'scale',
};

/** The known option that a key most likely means, if any. */
function nearest(key: string, known: readonly string[]): string | null {
  const alias = aliases[key];
  return alias !== undefined && known.includes(alias) ? alias : likest(key, known);
}

/** Whether a value is an object literal's: what an instance of a class keeps is not there for `Object.keys` to find. */
function isPlain(value: unknown): boolean {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
  // By the chain, not by identity: each realm has an Object.prototype of its own.
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * The options object itself, or an empty one. A key that is none of `known` raises and names the nearest one: an option
 * that is silently ignored is worse than an error. `hint` is what to write in place of a value that is no object.
 */
export function checkOptions<T extends object>(
  who: string,
  options: T | undefined,
  known: readonly (keyof T & string)[],
  hint?: string,
): T {
  if (options === undefined) return {} as T;
  if (!isPlain(options)) {
    const axis = typeof options === 'number' && (known as readonly string[]).includes('axis');
    const instead = hint ?? (axis ? `{ axis: ${options} }` : undefined);
    throw new ArgumentError(
      `${who} takes an options object, but got ${shown(options)}${instead === undefined ? '' : `; write ${instead}`}`,
    );
  }
  for (const key of Object.keys(options)) {
    if ((known as readonly string[]).includes(key)) continue;
    if (known.length === 0) throw new ArgumentError(`${who} takes no options, but got '${key}'`);
    const near = meant(nearest(key, known));
    throw new ArgumentError(
      `${who} has no option '${key}'${near === '' ? '; it takes' : `${near} It takes`} ${known.join(', ')}`,
    );
  }
  return options;
}

/** Whether a callback returned a promise, by the one thing that makes it one. */
export function isThenable(value: unknown): boolean {
  return (
    value !== null &&
    (typeof value === 'object' || typeof value === 'function') &&
    'then' in value &&
    typeof value.then === 'function'
  );
}
