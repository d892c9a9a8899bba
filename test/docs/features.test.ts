import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as latent from '../../lib/index.js';
import { root } from '../support/child.js';

/** FEATURES.md tells what is not there yet; the reference has a test of its own for what is. */
const text = readFileSync(join(root, 'FEATURES.md'), 'utf8');
const [absent = ''] = /\| not yet \|\n[\s\S]*?\n\n/.exec(text) ?? [];
const rows = [...absent.matchAll(/^\| `latent(?:\.(\w+))?` \| (.*) \|$/gm)].map(([, space, names]) => ({
  space,
  names: [...(names as string).matchAll(/`(\w+)`/g)].map(match => match[1] as string),
}));

test('the table has rows', () => {
  expect(rows.length).toBeGreaterThan(0);
  for (const { names } of rows) expect(names.length).toBeGreaterThan(0);
});

test.each(rows)('what is not yet in $space is absent', ({ space, names }) => {
  const exported: Record<string, unknown> = { ...latent };
  const holder = space === undefined ? exported : (exported[space] as object);
  expect(holder).toBeDefined();
  for (const name of names) expect({ name, isThere: name in holder }).toEqual({ name, isThere: false });
});
