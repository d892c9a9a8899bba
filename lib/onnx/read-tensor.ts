import type * as Wire from '@bufbuild/protobuf/wire';
import { FormatError } from '../errors.js';
import { MAX_RANK } from '../native/register.js';
import { fromPieces, fromTypedArray } from '../ops/create.js';
import { bytesOf, type DType, isFloat, newTypedArray } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import { dtypeOf, elementName } from './elements.js';
import { DataType, type TensorData } from './schema.js';
import { MOST_SIZES, makeTable, type Table } from './table.js';

const wire = (): typeof Wire => require('@bufbuild/protobuf/wire') as typeof Wire;

/** Whole numbers of eight bytes are sizes and places here: no tensor of them has many. */
const MOST_LONGS = 1_000_000;

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

/** The elements of a tensor of a file, and their type there. Whole numbers of eight bytes are a table, unless they are very many. */
export function readTensor(data: TensorData, what: string): { value: Tensor | Table; isLong: boolean } {
  const refuse = (why: string): never => {
    throw new FormatError(`${what}: ${why}`);
  };
  if (data.dataLocation !== 0 || data.externalData.length > 0)
    refuse('its elements lie in another file, which is not opened; store them in this one');
  const shape = data.dims.map(Number);
  if (shape.length > MAX_RANK || shape.some(size => !Number.isSafeInteger(size) || size < 0))
    refuse(`shape [${data.dims.join(', ')}]; sizes are whole numbers from 0, at most ${MAX_RANK} of them`);
  const count = shape.reduce((n, size) => n * size, 1);
  if (data.dataType === DataType.int64) return { value: readLongs(data, shape, count, refuse), isLong: true };
  const dtype = dtypeOf(data.dataType);
  if (dtype === null)
    return refuse(
      `element type ${elementName(data.dataType)} is not known; known are ${Object.keys(DataType).join(', ')}`,
    );
  const isPacked = data.rawData.length === 0 && !isFloat(dtype);
  const read = isPacked ? readVarints : readBytes;
  return { value: read(data, shape, dtype, count, refuse), isLong: false };
}

type Refuse = (why: string) => never;

/** Elements that lie in the file as they lie in a tensor. */
function readBytes(data: TensorData, shape: readonly number[], dtype: DType, count: number, refuse: Refuse): Tensor {
  const typed = dtype === 'float32' ? data.floatData : data.doubleData;
  const chunks = data.rawData.length > 0 ? [data.rawData] : typed;
  const [wanted, length] = [count * bytesOf(dtype), lengthOf(chunks)];
  if (length !== wanted)
    refuse(`shape [${shape.join(', ')}] of ${dtype} takes ${wanted} bytes, but there are ${length}`);
  if (dtype === 'bool' && chunks.some(bytes => bytes.some(byte => byte > 1))) refuse('a bool is 0 or 1');
  const take = taker(chunks);
  return fromPieces(shape, dtype, piece => take(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)));
}

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

/** A table, unless there are very many: these are a tensor of a type that holds them all. */
function readLongs(data: TensorData, shape: readonly number[], count: number, refuse: Refuse): Tensor | Table {
  if (count > MOST_LONGS) refuse(`${count} whole numbers of eight bytes; at most ${MOST_LONGS} are read`);
  if (count <= MOST_SIZES) {
    const values: bigint[] = [];
    eachLong(data, count, refuse, value => values.push(value));
    return makeTable(shape, values);
  }
  const numbers = newTypedArray('float64', count) as Float64Array;
  let isNarrow = true;
  eachLong(data, count, refuse, (long, i) => {
    const value = Number(long);
    if (!Number.isSafeInteger(value)) refuse(`${long} lies beyond 2^53, which no tensor holds`);
    isNarrow &&= (value | 0) === value;
    numbers[i] = value;
  });
  return isNarrow
    ? fromTypedArray(shape, 'int32', Int32Array.from(numbers))
    : fromTypedArray(shape, 'float64', numbers);
}

function eachLong(data: TensorData, count: number, refuse: Refuse, take: (value: bigint, i: number) => void): void {
  const { rawData } = data;
  if (rawData.length === 0) {
    const next = varints(data.int64Data, count, reader => BigInt(reader.int64()), refuse);
    for (let i = 0; i < count; i++) take(next(), i);
    next.finish();
    return;
  }
  if (rawData.length !== 8 * count) refuse(`${count} numbers take ${8 * count} bytes, but there are ${rawData.length}`);
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  for (let i = 0; i < count; i++) take(view.getBigInt64(8 * i, true), i);
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
