import type * as Wire from '@bufbuild/protobuf/wire';
import { FormatError } from '../errors.js';
import { MAX_RANK } from '../native/register.js';
import { fromPieces } from '../ops/create.js';
import { bytesOf, type DType, isFloat } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import { dtypeOf } from './elements.js';
import type { Longs } from './reader.js';
import { DataType, type TensorData } from './schema.js';

const wire = (): typeof Wire => require('@bufbuild/protobuf/wire') as typeof Wire;

/** Whole numbers of eight bytes are sizes and axes here: nobody has many. */
export const MOST_LONGS = 1_000_000;

const lengthOf = (chunks: readonly Uint8Array[]): number => chunks.reduce((n, chunk) => n + chunk.length, 0);

/** Takes bytes from one chunk after another, which are never joined. */
function taker(chunks: readonly Uint8Array[]): (target: Uint8Array) => void {
  let chunk = 0;
  let from = 0;
  return target => {
    for (let at = 0; at < target.length; ) {
      const bytes = chunks[chunk] as Uint8Array;
      const part = bytes.subarray(from, from + target.length - at);
      target.set(part, at);
      at += part.length;
      from += part.length;
      if (from === bytes.length) {
        chunk++;
        from = 0;
      }
    }
  };
}

/** The elements of a tensor of a file: numbers, or whole numbers that sizes are computed from. */
export function readTensor(data: TensorData, what: string): Tensor | Longs {
  const refuse = (why: string): never => {
    throw new FormatError(`${what}: ${why}`);
  };
  if (data.dataLocation !== 0 || data.externalData.length > 0)
    refuse('its elements lie in another file, which is not opened; store them in this one');
  const shape = data.dims.map(Number);
  if (shape.length > MAX_RANK || shape.some(size => !Number.isSafeInteger(size) || size < 0))
    refuse(`shape [${data.dims.join(', ')}]; sizes are whole numbers from 0, at most ${MAX_RANK} of them`);
  const count = shape.reduce((n, size) => n * size, 1);
  if (data.dataType === DataType.int64) return { longs: readLongs(data, count, refuse), isScalar: shape.length === 0 };
  const dtype = dtypeOf(data.dataType);
  if (dtype === null)
    return refuse(`element type ${data.dataType} is not known; known are ${Object.keys(DataType).join(', ')}`);
  if (data.rawData.length === 0 && !isFloat(dtype)) return readVarints(data, shape, dtype, count, refuse);
  const typed = dtype === 'float32' ? data.floatData : data.doubleData;
  const chunks = data.rawData.length > 0 ? [data.rawData] : typed;
  const [wanted, length] = [count * bytesOf(dtype), lengthOf(chunks)];
  if (length !== wanted)
    refuse(`shape [${shape.join(', ')}] of ${dtype} takes ${wanted} bytes, but there are ${length}`);
  if (dtype === 'bool' && chunks.some(bytes => bytes.some(byte => byte > 1))) refuse('a bool is 0 or 1');
  const take = taker(chunks);
  return fromPieces(shape, dtype, piece => take(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)));
}

type Refuse = (why: string) => never;

/** Elements that lie in the field of their type, each as a number of as many bytes as it needs. */
function readVarints(data: TensorData, shape: readonly number[], dtype: DType, count: number, refuse: Refuse): Tensor {
  const next = varints(data.int32Data, count, reader => reader.int32(), refuse);
  const t = fromPieces(shape, dtype, piece => {
    for (let i = 0; i < piece.length; i++) {
      const value = next();
      if (dtype === 'bool' && value !== 0 && value !== 1) refuse('a bool is 0 or 1');
      piece[i] = value;
    }
  });
  next.finish();
  return t;
}

function readLongs(data: TensorData, count: number, refuse: Refuse): number[] {
  if (count > MOST_LONGS) refuse(`${count} whole numbers of eight bytes; at most ${MOST_LONGS} are read`);
  let values: bigint[];
  if (data.rawData.length > 0) {
    if (data.rawData.length !== 8 * count)
      refuse(`${count} numbers take ${8 * count} bytes, but there are ${data.rawData.length}`);
    values = [...new BigInt64Array(data.rawData.slice().buffer)];
  } else {
    const next = varints(data.int64Data, count, reader => BigInt(reader.int64()), refuse);
    values = Array.from({ length: count }, next);
    next.finish();
  }
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  // Ends that are far out stand for the end.
  return values.map(value => Number(value > limit ? limit : value < -limit ? -limit : value));
}

/** A reader of numbers of as many bytes as they need; `finish` holds that there are no more. */
function varints<V>(
  chunks: readonly Uint8Array[],
  count: number,
  read: (reader: Wire.BinaryReader) => V,
  refuse: Refuse,
): { (): V; finish(): void } {
  const { BinaryReader } = wire();
  const length = lengthOf(chunks);
  if (count > length) refuse(`${count} elements, but ${length} bytes for them`);
  const wrongCount = (): never => refuse(`more or fewer than its ${count} elements`);
  const readers = chunks.filter(chunk => chunk.length > 0).map(chunk => new BinaryReader(chunk));
  let at = 0;
  const next = (): V => {
    const reader = readers[at] ?? wrongCount();
    try {
      const value = read(reader);
      if (reader.pos === reader.len) at++;
      return value;
    } catch {
      return refuse('its elements end inside one');
    }
  };
  const finish = (): void => {
    if (at < readers.length) wrongCount();
  };
  return Object.assign(next, { finish });
}
