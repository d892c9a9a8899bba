import { requirePeer } from './peer-package.js';

/** The part of onnx.proto that the models here need; field numbers are ONNX's. */
const schema = `
syntax = "proto3";
message OperatorSetId { string domain = 1; int64 version = 2; }
message Attribute {
  string name = 1; float f = 2; int64 i = 3; bytes s = 4; repeated int64 ints = 8; int32 type = 20;
}
message Node { repeated string input = 1; repeated string output = 2; string op_type = 4; repeated Attribute attribute = 5; }
message Tensor { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
message Dimension { int64 dim_value = 1; }
message Shape { repeated Dimension dim = 1; }
message TensorType { int32 elem_type = 1; Shape shape = 2; }
message Type { TensorType tensor_type = 1; }
message ValueInfo { string name = 1; Type type = 2; }
message Graph {
  repeated Node node = 1; string name = 2; repeated Tensor initializer = 5;
  repeated ValueInfo input = 11; repeated ValueInfo output = 12;
}
message Model { int64 ir_version = 1; Graph graph = 7; repeated OperatorSetId opset_import = 8; }
`;

interface Protobuf {
  parse(
    text: string,
    options: { keepCase: boolean },
  ): {
    root: { lookupType(name: string): { encode(message: object): { finish(): Uint8Array } } };
  };
}

const FLOAT = 1;
const INT64 = 7;

/** Whole numbers as such, numbers in { f } as floats, texts, and lists of whole numbers. */
export type Attribute = number | { readonly f: number } | string | readonly number[];

function attribute(name: string, value: Attribute): object {
  if (typeof value === 'number') return { name, i: value, type: 2 };
  if (typeof value === 'string') return { name, s: Buffer.from(value), type: 3 };
  if ('f' in value) return { name, f: value.f, type: 1 };
  return { name, ints: value, type: 7 };
}

/** A model x → y, put together node by node. */
export class Model {
  readonly #nodes: object[] = [];
  readonly #constants: object[] = [];
  #names = 0;

  /** Adds a node; answers the name of its first result. */
  node(type: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = `v${this.#names++}`;
    this.#nodes.push({
      op_type: type,
      input: inputs,
      output: [output],
      attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    });
    return output;
  }

  constant(dims: readonly number[], values: Float32Array): string {
    return this.#constant(dims, FLOAT, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  /** A list of whole numbers: a shape, or axes. */
  list(values: readonly number[]): string {
    const array = BigInt64Array.from(values, BigInt);
    return this.#constant([values.length], INT64, new Uint8Array(array.buffer));
  }

  /** The model's bytes: `input` is x's shape, `result` the value that is y, of shape `output`. */
  bytes(input: readonly number[], result: string, output: readonly number[]): Uint8Array {
    const { root } = (requirePeer('protobufjs') as Protobuf).parse(schema, { keepCase: true });
    const info = (name: string, shape: readonly number[]) => ({
      name,
      type: { tensor_type: { elem_type: FLOAT, shape: { dim: shape.map(size => ({ dim_value: size })) } } },
    });
    const model = {
      ir_version: 8,
      opset_import: [{ domain: '', version: 17 }],
      graph: {
        name: 'net',
        node: [...this.#nodes, { op_type: 'Identity', input: [result], output: ['y'] }],
        initializer: this.#constants,
        input: [info('x', input)],
        output: [info('y', output)],
      },
    };
    return root.lookupType('Model').encode(model).finish();
  }

  #constant(dims: readonly number[], type: number, bytes: Uint8Array): string {
    const name = `c${this.#names++}`;
    this.#constants.push({ name, dims, data_type: type, raw_data: bytes });
    return name;
  }
}
