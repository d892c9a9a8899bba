import type { AnyTypedArray, DType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import { DataType, type Init, type TensorData } from './schema.js';

/** Whole numbers that the format keeps in eight bytes: sizes, axes and places. */
export function longs(values: readonly number[]): Uint8Array {
  const data = BigInt64Array.from(values, BigInt);
  return new Uint8Array(data.buffer);
}

/** A tensor's elements in order, as the format keeps them: little-endian, bools as bytes. */
export function elementsOf(t: Tensor): Uint8Array {
  const values = t.toTypedArray() as AnyTypedArray;
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

export function dataTypeOf(dtype: DType): number {
  return DataType[dtype];
}

/** The element type that a number of the format names; null for those that tensors here have not. */
export function dtypeOf(dataType: number): DType | null {
  const found = Object.entries(DataType).find(([, number]) => number === dataType)?.[0];
  return found === undefined || found === 'int64' ? null : (found as DType);
}

/** The format's other element types, of TensorProto.DataType. */
const foreign: { readonly [dataType: number]: string } = {
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  8: 'string',
  10: 'float16',
  12: 'uint32',
  13: 'uint64',
  14: 'complex64',
  15: 'complex128',
  16: 'bfloat16',
};

/** The name of an element type for messages, or its number where the format has no such type. */
export function elementName(dataType: number): string {
  return Object.entries(DataType).find(([, number]) => number === dataType)?.[0] ?? foreign[dataType] ?? `${dataType}`;
}

/** The dtype and shape of a tensor as the format encodes them. */
export function tensorHead(t: Tensor): Init<TensorData> {
  return { dims: t.shape.map(BigInt), dataType: dataTypeOf(t.dtype) };
}
