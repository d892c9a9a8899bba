import type * as Wire from '@bufbuild/protobuf/wire';
import { fieldsOf, isMessage, type MessageName } from './schema.js';

const wire = (): typeof Wire => require('@bufbuild/protobuf/wire') as typeof Wire;

// Heap that parts of a file take once they are decoded and read, measured; written they may take two bytes each.
const MESSAGE_BYTES = 1200;
/** Of one that may be a parameter. */
const TENSOR_BYTES = 4200;
const ENTRY_BYTES = 180;
const NUMBER_BYTES = 60;

/** Heap that the parts of a file may take, beside as much as the file is long. */
const PARTS_HEAP = 24_000_000;

const wireTypes: Record<string, number> = { int64: 0, int32: 0, float: 5 };
const LENGTH_DELIMITED = 2;

/**
 * Why bytes hold no message of such a kind that may be decoded, or how many bytes of heap are left beside it: walks over them
 * and makes nothing. A decoder would build whatever the bytes ask for first.
 */
export function scan(message: MessageName, bytes: Uint8Array): string | number {
  const { BinaryReader } = wire();
  const reader = new BinaryReader(bytes);
  const most = PARTS_HEAP + bytes.length;
  let taken = 0;
  const refuse = (why: string): never => {
    throw new Refused(why);
  };
  const take = (heap: number): void => {
    taken += heap;
    if (taken > most)
      refuse(
        `its parts would take more than ${Math.round(most / 1e6).toLocaleString('en-US')} MB of heap when decoded`,
      );
  };
  const walk = (kind: MessageName, end: number): void => {
    take(kind === 'TensorData' ? TENSOR_BYTES : MESSAGE_BYTES);
    const fields = fieldsOf(kind);
    while (reader.pos < end) {
      const [number, type] = reader.tag();
      const told = fields.get(number);
      if (told === undefined) {
        reader.skip(type, number);
        continue;
      }
      const { name, field } = told;
      const packed = field.repeated && type === LENGTH_DELIMITED && field.type in wireTypes;
      if (!packed && type !== (wireTypes[field.type] ?? LENGTH_DELIMITED)) refuse(`field '${name}' is of another type`);
      if (type !== LENGTH_DELIMITED) {
        if (field.repeated) take(NUMBER_BYTES);
        reader.skip(type, number);
        continue;
      }
      const length = reader.uint32();
      const stop = reader.pos + length;
      if (stop > end) refuse(`field '${name}' reaches beyond its message`);
      if (isMessage(field.type)) {
        walk(field.type, stop);
      } else {
        if (packed) take(length * NUMBER_BYTES);
        else if (field.repeated) take(ENTRY_BYTES);
        reader.pos = stop;
      }
    }
    if (reader.pos !== end) refuse('a message ends inside a field');
  };
  try {
    walk(message, bytes.length);
    return most - taken;
  } catch (error) {
    return error instanceof Refused ? error.message : 'it ends inside a field, or holds bytes that are none';
  }
}

class Refused extends Error {}
