import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** An open ELF file of a 64-bit little-endian system. */
interface Elf {
  readonly fd: number;
  readonly header: Buffer;
}

const HEADER_BYTES = 64;
/** ELF's magic number, followed by the bytes for 64 bits and little endian. */
const MARK = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
/** Offsets in the ELF header. The section table is the last thing in a file. */
const Header = {
  machine: 0x12,
  segments: 0x20,
  sections: 0x28,
  segmentBytes: 0x36,
  segmentCount: 0x38,
  sectionBytes: 0x3a,
  sectionCount: 0x3c,
} as const;
/** Offsets in a program header, and the type of the one that names the dynamic loader (PT_INTERP). */
const Segment = { kind: 0, offset: 8, bytes: 0x20 } as const;
const INTERPRETER = 3;
const LONGEST_PATH = 4096;

/** Opens a file and returns what `read` returns; undefined if the file is no ELF file of a 64-bit little-endian system. */
function withElf<T>(path: string, read: (elf: Elf) => T): T | undefined {
  const header = Buffer.alloc(HEADER_BYTES);
  const fd = openSync(path, 'r');
  try {
    const isElf = readSync(fd, header, 0, HEADER_BYTES, 0) === HEADER_BYTES && header.indexOf(MARK) === 0;
    if (!isElf) return undefined;
    return read({ fd, header });
  } finally {
    closeSync(fd);
  }
}

/** Whether an ELF file is truncated. Loading one kills the process, because the loader maps pages that do not exist. */
export function isCutShort(path: string): boolean {
  const short = withElf(path, ({ fd, header }) => {
    const table = header.readUInt16LE(Header.sectionBytes) * header.readUInt16LE(Header.sectionCount);
    return fstatSync(fd).size < Number(header.readBigUInt64LE(Header.sections)) + table;
  });
  return short ?? false;
}

/** The architecture that an ELF file is for (e_machine). */
export function machineOf(path: string): number | undefined {
  return withElf(path, ({ header }) => header.readUInt16LE(Header.machine));
}

/** The dynamic loader that a program names, such as `/lib/ld-musl-x86_64.so.1`; undefined where it names none. */
export function interpreterOf(path: string): string | undefined {
  return withElf(path, ({ fd, header }) => {
    const bytes = header.readUInt16LE(Header.segmentBytes);
    const table = Buffer.alloc(bytes * header.readUInt16LE(Header.segmentCount));
    readSync(fd, table, 0, table.length, Number(header.readBigUInt64LE(Header.segments)));
    for (let at = 0; at < table.length; at += bytes) {
      if (table.readUInt32LE(at + Segment.kind) !== INTERPRETER) continue;
      const name = Buffer.alloc(Math.min(Number(table.readBigUInt64LE(at + Segment.bytes)), LONGEST_PATH));
      readSync(fd, name, 0, name.length, Number(table.readBigUInt64LE(at + Segment.offset)));
      return name.toString('utf8').replace(/\0.*$/s, '');
    }
    return undefined;
  });
}
