import type * as Protobuf from '@bufbuild/protobuf';
import type * as Wkt from '@bufbuild/protobuf/wkt';

/**
 * The messages of the ONNX format (onnx.proto, Apache-2.0) as far as files are read and written here. Field numbers are the
 * format's. Elements that lie packed in a tensor's typed fields stay bytes, to be decoded once their number is checked.
 */
export interface Model {
  irVersion: bigint;
  producerName: string;
  graph?: Graph;
  opsetImport: OperatorSet[];
  metadataProps: Entry[];
  functions: Uint8Array[];
}

export interface OperatorSet {
  domain: string;
  version: bigint;
}

export interface Entry {
  key: string;
  value: string;
}

export interface Graph {
  node: Node[];
  name: string;
  initializer: TensorData[];
  sparseInitializer: Uint8Array[];
  input: ValueInfo[];
  output: ValueInfo[];
}

export interface Node {
  input: string[];
  output: string[];
  name: string;
  opType: string;
  attribute: Attribute[];
  domain: string;
}

export interface Attribute {
  name: string;
  f: number;
  i: bigint;
  s: Uint8Array;
  t?: TensorData;
  floats: number[];
  ints: bigint[];
  strings: Uint8Array[];
  type: number;
}

export interface TensorData {
  dims: bigint[];
  dataType: number;
  floatData: Uint8Array[];
  int32Data: Uint8Array[];
  int64Data: Uint8Array[];
  name: string;
  rawData: Uint8Array;
  doubleData: Uint8Array[];
  externalData: Entry[];
  dataLocation: number;
}

export interface ValueInfo {
  name: string;
  type?: ValueType;
}

export interface ValueType {
  tensorType?: TensorType;
}

export interface TensorType {
  elemType: number;
  shape?: TensorShape;
}

export interface TensorShape {
  dim: Dimension[];
}

export interface Dimension {
  dimValue: bigint;
  dimParam: string;
}

interface Messages {
  Model: Model;
  OperatorSet: OperatorSet;
  Entry: Entry;
  Graph: Graph;
  Node: Node;
  Attribute: Attribute;
  TensorData: TensorData;
  ValueInfo: ValueInfo;
  ValueType: ValueType;
  TensorType: TensorType;
  TensorShape: TensorShape;
  Dimension: Dimension;
}

export type MessageName = keyof Messages;
export type Scalar = 'int64' | 'int32' | 'float' | 'string' | 'bytes';

export interface Field {
  readonly number: number;
  readonly type: Scalar | MessageName;
  readonly repeated: boolean;
}

const one = (number: number, type: Field['type']): Field => ({ number, type, repeated: false });
const many = (number: number, type: Field['type']): Field => ({ number, type, repeated: true });

export const messages: { readonly [M in MessageName]: { readonly [F in keyof Messages[M]]-?: Field } } = {
  Model: {
    irVersion: one(1, 'int64'),
    producerName: one(2, 'string'),
    graph: one(7, 'Graph'),
    opsetImport: many(8, 'OperatorSet'),
    metadataProps: many(14, 'Entry'),
    functions: many(25, 'bytes'),
  },
  OperatorSet: { domain: one(1, 'string'), version: one(2, 'int64') },
  Entry: { key: one(1, 'string'), value: one(2, 'string') },
  Graph: {
    node: many(1, 'Node'),
    name: one(2, 'string'),
    initializer: many(5, 'TensorData'),
    sparseInitializer: many(15, 'bytes'),
    input: many(11, 'ValueInfo'),
    output: many(12, 'ValueInfo'),
  },
  Node: {
    input: many(1, 'string'),
    output: many(2, 'string'),
    name: one(3, 'string'),
    opType: one(4, 'string'),
    attribute: many(5, 'Attribute'),
    domain: one(7, 'string'),
  },
  Attribute: {
    name: one(1, 'string'),
    f: one(2, 'float'),
    i: one(3, 'int64'),
    s: one(4, 'bytes'),
    t: one(5, 'TensorData'),
    floats: many(7, 'float'),
    ints: many(8, 'int64'),
    strings: many(9, 'bytes'),
    type: one(20, 'int32'),
  },
  TensorData: {
    dims: many(1, 'int64'),
    dataType: one(2, 'int32'),
    floatData: many(4, 'bytes'),
    int32Data: many(5, 'bytes'),
    int64Data: many(7, 'bytes'),
    name: one(8, 'string'),
    rawData: one(9, 'bytes'),
    doubleData: many(10, 'bytes'),
    externalData: many(13, 'Entry'),
    dataLocation: one(14, 'int32'),
  },
  ValueInfo: { name: one(1, 'string'), type: one(2, 'ValueType') },
  ValueType: { tensorType: one(1, 'TensorType') },
  TensorType: { elemType: one(1, 'int32'), shape: one(2, 'TensorShape') },
  TensorShape: { dim: many(1, 'Dimension') },
  Dimension: { dimValue: one(1, 'int64'), dimParam: one(2, 'string') },
};

export function isMessage(type: Field['type']): type is MessageName {
  return type in messages;
}

/** The values of AttributeProto.type, which tells the field that holds the value. */
export const AttributeType = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7, strings: 8 } as const;

/** TensorProto.DataType. */
export const DataType = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
} as const;

/** The fields of a message; those that are left out are not written. */
export type Init<T> = T extends readonly (infer Item)[]
  ? Init<Item>[]
  : T extends Uint8Array | bigint | string | number
    ? T
    : { [K in keyof T]?: Init<T[K]> };

// Few programs read or write such files: the library that decodes them is loaded by the first that does.
const protobuf = (): typeof Protobuf => require('@bufbuild/protobuf') as typeof Protobuf;
const wkt = (): typeof Wkt => require('@bufbuild/protobuf/wkt') as typeof Wkt;

let registry: Protobuf.FileRegistry | null = null;

function descriptor(name: MessageName): Protobuf.DescMessage {
  if (registry === null) {
    const { FileDescriptorProtoSchema, FieldDescriptorProto_Type: Type, FieldDescriptorProto_Label: Label } = wkt();
    const types: Record<Scalar, number> = {
      int64: Type.INT64,
      int32: Type.INT32,
      float: Type.FLOAT,
      string: Type.STRING,
      bytes: Type.BYTES,
    };
    const file = protobuf().create(FileDescriptorProtoSchema, {
      name: 'onnx.proto',
      package: 'onnx',
      syntax: 'proto2',
      messageType: Object.entries(messages).map(([message, fields]) => ({
        name: message,
        field: Object.entries(fields as Record<string, Field>).map(([field, { number, type, repeated }]) => ({
          name: field,
          number,
          label: repeated ? Label.REPEATED : Label.OPTIONAL,
          ...(isMessage(type) ? { type: Type.MESSAGE, typeName: `.onnx.${type}` } : { type: types[type] }),
        })),
      })),
    } as never);
    registry = protobuf().createFileRegistry(file, () => undefined);
  }
  return registry.getMessage(`onnx.${name}`) as Protobuf.DescMessage;
}

export function encodeMessage<M extends MessageName>(name: M, value: Init<Messages[M]>): Uint8Array {
  const schema = descriptor(name);
  const { create, toBinary } = protobuf();
  return toBinary(schema, create(schema, value as never));
}

/** Decodes bytes that `scan` has passed: their messages are few enough and no deeper than the format's own. */
export function decodeMessage<M extends MessageName>(name: M, bytes: Uint8Array): Messages[M] {
  const message: object = protobuf().fromBinary(descriptor(name), bytes, { readUnknownFields: false });
  return message as Messages[M];
}
