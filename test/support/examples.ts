import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './child.js';

/** The compiled file of an example: jest's global setup compiles them. */
export const example = (name: string): string => join(root, 'build', 'ts', 'examples', `${name}.js`);

/** Runs examples as a user does, in a folder of their own. */
export function examplesRunner(): { folder: string; run: (name: string, ...args: string[]) => string } {
  const folder = mkdtempSync(join(tmpdir(), 'latent-examples-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return {
    folder,
    run: (name, ...args) => execFileSync(process.execPath, [example(name), ...args], { cwd: folder, encoding: 'utf8' }),
  };
}
