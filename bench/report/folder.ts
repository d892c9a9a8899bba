import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Results } from './json.js';
import { overviewPlot, summariesOf } from './overview.js';
import { resultsPage } from './page.js';
import { writePlot } from './plot.js';

/** The results of all suites in a folder, by the names of their files. */
export function readFolder(folder: string): Results[] {
  return readdirSync(folder)
    .filter(name => name.endsWith('.json'))
    .sort()
    .map(name => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Results);
}

/** Writes the page of a folder's results, README.md, and its picture, overview.svg. */
export function writeOverview(folder: string): void {
  const all = readFolder(folder);
  writePlot(join(folder, 'overview.svg'), overviewPlot(summariesOf(all)));
  writeFileSync(join(folder, 'README.md'), resultsPage(all));
}
