import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as latent from '../../lib/index.js';
import { root } from '../support/child.js';

const page = readFileSync(join(root, 'docs', 'errors.md'), 'utf8');

test('the table has every error class with its code', () => {
  const documented = new Map(
    [...page.matchAll(/^\| `(\w+)` \| `(ERR_\w+)` \|/gm)].map(match => [match[1] as string, match[2] as string]),
  );
  const exported = Object.entries(latent).filter(
    ([name, value]) => typeof value === 'function' && name.endsWith('Error') && name !== 'LatentError',
  );
  expect([...documented.keys()].sort()).toEqual(exported.map(([name]) => name).sort());
  for (const [name, value] of exported) {
    const error = new (value as new (message: string) => latent.LatentError)('text');
    expect(error).toBeInstanceOf(latent.LatentError);
    expect(error.code).toBe(documented.get(name));
    expect(error.name).toBe(name);
  }
});

test('the table has every warning that the library can give', () => {
  const documented = [...page.matchAll(/^\| `(LATENT_\w+)` \|/gm)].map(match => match[1] as string);
  const given = new Set<string>();
  const look = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) look(path);
      else
        for (const match of readFileSync(path, 'utf8').matchAll(/'(LATENT_[A-Z_]+)'/g)) given.add(match[1] as string);
    }
  };
  look(join(root, 'lib'));
  expect(documented.sort()).toEqual([...given].sort());
});
