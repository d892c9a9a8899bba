import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ACCURACY, accuracyOf, readPages } from '../../scripts/reference/index.js';
import { anchor, type Page, renderPages } from '../../scripts/reference/pages.js';
import { Package } from '../../scripts/reference/symbols.js';
import { root } from '../support/child.js';

const from = new Package(root);
const pages = readPages(join(root, 'docs', 'reference'));
const textOf = (list: readonly Page[], name: string) => list.find(page => page.name === name)!.text;

test('the pages say what the doc comments say: npm run reference', () => {
  const rendered = renderPages(from, pages);
  expect(rendered.map(page => page.name).sort()).toEqual(pages.map(page => page.name).sort());
  for (const { name, text } of rendered) expect(textOf(pages, name)).toBe(text);
});

test('the page of accuracies has the bounds of the tests of kernels: npm run reference', () => {
  expect(readFileSync(join(root, ACCURACY), 'utf8')).toBe(accuracyOf(root));
});

test('each page shows how it is used, ahead of the reference', () => {
  for (const { name, text } of pages) {
    if (name !== 'README.md')
      expect(text.split('<!-- ')[0]).toMatch(/^# .*```ts\nimport .*from 'latent'.*console\.log/s);
  }
});

test('every name is told once, where the list of names leads', () => {
  const links = [...textOf(pages, 'README.md').matchAll(/\[([\w.]+)\]\((\w[\w-]*\.md)#([\w-]+)\)/g)];
  const names = links.map(([, name]) => name as string);
  // Options are told with what takes them.
  const told = from.entries.filter(({ symbol }) => !from.isRecord(symbol)).map(({ space, name }) => space + name);
  expect(names.filter(name => !/(Options|Settings)$/.test(name)).sort()).toEqual(told.sort());
  for (const [, name, page, place] of links) {
    expect(place).toBe(anchor(name!));
    expect(textOf(pages, page!)).toContain(`\n### ${name}\n`);
  }
});

test('no row of a table is without a text', () => {
  const empty = pages.flatMap(({ name, text }) =>
    (text.match(/^\| `.*\| {2}\|$/gm) ?? []).map(row => `${name}: ${row}`),
  );
  expect(empty).toEqual([]);
});

test('what users call and make has a doc comment', () => {
  const silent = from.entries.filter(
    ({ symbol }) =>
      (from.callOf(symbol) !== undefined || from.constructorOf(symbol) !== undefined) && from.textOf(symbol) === '',
  );
  expect(silent.map(({ space, name }) => space + name)).toEqual([]);
});

test('a name that no page tells of, and one that two tell of, are found', () => {
  const page = (name: string, files: string) => ({
    name,
    text: `# T\n\n<!-- The rest is made from the doc comments of ${files} by \`npm run reference\`. -->\n`,
  });
  expect(() => renderPages(from, [page('a.md', '`lib/nn/layers/conv.ts`')])).toThrow(
    /no page .* tells of .*nn\.Dense of /,
  );
  expect(() => renderPages(from, [page('a.md', '`lib/nn/layers/conv.ts`, `lib/nn/layers/conv.ts`')])).toThrow(
    /a\.md: nn\.Conv.* already/,
  );
  expect(() => renderPages(from, [page('a.md', '`lib/nn/nothing.ts`')])).toThrow(
    /lib\/nn\/nothing\.ts exports nothing/,
  );
  expect(() => renderPages(from, [{ name: 'a.md', text: '# T' }])).toThrow(/which files/);
});
