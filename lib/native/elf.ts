import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const HEADER_BYTES = 64;
const MAGIC = 0x464c457f;
/** Places of the 64-bit header: where the table of sections lies, which ends a file, and its entries' size and number. */
const Place = { sections: 0x28, entryBytes: 0x3a, entries: 0x3c } as const;

/** Whether a file of Linux' format lacks its end: the system's loader would map what is not there, and kill the process. */
export function isCutShort(path: string): boolean {
  const header = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, 'r');
  try {
    if (readSync(file, header, 0, HEADER_BYTES, 0) < HEADER_BYTES || header.readUInt32LE(0) !== MAGIC) return false;
    const table = header.readUInt16LE(Place.entryBytes) * header.readUInt16LE(Place.entries);
    return fstatSync(file).size < Number(header.readBigUInt64LE(Place.sections)) + table;
  } finally {
    closeSync(file);
  }
}
