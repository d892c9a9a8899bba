import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { interpreterOf, isCutShort } from '../../lib/native/elf.js';
import { platform } from '../../lib/native/platform.js';
import { inFolder } from '../support/nn-helpers.js';

/** A program of two segments, of which the second names its loader, at this place of the file. */
function programWith(loader: string, place: number): Buffer {
  const file = Buffer.alloc(place + loader.length + 1);
  file.write('\x7fELF\x02\x01', 0, 'latin1');
  file.writeBigUInt64LE(64n, 0x20);
  file.writeUInt16LE(56, 0x36);
  file.writeUInt16LE(2, 0x38);
  file.writeUInt32LE(1, 64);
  file.writeUInt32LE(3, 64 + 56);
  file.writeBigUInt64LE(BigInt(place), 64 + 56 + 8);
  file.writeBigUInt64LE(BigInt(loader.length + 1), 64 + 56 + 0x20);
  file.write(loader, place, 'latin1');
  return file;
}

function as<T>(program: Buffer | string, read: (path: string) => T): T {
  let result: T | undefined;
  inFolder(folder => {
    writeFileSync(join(folder, 'program'), program);
    result = read(join(folder, 'program'));
  });
  return result as T;
}

function platformOf(program: Buffer | string): string {
  const own = process.execPath;
  return as(program, path => {
    process.execPath = path;
    try {
      return platform();
    } finally {
      process.execPath = own;
    }
  });
}

// A tool that edits programs moves the name to the end of the file.
test.each([200, 5000, 3_000_000])('the loader that a program names is read at %d', place => {
  expect(as(programWith('/lib/ld-musl-x86_64.so.1', place), interpreterOf)).toBe('/lib/ld-musl-x86_64.so.1');
});

test('a program of another format names none, nor does one whose segments are missing', () => {
  expect(as('#!/bin/sh\n'.repeat(20), interpreterOf)).toBeUndefined();
  expect(as(programWith('/lib/x', 200).fill(0, 64, 176), interpreterOf)).toBeUndefined();
  expect(as('', isCutShort)).toBe(false);
  // Of a 32-bit system, and of one with the greater byte first: the tables lie elsewhere there.
  for (const [place, value] of [
    [4, 1],
    [5, 2],
  ] as const) {
    const file = programWith('/lib/x', 200);
    file.writeBigUInt64LE(10_000n, 0x28);
    expect(as(file, isCutShort)).toBe(true);
    file[place] = value;
    expect(as(file, isCutShort)).toBe(false);
    expect(as(file, interpreterOf)).toBeUndefined();
  }
});

const linux = process.platform === 'linux' ? test : test.skip;

linux('the C library is the one of the program that runs', () => {
  expect(platformOf(programWith('/lib/ld-musl-x86_64.so.1', 70_000))).toBe(`linux-${process.arch}-musl`);
  expect(platformOf(programWith('/lib64/ld-linux-x86-64.so.2', 200))).toBe(`linux-${process.arch}-glibc`);
  // Nothing to be read: what the process reports.
  expect(platformOf('')).toBe(platform());
});
