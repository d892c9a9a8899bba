import type { Layer } from './nets.js';
import { requirePeer } from './peer-package.js';

/** The part of onnx.proto that a net of dense layers needs; field numbers are ONNX's. */
const schema = `
syntax = "proto3";
message OperatorSetId { string domain = 1; int64 version = 2; }
message Attribute { string name = 1; int64 i = 3; int32 type = 20; }
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
const INT = 2;

/** Bytes of an ONNX model x[batch, inputs] → y: dense layers with relu between them. */
export function modelOf(layers: readonly Layer[], batch: number): Uint8Array {
  const { root } = (requirePeer('protobufjs') as Protobuf).parse(schema, { keepCase: true });
  const info = (name: string, columns: number) => ({
    name,
    type: { tensor_type: { elem_type: FLOAT, shape: { dim: [{ dim_value: batch }, { dim_value: columns }] } } },
  });
  const constant = (name: string, dims: number[], values: Float32Array) => ({
    name,
    dims,
    data_type: FLOAT,
    raw_data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  });
  const last = layers.length - 1;
  const nodes = layers.flatMap((_, i) => {
    const product = {
      op_type: 'Gemm',
      input: [i === 0 ? 'x' : `h${i}`, `w${i}`, `b${i}`],
      output: [i === last ? 'y' : `p${i}`],
      attribute: [{ name: 'transB', i: 1, type: INT }],
    };
    return i === last ? [product] : [product, { op_type: 'Relu', input: [`p${i}`], output: [`h${i + 1}`] }];
  });
  const model = {
    ir_version: 8,
    opset_import: [{ domain: '', version: 17 }],
    graph: {
      name: 'net',
      node: nodes,
      initializer: layers.flatMap(({ inputs, outputs, weight, bias }, i) => [
        constant(`w${i}`, [outputs, inputs], weight),
        constant(`b${i}`, [outputs], bias),
      ]),
      input: [info('x', (layers[0] as Layer).inputs)],
      output: [info('y', (layers[last] as Layer).outputs)],
    },
  };
  return root.lookupType('Model').encode(model).finish();
}
