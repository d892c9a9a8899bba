import type { NodeReader } from './reader.js';
import { DataType, type TensorData } from './schema.js';

const FORMS = ['value', 'value_float', 'value_floats', 'value_int', 'value_ints'] as const;

function dataOf(dataType: number, dims: readonly number[], elements: Float32Array | BigInt64Array): TensorData {
  const rawData = new Uint8Array(elements.buffer);
  const none = { floatData: [], int32Data: [], int64Data: [], doubleData: [], externalData: [] };
  return { name: '', dims: dims.map(BigInt), dataType, rawData, dataLocation: 0, ...none };
}

const floats = (dims: readonly number[], values: readonly number[]): TensorData =>
  dataOf(DataType.float32, dims, Float32Array.from(values));
const longs = (dims: readonly number[], values: readonly number[]): TensorData =>
  dataOf(DataType.int64, dims, BigInt64Array.from(values, BigInt));

/** The tensor that a Constant node gives, in whichever form its only attribute has it. */
export function constantOf(reader: NodeReader): TensorData {
  const given = FORMS.filter(form => reader.has(form));
  const [form] = given;
  if (form === undefined || given.length > 1)
    return reader.refuse(`takes one of the attributes ${FORMS.join(', ')}, but has ${given.join(' and ') || 'none'}`);
  switch (form) {
    case 'value':
      return reader.tensor('value') ?? reader.refuse("attribute 'value' holds no tensor");
    case 'value_float':
      return floats([], [reader.float('value_float', 0)]);
    case 'value_int':
      return longs([], [reader.int('value_int', 0)]);
    case 'value_floats': {
      const values = reader.floats('value_floats') ?? [];
      return floats([values.length], values);
    }
    default: {
      const values = reader.ints('value_ints') ?? [];
      return longs([values.length], values);
    }
  }
}
