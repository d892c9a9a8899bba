import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as latent from '../../lib/index.js';
import { root } from '../support/child.js';

/** FEATURES.md against what the package exports. */
interface Row {
  readonly where: string;
  readonly there: readonly string[];
  readonly notYet: readonly string[];
}

const names = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(match => match[1] as string);
const text = readFileSync(join(root, 'FEATURES.md'), 'utf8');
const rows: Row[] = [...text.matchAll(/^\| (`.*?) \| (.*?) \| ?(.*?) ?\|$/gm)].map(([, where, there, notYet]) => ({
  where: where as string,
  there: names(there as string),
  notYet: names(notYet as string),
}));

const exported: Record<string, unknown> = { ...latent };
const namespaces = Object.keys(exported).filter(name => typeof exported[name] === 'object');

/** What names of a row are looked up in. */
function holderOf(where: string): object {
  const name = names(where)[0] as string;
  if (name === 'latent') return latent;
  if (name === 'Tensor') return latent.Tensor.prototype;
  if (name === 'Trainer') return latent.Trainer.prototype;
  if (name === 'ParameterDict') return latent.nn.ParameterDict.prototype;
  if (name === 'nn.Block') return Object.getPrototypeOf(latent.nn.Dense.prototype) as object;
  return exported[name.replace('latent.', '')] as object;
}

test('the page has its rows', () => {
  expect(rows.length).toBeGreaterThanOrEqual(namespaces.length + 6);
});

test.each(rows)('$where has what is said to be there, and nothing that is not yet', ({ where, there, notYet }) => {
  const holder = holderOf(where);
  const optimizer = where === '`Trainer`' ? ['optimizer'] : [];
  for (const name of there)
    if (!optimizer.includes(name)) expect({ where, name, there: name in holder }).toEqual({ where, name, there: true });
  for (const name of notYet) expect({ where, name, there: name in holder }).toEqual({ where, name, there: false });
});

test('no export is missing from the page', () => {
  const listed = new Map<string, Set<string>>();
  for (const { where, there } of rows) {
    const key = names(where)[0] as string;
    listed.set(key, new Set([...(listed.get(key) ?? []), ...there]));
  }
  const missing = Object.keys(exported).filter(name => !namespaces.includes(name) && !listed.get('latent')?.has(name));
  for (const space of namespaces) {
    for (const name of Object.keys(exported[space] as object))
      if (!listed.get(`latent.${space}`)?.has(name)) missing.push(`${space}.${name}`);
  }
  const methods = Object.getOwnPropertyNames(latent.Tensor.prototype).filter(name => name !== 'constructor');
  missing.push(...methods.filter(name => !listed.get('Tensor')?.has(name)).map(name => `Tensor.${name}`));
  expect(missing).toEqual([]);
});
