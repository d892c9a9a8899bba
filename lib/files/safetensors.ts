import { ArgumentError, FormatError } from '../errors.js';
import { freeBuffers } from '../memory/free-buffers.js';
import { MAX_RANK } from '../native/register.js';
import { fromPieces } from '../ops/create.js';
import { checkBytes, checkOptions, checkPath, checkString, shown } from '../support/check.js';
import { type AnyTypedArray, bytesOf, type DType } from '../tensor/dtype.js';
import { checkTensor, Tensor } from '../tensor/tensor.js';
import { scanJson } from './json.js';
import { FileReader } from './read-file.js';
import { writeFileAtomically } from './write-file.js';

/**
 * The safetensors format (huggingface/safetensors): eight bytes of header length, a JSON header, then the elements of
 * all tensors one after another, little-endian. Nothing in it is ever executed. Every number of the header is held
 * against the file's size before any memory is taken for it.
 */
const HEADER_LIMIT = 100_000_000;

/** An object of entries, each an object with lists. */
const HEADER_DEPTH = 3;
/** Heap that a header may take when parsed, beside as much as the file is long. */
const HEADER_HEAP = 48_000_000;
/** A tensor takes some 2,400 bytes beside its elements: so many are taken from any file, and more from a longer one. */
const ANY_TENSORS = 20_000;
const BYTES_PER_TENSOR = 1200;

const mostTensors = (dataBytes: number): number => ANY_TENSORS + Math.floor(dataBytes / BYTES_PER_TENSOR);

const headerBounds = (fileBytes: number) => ({ depth: HEADER_DEPTH, heap: HEADER_HEAP + fileBytes });

interface StoredType {
  readonly bytes: number;
  readonly dtype: DType;
  /** Reads a piece of elements as the dtype's; null when the bytes are those already. */
  readonly convert: ((source: DataView, piece: AnyTypedArray, name: string) => void) | null;
}

const storedTypes: { readonly [name: string]: StoredType } = Object.assign(Object.create(null) as object, {
  F32: { bytes: 4, dtype: 'float32', convert: null },
  F64: { bytes: 8, dtype: 'float64', convert: null },
  I32: { bytes: 4, dtype: 'int32', convert: null },
  U8: { bytes: 1, dtype: 'uint8', convert: null },
  BOOL: { bytes: 1, dtype: 'bool', convert: null },
  F16: { bytes: 2, dtype: 'float32', convert: widenHalf },
  BF16: { bytes: 2, dtype: 'float32', convert: widenBrain },
  I64: { bytes: 8, dtype: 'int32', convert: narrowLong },
} satisfies Record<string, StoredType>);

const typeNames: { readonly [D in DType]: string } = {
  float32: 'F32',
  float64: 'F64',
  int32: 'I32',
  uint8: 'U8',
  bool: 'BOOL',
};

