import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as latent from '../../lib/index.js';
import { root } from '../support/child.js';

const page = readFileSync(join(root, 'docs', 'coming-from.md'), 'utf8');
/** What stands in the first column of a table, by the page's headings. */
const named = new Map<string, string[]>();
for (const part of page.split(/^## /m).slice(1)) {
  const rows = [...part.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell]) =>
    [...(cell as string).matchAll(/`(\w+)`/g)].map(match => match[1] as string),
  );
  named.set(part.split('\n')[0] as string, rows);
}
const under = (...headings: string[]) => headings.flatMap(heading => named.get(heading)!);
const classesOf = (space: object) =>
  Object.entries(space)
    .filter(([name, value]) => typeof value === 'function' && /^[A-Z]/.test(name))
    .map(([name]) => name);

test.each<[string, object, string[]]>([
  ['nn', latent.nn, under('Nets', 'Layers')],
  ['loss', latent.loss, under('Losses')],
  ['init', latent.init, under('Initializers')],
  ['optim', { ...latent.optim, Trainer: latent.Trainer }, under('Optimizers and schedules')],
  ['metric', latent.metric, under('Metrics')],
])('every class of %s is told, once, and no other', (_, space, names) => {
  const classes = names.filter(name => /^[A-Z]/.test(name));
  expect([...classes].sort()).toEqual(classesOf(space).sort());
});
