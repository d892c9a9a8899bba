import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

function isRoot(folder: string): boolean {
  const file = join(folder, 'package.json');
  return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'latent';
}

function findRoot(from: string): string {
  if (isRoot(from)) return from;
  const above = dirname(from);
  if (above === from) throw new Error(`the benchmark runs from a checkout of latent, but none lies above ${__dirname}`);
  return findRoot(above);
}

/** The repository's folder, whether this runs from its sources or from what they compile to. */
export const root = findRoot(__dirname);
