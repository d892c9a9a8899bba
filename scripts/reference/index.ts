/**
 * Writes what the doc comments say into the pages of docs/reference, behind what is written there by hand: `npm run
 * reference`. A test holds the pages to it.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Page, renderPages } from './pages.js';
import { Package } from './symbols.js';

/** The pages as they are. */
export function readPages(folder: string): Page[] {
  return readdirSync(folder)
    .filter(name => name.endsWith('.md'))
    .sort()
    .map(name => ({ name, text: readFileSync(join(folder, name), 'utf8') }));
}

if (require.main === module) {
  const root = process.cwd();
  const folder = join(root, 'docs', 'reference');
  const pages = renderPages(new Package(root), readPages(folder));
  for (const { name, text } of pages) writeFileSync(join(folder, name), text);
  console.log(`${pages.length} pages`);
}
