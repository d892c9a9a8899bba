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

export interface Messages {
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

/** A field with its name. */
export interface NamedField {
  readonly name: string;
  readonly field: Field;
}

const byNumber = new Map<MessageName, ReadonlyMap<number, NamedField>>();

/** The fields of a message by number, in the order of these. */
export function fieldsOf(message: MessageName): ReadonlyMap<number, NamedField> {
  let fields = byNumber.get(message);
  if (fields === undefined) {
    const named = Object.entries(messages[message] as Record<string, Field>).map(([name, field]) => ({ name, field }));
    named.sort((a, b) => a.field.number - b.field.number);
    fields = new Map(named.map(one => [one.field.number, one]));
    byNumber.set(message, fields);
  }
  return fields;
}
