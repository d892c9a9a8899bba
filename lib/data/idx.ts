import { FormatError } from '../errors.js';
import { FileReader } from '../files/read-file.js';
import { MAX_RANK } from '../native/register.js';
import { fromTypedArray } from '../ops/create.js';
import { builtin } from '../support/builtin.js';
import { checkString, shownShape } from '../support/check.js';
import { type AnyTypedArray, bytesOf, type DType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';

/** The most that a compressed file may unpack to. */
const UNPACKED_LIMIT = 2 ** 31;

/** Element types by their code in the file. */
const types: {
  readonly [code: number]: { readonly dtype: DType; read(view: DataView, count: number): AnyTypedArray };
} = {
  8: { dtype: 'uint8', read: view => new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice() },
  12: { dtype: 'int32', read: (view, count) => Int32Array.from({ length: count }, (_, i) => view.getInt32(4 * i)) },
  13: {
    dtype: 'float32',
    read: (view, count) => Float32Array.from({ length: count }, (_, i) => view.getFloat32(4 * i)),
  },
  14: {
    dtype: 'float64',
    read: (view, count) => Float64Array.from({ length: count }, (_, i) => view.getFloat64(8 * i)),
  },
};

function readFile(path: string): Uint8Array {
  const file = new FileReader(checkString('data.readIdx', path));
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(file.size);
    if (!file.read(bytes, 0)) throw new FormatError(`${path} became shorter while it was read`);
  } finally {
    file.close();
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return builtin.zlib().gunzipSync(bytes, { maxOutputLength: UNPACKED_LIMIT });
  } catch (cause) {
    throw new FormatError(`${path} is a damaged gzip file`, { cause });
  }
}

/**
 * A tensor from a file in the IDX format of MNIST, plain or compressed by gzip: two zero bytes, the type, the number of
 * dimensions, their sizes and the elements, big-endian (uint8, int32, float32 and float64). Sizes are held against the
 * file's length before memory is taken.
 */
export function readIdx(path: string): Tensor {
  const bytes = readFile(path);
  const fail = (why: string): never => {
    throw new FormatError(`${path} is no IDX file: ${why}`);
  };
  if (bytes.length < 4) fail(`it has ${bytes.length} bytes`);
  const [zero, zero2, code, rank] = bytes as unknown as [number, number, number, number];
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
  const count = shape.reduce((a, b) => a * b, 1);
  const start = 4 + 4 * rank;
  if (count * bytesOf(type.dtype) !== bytes.length - start) {
    fail(
      `${type.dtype} elements of shape ${shownShape(shape)} take ${count * bytesOf(type.dtype)} bytes, but ${bytes.length - start} follow; it may be cut off`,
    );
  }
  return fromTypedArray(
    shape,
    type.dtype,
    type.read(new DataView(bytes.buffer, bytes.byteOffset + start, bytes.length - start), count),
  );
}
