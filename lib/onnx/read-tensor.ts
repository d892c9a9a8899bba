import type * as Wire from '@bufbuild/protobuf/wire';
import { FormatError } from '../errors.js';
import { MAX_RANK } from '../native/register.js';
import { fromTypedArray } from '../ops/create.js';
import { bytesOf, type DType, newTypedArray } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import { dtypeOf } from './elements.js';
import type { Longs } from './reader.js';
import { DataType, type TensorData } from './schema.js';

const wire = (): typeof Wire => require('@bufbuild/protobuf/wire') as typeof Wire;

/** Whole numbers of eight bytes are sizes and axes here: nobody has many. */
const MOST_LONGS = 1_000_000;

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : new Uint8Array(Buffer.concat(chunks));
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
  const bytes = data.rawData.length > 0 ? data.rawData : typedBytes(data, dtype, count, refuse);
  if (bytes.length !== count * bytesOf(dtype))
    refuse(
      `shape [${shape.join(', ')}] of ${dtype} takes ${count * bytesOf(dtype)} bytes, but there are ${bytes.length}`,
    );
  if (dtype === 'bool' && bytes.some(byte => byte > 1)) refuse('a bool is 0 or 1');
  const elements = newTypedArray(dtype, count);
  new Uint8Array(elements.buffer).set(bytes);
  return fromTypedArray(shape, dtype, elements);
}

type Refuse = (why: string) => never;

/** Elements that lie in the field of their type, as bytes. */
function typedBytes(data: TensorData, dtype: DType, count: number, refuse: Refuse): Uint8Array {
  if (dtype === 'float32') return joined(data.floatData);
  if (dtype === 'float64') return joined(data.doubleData);
  const numbers = varints(data.int32Data, count, reader => reader.int32(), refuse);
  const elements = newTypedArray(dtype, numbers.length);
  elements.set(numbers);
  return new Uint8Array(elements.buffer);
}

function readLongs(data: TensorData, count: number, refuse: Refuse): number[] {
  if (count > MOST_LONGS) refuse(`${count} whole numbers of eight bytes; at most ${MOST_LONGS} are read`);
  let values: bigint[];
  if (data.rawData.length > 0) {
    if (data.rawData.length !== 8 * count)
      refuse(`${count} numbers take ${8 * count} bytes, but there are ${data.rawData.length}`);
    values = [...new BigInt64Array(data.rawData.slice().buffer)];
  } else {
    values = varints(data.int64Data, count, reader => BigInt(reader.int64()), refuse);
  }
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  // Ends that are far out stand for the end.
  return values.map(value => Number(value > limit ? limit : value < -limit ? -limit : value));
}

/** Numbers of as many bytes as they need; never more than there should be. */
function varints<V>(
  chunks: readonly Uint8Array[],
  count: number,
  next: (reader: Wire.BinaryReader) => V,
  refuse: Refuse,
): V[] {
  const { BinaryReader } = wire();
  const bytes = joined(chunks.length === 0 ? [new Uint8Array()] : chunks);
  if (count > bytes.length) refuse(`${count} elements, but ${bytes.length} bytes for them`);
  const reader = new BinaryReader(bytes);
  const values: V[] = [];
  try {
    while (reader.pos < bytes.length && values.length <= count) values.push(next(reader));
  } catch {
    refuse('its elements end inside one');
  }
  if (values.length !== count || reader.pos !== bytes.length) refuse(`more or fewer than its ${count} elements`);
  return values;
}
