import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { root } from '../support/child.js';
import { run } from '../support/package.js';

/** A page's headings as the addresses within it that they make, as GitHub and npm do. */
function anchors(markdown: string): Set<string> {
  const headings = markdown.replace(/^```.*?^```/gms, '').match(/^#+ .*$/gm) ?? [];
  return new Set(
    headings.map(heading =>
      heading
        .replace(/^#+ /, '')
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

const isPage = (path: string) => path.endsWith('.md');

test('every link of a packed page leads to something that is packed, and every other page’s to something that is there', () => {
  const listed = JSON.parse(run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], root)) as
    | [{ files: { path: string }[] }]
    | Record<string, { files: { path: string }[] }>;
  const [{ files }] = (Array.isArray(listed) ? listed : Object.values(listed)) as [{ files: { path: string }[] }];
  const packed = new Set(files.map(({ path }) => path));
  const others = ['CONTRIBUTING.md', 'CODE_OF_CONDUCT.md'];
  const broken: string[] = [];
  let links = 0;
  for (const page of [...packed, ...others].filter(isPage)) {
    const text = readFileSync(join(root, page), 'utf8').replace(/^```.*?^```/gms, '');
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g) as Iterable<[string, string]>) {
      if (/^[a-z]+:/.test(target)) continue;
      links++;
      const [path, anchor] = target.split('#') as [string, string?];
      const to = path === '' ? page : normalize(join(dirname(page), path)).replace(/\/$/, '');
      const there = others.includes(page)
        ? existsSync(join(root, to))
        : packed.has(to) || [...packed].some(file => file.startsWith(`${to}/`));
      const found = there && (anchor === undefined || anchors(readFileSync(join(root, to), 'utf8')).has(anchor));
      if (!found) broken.push(`${page}: ${target}`);
    }
  }
  expect(broken).toEqual([]);
  expect(links).toBeGreaterThan(100);
});
