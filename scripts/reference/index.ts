/**
 * Writes the doc comments into the pages of docs/reference, after what is written there by hand, and the bounds of the kernels'
 * tests into docs/accuracy.md: `npm run reference`. Tests compare the pages with both.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderAccuracy } from './accuracy.js';
import { type Page, renderPages } from './pages.js';
import { Package } from './symbols.js';

/** The pages as they are. */
export function readPages(folder: string): Page[] {
  return readdirSync(folder)
    .filter(name => name.endsWith('.md'))
    .sort()
    .map(name => ({ name, text: readFileSync(join(folder, name), 'utf8') }));
}

export const ACCURACY = join('docs', 'accuracy.md');

export function accuracyOf(root: string): string {
  const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
  return renderAccuracy(read('native', 'test', 'curves.h'), read(ACCURACY));
}

if (require.main === module) {
  const root = process.cwd();
  const folder = join(root, 'docs', 'reference');
  const pages = renderPages(new Package(root), readPages(folder));
  for (const { name, text } of pages) writeFileSync(join(folder, name), text);
  writeFileSync(join(root, ACCURACY), accuracyOf(root));
  console.log(`${pages.length + 1} pages`);
}