function halfOf(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function widenHalf(source: DataView, piece: AnyTypedArray): void {
  for (let i = 0; i < piece.length; i++) piece[i] = halfOf(source.getUint16(2 * i, true));
}

function widenBrain(source: DataView, piece: AnyTypedArray): void {
  const bits = new Uint32Array(piece.buffer, piece.byteOffset, piece.length);
  for (let i = 0; i < bits.length; i++) bits[i] = source.getUint16(2 * i, true) << 16;
}

function narrowLong(source: DataView, piece: AnyTypedArray, name: string): void {
  for (let i = 0; i < piece.length; i++) {
    const value = source.getBigInt64(8 * i, true);
    if (value !== BigInt.asIntN(32, value))
      throw new FormatError(`safetensors: '${name}' holds ${value}, which does not fit int32`);
    piece[i] = Number(value);
  }
}

interface Entry {
  readonly name: string;
  readonly stored: StoredType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsFile {
  /** The tensors by name. */
  readonly tensors: Map<string, Tensor>;
  /** The header's `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Where bytes come from: a file, or a buffer. */
interface Source {
  readonly what: string;
  readonly size: number;
  read(bytes: Uint8Array, position: number): boolean;
}

function fail(source: Source, why: string): never {
  throw new FormatError(`${source.what} is no safetensors file: ${why}`);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The header as text, its bytes held to the bounds. */
function headerText(source: Source, size: number): string {
  const bytes = new Uint8Array(size);
  if (!source.read(bytes, 8)) fail(source, 'it became shorter while it was read');
  if (bytes[0] !== 0x7b) fail(source, 'its header is no JSON object');
  const wrong = scanJson(bytes, headerBounds(source.size));
  if (wrong !== null) fail(source, `in its header ${wrong}`);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(`${source.what} is no safetensors file: its header is no JSON`, { cause });
  }
}

function readHeader(source: Source): { header: Record<string, unknown>; dataStart: number } {
  const prefix = new Uint8Array(8);
  if (source.size < 8 || !source.read(prefix, 0))
    fail(source, `it has ${source.size} bytes, less than the 8 of the header's length`);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > BigInt(HEADER_LIMIT))
    fail(source, `its header would have ${length} bytes, more than the ${HEADER_LIMIT} allowed`);
  const size = Number(length);
  if (8 + size > source.size)
    fail(source, `its header would have ${size} bytes, but only ${source.size - 8} follow; it may be cut off`);
  const text = headerText(source, size);
  freeBuffers(size);
  try {
    return { header: JSON.parse(text) as Record<string, unknown>, dataStart: 8 + size };
  } catch (cause) {
    throw new FormatError(`${source.what} is no safetensors file: its header is no JSON`, { cause });
  }
}

function readEntry(source: Source, name: string, value: unknown, dataBytes: number): Entry {
  if (!isObject(value)) fail(source, `the entry of '${name}' is no object`);
  const { dtype, shape, data_offsets: offsets } = value;
  const stored = typeof dtype === 'string' ? storedTypes[dtype] : undefined;
  if (stored === undefined)
    fail(source, `'${name}' has dtype ${shown(dtype)}; known are ${Object.keys(storedTypes).join(', ')}`);
  if (!Array.isArray(shape) || !shape.every(isCount) || shape.length > MAX_RANK) {
    fail(source, `'${name}' has shape ${shown(shape)}; sizes are whole numbers from 0, at most ${MAX_RANK} of them`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    fail(source, `'${name}' has offsets ${shown(offsets)}; they are two whole numbers from 0`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes)
    fail(source, `'${name}' lies at ${begin}..${end}, outside the ${dataBytes} bytes of data; the file may be cut off`);
  const count = (shape as number[]).reduce((a, b) => a * b, 1);
  if (count * stored.bytes !== end - begin) {
    fail(
      source,
      `'${name}' of shape ${shown(shape)} and dtype ${dtype as string} takes ${count * stored.bytes} bytes, but has ${end - begin}`,
    );
  }
  if ((shape as number[]).reduce((a, b) => (b === 0 ? a : a * b), 1) > Number.MAX_SAFE_INTEGER) {
    fail(source, `'${name}' has shape ${shown(shape)}, which no tensor can have`);
  }
  return { name, stored, shape: shape as number[], begin, end };
}

/** Every byte of the data belongs to one tensor: no overlap, no gap. */
function checkCover(source: Source, entries: readonly Entry[], dataBytes: number): void {
  let at = 0;
  for (const entry of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin !== at)
      fail(source, `'${entry.name}' begins at ${entry.begin}, but the tensor before it ends at ${at}`);
    at = entry.end;
  }
  if (at !== dataBytes) fail(source, `${dataBytes - at} bytes at its end belong to no tensor`);
}

function readTensor(source: Source, { stored, shape, name, begin }: Entry, dataStart: number): Tensor {
  const { bytes, dtype, convert } = stored;
  const from = dataStart + begin;
  let raw: Uint8Array = new Uint8Array();
  return fromPieces(shape, dtype, (piece, at) => {
    if (convert === null) raw = new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
    else if (raw.length !== piece.length * bytes) raw = new Uint8Array(piece.length * bytes);
    if (!source.read(raw, from + at * bytes)) fail(source, 'it became shorter while it was read');
    convert?.(new DataView(raw.buffer), piece, name);
    if (dtype === 'bool' && raw.some(byte => byte > 1))
      fail(source, `'${name}' is BOOL and holds bytes other than 0 and 1`);
  });
}

function readSource(source: Source): SafetensorsFile {
  const { header, dataStart } = readHeader(source);
  const dataBytes = source.size - dataStart;
  const entries: Entry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name !== '__metadata__') {
      entries.push(readEntry(source, name, value, dataBytes));
      continue;
    }
    if (!isObject(value) || !Object.values(value).every(v => typeof v === 'string'))
      fail(source, 'its __metadata__ is no object of strings');
    metadata = value as Record<string, string>;
  }
  const most = mostTensors(dataBytes);
  if (entries.length > most)
    fail(
      source,
      `it has ${entries.length} tensors, more than the ${most} that ${dataBytes} bytes of elements may make`,
    );
  checkCover(source, entries, dataBytes);
  return { tensors: new Map(entries.map(entry => [entry.name, readTensor(source, entry, dataStart)])), metadata };
}

/** Reads a file's tensors. float16 and bfloat16 are widened to float32, int64 narrowed to int32 where it fits. */
export function load(path: string): SafetensorsFile {
  const file = new FileReader(checkPath('safetensors.load', path));
  try {
    return readSource({ what: path, size: file.size, read: (bytes, position) => file.read(bytes, position) });
  } finally {
    file.close();
  }
}

/** As `load`, from memory. */
export function fromBytes(bytes: Uint8Array): SafetensorsFile {
  const all = checkBytes('safetensors.fromBytes', bytes);
  return readSource({
    what: 'The buffer',
    size: all.length,
    read(target, position) {
      if (position + target.length > all.length) return false;
      target.set(all.subarray(position, position + target.length));
      return true;
    },
  });
}

export interface SaveOptions {
  /** Strings to keep beside the tensors. */
  metadata?: Readonly<Record<string, string>> | undefined;
}

function metadataOf(options: SaveOptions | undefined): object | undefined {
  const { metadata } = checkOptions('safetensors.save', options, ['metadata']);
  if (metadata === undefined) return undefined;
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    throw new ArgumentError(
      `safetensors.save: metadata takes an object of texts, as in { epoch: '3' }, but got ${shown(metadata)}`,
    );
  const entries = Object.entries(metadata);
  for (const [key, value] of entries) checkString(`safetensors.save: metadata '${key}'`, value);
  return Object.fromEntries(entries);
}

/** The header, held to the bounds that the reader has: what is written can be read. */
function headerOf(tensors: readonly (readonly [string, Tensor])[], options: SaveOptions | undefined): Uint8Array {
  const refuse = (why: string): never => {
    throw new ArgumentError(`safetensors.save: ${why}; spread the tensors or the metadata over several files`);
  };
  const header = new Map<string, unknown>();
  const metadata = metadataOf(options);
  if (metadata !== undefined) header.set('__metadata__', metadata);
  let at = 0;
  for (const [name, t] of tensors) {
    if (name === '__metadata__') throw new ArgumentError(`safetensors.save: a tensor cannot be called '${name}'`);
    if (header.has(name)) throw new ArgumentError(`safetensors.save: two tensors are called '${name}'`);
    const bytes = t.size * bytesOf(t.dtype);
    header.set(name, { dtype: typeNames[t.dtype], shape: t.shape, data_offsets: [at, at + bytes] });
    at += bytes;
  }
  const most = mostTensors(at);
  if (tensors.length > most)
    refuse(`${tensors.length} tensors are more than the ${most} that ${at} bytes of elements may make`);
  const text = `{${[...header].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;
  const json = new TextEncoder().encode(text);
  // Padded with spaces, so that the elements are aligned.
  const size = Math.ceil(json.length / 8) * 8;
  if (size > HEADER_LIMIT) refuse(`a header of ${size} bytes is more than the ${HEADER_LIMIT} allowed`);
  const wrong = scanJson(json, headerBounds(8 + size + at));
  if (wrong !== null) refuse(`in the header ${wrong}`);
  const out = new Uint8Array(8 + size).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(size), true);
  out.set(json, 8);
  return out;
}

function* chunksOf(tensors: readonly (readonly [string, Tensor])[], header: Uint8Array): Generator<Uint8Array> {
  yield header;
  for (const [, t] of tensors) {
    const values = t.toTypedArray() as AnyTypedArray;
    yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }
}

function checkTensors(
  tensors: Iterable<readonly [string, Tensor]> | Readonly<Record<string, Tensor>>,
): (readonly [string, Tensor])[] {
  if (typeof tensors !== 'object' || tensors === null || tensors instanceof Tensor)
    throw new ArgumentError(`safetensors.save takes tensors by name, but got ${shown(tensors)}`);
  const entries: Iterable<unknown> = Symbol.iterator in tensors ? tensors : Object.entries(tensors);
  const list: (readonly [string, Tensor])[] = [];
  for (const entry of entries) {
    if (!Array.isArray(entry))
      throw new ArgumentError(`safetensors.save takes [name, tensor] pairs, but got ${shown(entry)}`);
    const name = checkString('safetensors.save: a name', entry[0]);
    list.push([name, checkTensor(`safetensors.save: '${name}'`, entry[1])]);
  }
  return list;
}

/**
 * Writes tensors by name, whole or not at all. Raises ArgumentError for a header that `load` would refuse: above 100 MB, with more
 * keys than fit 48 MB of heap, or with more small tensors than 20,000.
 */
export function save(
  path: string,
  tensors: Iterable<readonly [string, Tensor]> | Readonly<Record<string, Tensor>>,
  options?: SaveOptions,
): void {
  const list = checkTensors(tensors);
  writeFileAtomically(checkPath('safetensors.save', path), chunksOf(list, headerOf(list, options)));
}

/** The file's bytes. */
export function toBytes(
  tensors: Iterable<readonly [string, Tensor]> | Readonly<Record<string, Tensor>>,
  options?: SaveOptions,
): Uint8Array {
  const list = checkTensors(tensors);
  const chunks = [...chunksOf(list, headerOf(list, options))];
  const out = new Uint8Array(chunks.reduce((n, chunk) => n + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}
