import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { nn, Tensor } from '../../lib/index.js';
import { makeRandom } from './random.js';

/** A tensor's bytes as text, so that equality is bit for bit, NaN and the sign of 0 included. */
export function bits(t: Tensor): string {
  const values = t.toTypedArray();
  return `${t.dtype} [${t.shape.join(', ')}] ${Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64')}`;
}

/** Every value of a net by path. */
export function allBits(net: nn.Block): Record<string, string> {
  return Object.fromEntries([...net.collectParams()].map(([path, parameter]) => [path, bits(parameter.data())]));
}

/** What `body` throws; fails when it returns. */
export function thrown(body: () => unknown): Error {
  try {
    body();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected an error, but none was thrown');
}

/** The codes and texts of the process warnings that `body` emits. */
export function warningsOf(body: () => void): { code: string; text: string }[] {
  const seen: { code: string; text: string }[] = [];
  const spy = jest.spyOn(process, 'emitWarning').mockImplementation(((text: string, options: { code: string }) => {
    seen.push({ code: options.code, text });
  }) as never);
  try {
    body();
  } finally {
    spy.mockRestore();
  }
  return seen;
}

/** Numbers in [-1, 1) that are no multiples of one another, from a generator of the tests' own. */
export function values(count: number, salt = 1): Float32Array {
  const random = makeRandom(salt);
  return Float32Array.from({ length: count }, () => random.next() * 2 - 1);
}

/** Runs `body` with a folder of its own and removes it afterwards. */
export function inFolder<R>(body: (folder: string) => R): R {
  const folder = mkdtempSync(join(tmpdir(), 'latent-test-'));
  try {
    return body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same for what takes its time. */
export async function inFolderAsync<R>(body: (folder: string) => Promise<R>): Promise<R> {
  const folder = mkdtempSync(join(tmpdir(), 'latent-test-'));
  try {
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
