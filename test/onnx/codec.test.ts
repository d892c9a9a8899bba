import * as protobuf from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';
import { decodeMessage, encodeMessage } from '../../lib/onnx/codec.js';
import { scan } from '../../lib/onnx/scan.js';
import { type Field, fieldsOf, isMessage, type MessageName, messages, type Scalar } from '../../lib/onnx/schema.js';
import { makeRandom } from '../support/random.js';

// The library's generic messages, of the same fields, are the reference.
const types: Record<Scalar, Type> = {
  int64: Type.INT64,
  int32: Type.INT32,
  float: Type.FLOAT,
  string: Type.STRING,
  bytes: Type.BYTES,
};

function fileOf(isPacked: boolean): protobuf.FileRegistry {
  const file = protobuf.create(FileDescriptorProtoSchema, {
    name: 'onnx.proto',
    package: 'onnx',
    syntax: 'proto2',
    messageType: Object.entries(messages).map(([name, fields]) => ({
      name,
      field: Object.entries(fields as Record<string, Field>).map(([key, { number, type, repeated }]) => ({
        name: key,
        number,
        label: repeated ? Label.REPEATED : Label.OPTIONAL,
        ...(isMessage(type) ? { type: Type.MESSAGE, typeName: `.onnx.${type}` } : { type: types[type] }),
        ...(repeated && (type === 'int64' || type === 'float') ? { options: { packed: isPacked } } : {}),
      })),
    })),
  });
  return protobuf.createFileRegistry(file, () => undefined);
}

const files = { packed: fileOf(true), unpacked: fileOf(false) };
const schemaOf = (name: MessageName, file = files.unpacked) => file.getMessage(`onnx.${name}`) as protobuf.DescMessage;

const names = Object.keys(messages) as MessageName[];
const { int, pick } = makeRandom(31);

const longs = [0n, 1n, -1n, 127n, 128n, 2n ** 31n, -(2n ** 31n), 2n ** 63n - 1n, -(2n ** 63n)];
const draw: Record<Scalar, () => unknown> = {
  int64: () => pick(longs),
  int32: () => pick([0, 1, -1, 300, 2 ** 31 - 1, -(2 ** 31)]),
  float: () => pick([0, -0, 0.5, -3.25, Infinity, -Infinity, NaN, Math.fround(1e-40)]),
  string: () => pick(['', 'x', 'naïve', '漢字', 'a'.repeat(200)]),
  bytes: () => Uint8Array.from({ length: pick([0, 1, 5, 300]) }, () => int(0, 255)),
};

/** A message with some of its fields, no deeper than so many messages. */
function drawn(name: MessageName, depth: number): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  for (const { name: key, field } of fieldsOf(name).values()) {
    const { type, repeated } = field;
    if (int(0, 2) === 0 || (isMessage(type) && depth === 0)) continue;
    const one = (): unknown => (isMessage(type) ? drawn(type, depth - 1) : draw[type]());
    message[key] = repeated ? Array.from({ length: int(0, 3) }, one) : one();
  }
  return message;
}

/** The fields of a message, those that it lacks as well, without what the library keeps beside them. */
function fieldsIn(name: MessageName, message: Record<string, unknown>): Record<string, unknown> {
  const inner = ({ type }: Field, value: unknown): unknown =>
    isMessage(type) && value !== undefined
      ? fieldsIn(type, value as Record<string, unknown>)
      : value instanceof Uint8Array
        ? Buffer.from(value).toString('hex')
        : value;
  return Object.fromEntries(
    [...fieldsOf(name).values()].map(({ name: key, field }) => {
      const value = message[key];
      return [key, field.repeated ? (value as unknown[]).map(one => inner(field, one)) : inner(field, value)];
    }),
  );
}

const referenceOf = (name: MessageName, bytes: Uint8Array): Record<string, unknown> =>
  fieldsIn(name, protobuf.fromBinary(schemaOf(name), bytes) as unknown as Record<string, unknown>);
const decoded = (name: MessageName, bytes: Uint8Array): Record<string, unknown> =>
  fieldsIn(name, decodeMessage(name, bytes) as unknown as Record<string, unknown>);

test('messages are written as the library writes them', () => {
  for (let i = 0; i < 300; i++) {
    const name = pick(names);
    const message = drawn(name, 4);
    const schema = schemaOf(name);
    const want = protobuf.toBinary(schema, protobuf.create(schema, message as never));
    expect(Buffer.from(encodeMessage(name, message as never)).toString('hex')).toBe(Buffer.from(want).toString('hex'));
  }
});

test('messages are read as the library reads them, packed or not, with fields that are not known', () => {
  const unknown = Uint8Array.from([0x98, 0x06, 0x01, 0x9a, 0x06, 0x02, 0x61, 0x62]); // fields 99 as a number and as bytes
  for (let i = 0; i < 300; i++) {
    const name = pick(names);
    const schema = schemaOf(name, pick(Object.values(files)));
    const bytes = protobuf.toBinary(schema, protobuf.create(schema, drawn(name, 4) as never));
    const whole = Buffer.concat([unknown, bytes, unknown]);
    expect(typeof scan(name, whole)).toBe('number');
    expect(decoded(name, whole)).toEqual(referenceOf(name, whole));
  }
});

test('a message that comes twice is one, with the fields of both; of a field that comes twice the last counts', () => {
  for (let i = 0; i < 200; i++) {
    const name = pick(names);
    const bytes = Buffer.concat([drawn(name, 4), drawn(name, 4)].map(one => encodeMessage(name, one as never)));
    expect(decoded(name, bytes)).toEqual(referenceOf(name, bytes));
  }
});

test('a message that was read is written again with the fields that it had, and no other', () => {
  const bytes = encodeMessage('Attribute', { name: 'axis', i: 0n, type: 2 });
  expect(Buffer.from(encodeMessage('Attribute', decodeMessage('Attribute', bytes)))).toEqual(Buffer.from(bytes));
});
