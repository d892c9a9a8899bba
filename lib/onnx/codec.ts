import type * as Wire from '@bufbuild/protobuf/wire';
import { type Field, fieldsOf, type Init, isMessage, type MessageName, type Messages, type Scalar } from './schema.js';

// Few programs read or write such files: the library that knows their coding is loaded by the first that does. Its generic
// messages are not used, for they need descriptors, which take longer to set up than most models take to read.
const wire = (): typeof Wire => require('@bufbuild/protobuf/wire') as typeof Wire;

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;
const wireTypes: Record<Scalar, number> = {
  int64: VARINT,
  int32: VARINT,
  float: FIXED_32,
  string: LENGTH_DELIMITED,
  bytes: LENGTH_DELIMITED,
};

const absent: Record<Scalar, unknown> = { int64: 0n, int32: 0, float: 0, string: '', bytes: new Uint8Array() };

type Fields = Record<string, unknown>;

/** By message: the values of fields that a message does not have. */
const prototypes = new Map<MessageName, Fields>();

function prototypeOf(name: MessageName): Fields {
  let prototype = prototypes.get(name);
  if (prototype === undefined) {
    prototype = {};
    for (const { name: key, field } of fieldsOf(name).values())
      if (!field.repeated && !isMessage(field.type)) prototype[key] = absent[field.type];
    prototypes.set(name, prototype);
  }
  return prototype;
}

function create(name: MessageName): Fields {
  const message = Object.create(prototypeOf(name)) as Fields;
  for (const { name: key, field } of fieldsOf(name).values()) if (field.repeated) message[key] = [];
  return message;
}

/** Decodes bytes that `scan` has passed: their messages are few enough and no deeper than the format's own. */
export function decodeMessage<M extends MessageName>(name: M, bytes: Uint8Array): Messages[M] {
  const { BinaryReader } = wire();
  const message = create(name);
  decodeInto(message, name, new BinaryReader(bytes), bytes.length);
  return message as unknown as Messages[M];
}

function decodeInto(message: Fields, name: MessageName, reader: Wire.BinaryReader, end: number): void {
  const fields = fieldsOf(name);
  while (reader.pos < end) {
    const [number, type] = reader.tag();
    const told = fields.get(number);
    if (told === undefined) {
      reader.skip(type, number);
      continue;
    }
    const { name: key, field } = told;
    const value = message[key];
    if (!field.repeated) message[key] = decodeField(field.type, reader, value);
    else if (isPacked(field, type)) {
      const stop = reader.uint32() + reader.pos;
      while (reader.pos < stop) (value as unknown[]).push(reader[field.type as 'int64']());
    } else (value as unknown[]).push(decodeField(field.type, reader, undefined));
  }
}

const isPacked = ({ type }: Field, wireType: number): boolean =>
  !isMessage(type) && wireTypes[type] !== LENGTH_DELIMITED && wireType === LENGTH_DELIMITED;

/** A message that comes twice is one, with the fields of both. */
function decodeField(type: Field['type'], reader: Wire.BinaryReader, before: unknown): unknown {
  if (!isMessage(type)) {
    const value = reader[type]();
    return type === 'int64' ? BigInt(value as bigint) : value;
  }
  const length = reader.uint32();
  const message = (before as Fields | undefined) ?? create(type);
  decodeInto(message, type, reader, reader.pos + length);
  return message;
}

/** The bytes of a message: the fields that it has itself, in the order of their numbers. */
export function encodeMessage<M extends MessageName>(name: M, value: Init<Messages[M]>): Uint8Array {
  const { BinaryWriter } = wire();
  const writer = new BinaryWriter();
  encodeTo(writer, name, value as Fields);
  return writer.finish();
}

function encodeTo(writer: Wire.BinaryWriter, name: MessageName, message: Fields): void {
  for (const { name: key, field } of fieldsOf(name).values()) {
    const value = Object.hasOwn(message, key) ? message[key] : undefined;
    if (value === undefined) continue;
    for (const one of field.repeated ? (value as unknown[]) : [value]) encodeField(writer, field, one);
  }
}

function encodeField(writer: Wire.BinaryWriter, { number, type }: Field, value: unknown): void {
  if (isMessage(type)) {
    writer.tag(number, LENGTH_DELIMITED).fork();
    encodeTo(writer, type, value as Fields);
    writer.join();
    return;
  }
  writer.tag(number, wireTypes[type]);
  (writer[type] as (value: unknown) => void).call(writer, value);
}
