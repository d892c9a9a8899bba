import { FormatError, OutOfMemoryError } from '../errors.js';
import { FileReader } from '../files/read-file.js';
import { freeBuffers } from '../memory/free-buffers.js';
import { MAX_RANK } from '../native/register.js';
import { fromPieces } from '../ops/create.js';
import { builtin } from '../support/builtin.js';
import { checkPath, shownShape } from '../support/check.js';
import { type AnyTypedArray, bytesOf, type DType, newTypedArray } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';

/** The most that a compressed file may unpack to. */
const UNPACKED_LIMIT = 2 ** 31;

/** A file is told by its first two bytes to be compressed. */
const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** The most bytes that one compressed byte can unpack to (RFC 1951: two bits may stand for 258 bytes). */
const MOST_UNPACKED = 1032;

/** Compressed bytes that are unpacked for a header, which has at most 4 + 4 · rank bytes. */
const FIRST_BYTES = 512;

interface Type {
  readonly dtype: DType;
  /** Big-endian elements, into a piece of the tensor. */
  read(view: DataView, piece: AnyTypedArray): void;
}

/** Element types by their code in the file. */
const types: { readonly [code: number]: Type } = {
  8: {
    dtype: 'uint8',
    read: (view, piece) => piece.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength)),
  },
  12: { dtype: 'int32', read: (view, piece) => fill(piece, i => view.getInt32(4 * i)) },
  13: { dtype: 'float32', read: (view, piece) => fill(piece, i => view.getFloat32(4 * i)) },
  14: { dtype: 'float64', read: (view, piece) => fill(piece, i => view.getFloat64(8 * i)) },
};

function fill(piece: AnyTypedArray, at: (i: number) => number): void {
  for (let i = 0; i < piece.length; i++) piece[i] = at(i);
}

/** The header of a file: the type, the sizes and the place of its elements. */
interface Header {
  readonly type: Type;
  readonly shape: readonly number[];
  /** Where the elements begin, and where they must end. */
  readonly start: number;
  readonly end: number;
}

const MOST_HEADER = 4 + 4 * MAX_RANK;

function headerOf(bytes: Uint8Array, fail: (why: string) => never): Header {
  if (bytes.length < 4) fail(`it has ${bytes.length} bytes`);
  const [zero, zero2, code = -1, rank = 0] = bytes;
  if (zero !== 0 || zero2 !== 0) fail('it does not begin with two zero bytes');
  const type = types[code];
  if (type === undefined)
    return fail(
      `its type is 0x${code.toString(16)}; known are ${Object.keys(types)
        .map(c => `0x${Number(c).toString(16)}`)
        .join(', ')}`,
    );
  if (rank > MAX_RANK || bytes.length < 4 + 4 * rank) fail(`its header of ${rank} dimensions is cut off`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, d) => view.getUint32(4 + 4 * d));
  if (shape.reduce((a, b) => (b === 0 ? a : a * b), 1) > Number.MAX_SAFE_INTEGER) {
    fail(`its shape ${shownShape(shape)} is one that no tensor can have`);
  }
  const start = 4 + 4 * rank;
  return { type, shape, start, end: start + shape.reduce((a, b) => a * b, 1) * bytesOf(type.dtype) };
}

/** The elements' tensor, from bytes of which `length` are there. */
function elements(
  { type, shape, start, end }: Header,
  length: number,
  read: (position: number, count: number) => Uint8Array,
  fail: (why: string) => never,
): Tensor {
  if (length !== end)
    fail(
      `${type.dtype} elements of shape ${shownShape(shape)} take ${end - start} bytes, but ${length > end ? 'more' : length - start} follow; it may be cut off`,
    );
  const size = bytesOf(type.dtype);
  return fromPieces(shape, type.dtype, (piece, at) => {
    const bytes = read(start + at * size, piece.length * size);
    type.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), piece);
  });
}

function readPlain(file: FileReader, fail: (why: string) => never): Tensor {
  const read = (position: number, count: number): Uint8Array => {
    const bytes = new Uint8Array(count);
    if (!file.read(bytes, position)) throw new FormatError(`${file.path} became shorter while it was read`);
    return bytes;
  };
  const header = headerOf(read(0, Math.min(file.size, MOST_HEADER)), fail);
  return elements(header, file.size, read, fail);
}

/** The first bytes of what is compressed, as many as a header may have where there are so many. */
function firstUnpacked(compressed: Uint8Array): Uint8Array {
  const finishFlush = builtin.zlib().constants.Z_SYNC_FLUSH;
  for (let length = FIRST_BYTES; ; length *= 2) {
    const bytes = builtin.zlib().gunzipSync(compressed.subarray(0, length), { finishFlush });
    if (bytes.length >= MOST_HEADER || length >= compressed.length) return bytes;
  }
}

/** The header first: it says how much there is to unpack, and so much is made room for. */
function readCompressed(file: FileReader, fail: (why: string) => never): Tensor {
  const damaged = (cause: unknown): never => {
    throw new FormatError(`${file.path} is a damaged gzip file`, { cause });
  };
  let compressed: Uint8Array | null = newTypedArray('uint8', file.size) as Uint8Array;
  if (!file.read(compressed, 0)) throw new FormatError(`${file.path} became shorter while it was read`);
  let header: Header;
  let unpacked: Uint8Array;
  try {
    header = headerOf(firstUnpacked(compressed), fail);
    const { end } = header;
    if (end > UNPACKED_LIMIT) fail(`it unpacks to ${end} bytes, and at most ${UNPACKED_LIMIT} are read`);
    if (end > MOST_UNPACKED * compressed.length)
      fail(`its elements take ${end - header.start} bytes, more than ${compressed.length} bytes can hold`);
    // In one piece, with a byte to see whether there is more.
    unpacked = builtin.zlib().gunzipSync(compressed, { chunkSize: Math.max(64, end + 1), maxOutputLength: end + 1 });
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    if ((cause as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') fail('it unpacks to more than its header says');
    // Node's own errors have codes; the engine's for memory that is not there has none.
    if ((cause as Error).name === 'RangeError' && !('code' in (cause as Error)))
      throw new OutOfMemoryError(`no memory to unpack ${file.path}`, { cause });
    return damaged(cause);
  }
  compressed = null;
  freeBuffers(unpacked.length);
  const bytes = unpacked;
  return elements(header, bytes.length, (position, count) => bytes.subarray(position, position + count), fail);
}

/**
 * A tensor from a file in the IDX format of MNIST, plain or compressed by gzip: two zero bytes, the type, the number of
 * dimensions, their sizes and the elements, big-endian (uint8, int32, float32 and float64). Sizes are held against the
 * file's length before memory is taken.
 */
export function readIdx(path: string): Tensor {
  const file = new FileReader(checkPath('data.readIdx', path));
  const fail = (why: string): never => {
    throw new FormatError(`${path} is no IDX file: ${why}`);
  };
  try {
    const first = new Uint8Array(Math.min(2, file.size));
    if (!file.read(first, 0)) throw new FormatError(`${path} became shorter while it was read`);
    return isGzip(first) ? readCompressed(file, fail) : readPlain(file, fail);
  } finally {
    file.close();
  }
}
