import { DTypeError, OutOfMemoryError } from '../errors.js';
import { numbersOf } from '../native/register.js';
import { shown } from '../support/check.js';

/** Element types. */
export type DType = 'float32' | 'float64' | 'int32' | 'uint8' | 'bool';

/** The typed array that holds a dtype's elements; bools are bytes of 0 and 1. */
export type TypedArrayOf<D extends DType> = D extends 'float32'
  ? Float32Array
  : D extends 'float64'
    ? Float64Array
    : D extends 'int32'
      ? Int32Array
      : Uint8Array;

export type AnyTypedArray = Float32Array | Float64Array | Int32Array | Uint8Array;

interface DTypeFacts {
  readonly bytes: number;
  /** Place in the order of promotion. */
  readonly order: number;
  readonly create: (length: number) => AnyTypedArray;
}

const facts: { readonly [D in DType]: DTypeFacts } = {
  float32: { bytes: 4, order: 3, create: n => new Float32Array(n) },
  float64: { bytes: 8, order: 4, create: n => new Float64Array(n) },
  int32: { bytes: 4, order: 2, create: n => new Int32Array(n) },
  uint8: { bytes: 1, order: 1, create: n => new Uint8Array(n) },
  bool: { bytes: 1, order: 0, create: n => new Uint8Array(n) },
};

export const dtypes = Object.keys(facts) as readonly DType[];

const codes = numbersOf('dtypes', ['float32', 'float64', 'int32', 'uint8', 'bool']);

export function dtypeCode(d: DType): number {
  return codes[d];
}

export function bytesOf(d: DType): number {
  return facts[d].bytes;
}

export function newTypedArray(d: DType, length: number): AnyTypedArray {
  try {
    return facts[d].create(length);
  } catch (cause) {
    throw new OutOfMemoryError(`no memory for ${length} elements of ${d} in JavaScript's own heap`, { cause });
  }
}

export function isFloat(d: DType): boolean {
  return d === 'float32' || d === 'float64';
}

/** The smaller type that holds both: bool < uint8 < int32 < float32 < float64. */
export function promote(a: DType, b: DType): DType {
  return facts[a].order >= facts[b].order ? a : b;
}

/** The type of an operation with a JavaScript number, which raises int to float32 only by a fraction, and bool to int32. */
export function promoteNumber(d: DType, value: number): DType {
  if (isFloat(d)) return d;
  if (!Number.isInteger(value)) return 'float32';
  return d === 'bool' ? 'int32' : d;
}

/** Floats as they are, anything else float32: what functions like exp compute in. */
export function toFloat(d: DType): DType {
  return isFloat(d) ? d : 'float32';
}

export function checkDType(who: string, value: unknown): DType {
  if (typeof value !== 'string' || !(dtypes as readonly string[]).includes(value)) {
    throw new DTypeError(`${who} takes one of ${dtypes.join(', ')}, but got ${shown(value)}`);
  }
  return value as DType;
}

/** The dtype whose elements a typed array holds, by its tag, for it may come from another realm. */
export function dtypeOfTypedArray(array: ArrayBufferView): DType | undefined {
  const tag = (array as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag];
  switch (tag) {
    case 'Float32Array':
      return 'float32';
    case 'Float64Array':
      return 'float64';
    case 'Int32Array':
      return 'int32';
    case 'Uint8Array':
    case 'Uint8ClampedArray':
      return 'uint8';
    default:
      return undefined;
  }
}
