import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from '../root.js';

/** Loads a package from the benchmark's own folder, whose packages the repository itself doesn't have. */
export const requirePeer = createRequire(join(root, 'bench', 'package.json'));

export function versionOf(name: string): string {
  const file = join(root, 'bench', 'node_modules', ...name.split('/'), 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
