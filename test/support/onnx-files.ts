import { encodeMessage } from '../../lib/onnx/codec.js';
import {
  type Attribute,
  AttributeType,
  type Graph,
  type Init,
  type Model,
  type Node,
  type TensorData,
} from '../../lib/onnx/schema.js';

/** Files as others might write them. */

export const float = (name: string, ...sizes: number[]) => ({
  name,
  type: {
    tensorType: {
      elemType: 1,
      shape: { dim: sizes.map(size => (size < 0 ? { dimParam: 'n' } : { dimValue: BigInt(size) })) },
    },
  },
});
export const bytes = (...numbers: number[]): Uint8Array => new Uint8Array(Float32Array.from(numbers).buffer);
export const long = (...numbers: number[]): Uint8Array => new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer);
export const weight = (name: string, dims: number[], more: Init<TensorData> = {}): Init<TensorData> => ({
  name,
  dims: dims.map(BigInt),
  dataType: 1,
  rawData: bytes(...new Array<number>(dims.reduce((a, b) => a * b, 1)).fill(1)),
  ...more,
});
export const node = (opType: string, input: string[], output: string[], more: Init<Node> = {}): Init<Node> => ({
  opType,
  input,
  output,
  ...more,
});

/** A model y = Relu(x), changed. */
export function model(graph: Init<Graph> = {}, more: Init<Model> = {}): Uint8Array {
  return encodeMessage('Model', {
    irVersion: 8n,
    opsetImport: [{ domain: '', version: 17n }],
    graph: {
      name: 'test',
      input: [float('x', -1, 3)],
      output: [float('y', -1, 3)],
      node: [node('Relu', ['x'], ['y'])],
      ...graph,
    },
    ...more,
  });
}

/** Attributes by name: whole numbers, lists of them, texts, lists of texts as { strings }, floats as { f } and { floats }. */
export type Attributes = Readonly<
  Record<
    string,
    number | readonly number[] | string | { strings: readonly string[] } | { f: number } | { floats: readonly number[] }
  >
>;

const encoder = new TextEncoder();

export function attributes(given: Attributes): Init<Attribute>[] {
  return Object.entries(given).map(([name, value]) => {
    if (typeof value === 'number') return { name, i: BigInt(value), type: AttributeType.int };
    if (typeof value === 'string') return { name, s: encoder.encode(value), type: AttributeType.string };
    if ('strings' in value)
      return { name, strings: value.strings.map(text => encoder.encode(text)), type: AttributeType.strings };
    if ('floats' in value) return { name, floats: [...value.floats], type: AttributeType.floats };
    if ('f' in value) return { name, f: value.f, type: AttributeType.float };
    return { name, ints: value.map(BigInt), type: AttributeType.ints };
  });
}
