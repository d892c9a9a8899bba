import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { root } from '../support/child.js';

/** docs/architecture.md against the tree: the folders are there, and imports go down its table alone. */
const page = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8');
/** Each row's folders and files, the highest first. */
const floors = [...page.matchAll(/^\| (`lib[^|]*) \|/gm)].map(([, cell]) =>
  [...(cell as string).matchAll(/`([^`]+)`/g)].map(match => match[1] as string),
);
const sources = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts'))
  .map(name => join('lib', name).replaceAll('\\', '/'));

/** The number of the row that has a file, by its nearest folder. */
function floorOf(file: string): number {
  for (let path = file; path !== '.'; path = dirname(path)) {
    const floor = floors.findIndex(names => names.includes(path));
    if (floor >= 0) return floor;
  }
  return -1;
}

test('every file of lib is in the table', () => {
  expect(floors.length).toBeGreaterThan(15);
  expect(sources.filter(file => floorOf(file) < 0)).toEqual([]);
});

test('what the page names is there', () => {
  const named = [...page.matchAll(/`((?:lib|native|test|docs|scripts)\/[\w./-]+)`/g)].map(match => match[1] as string);
  const isThere = (name: string) => ['', '.ts', '.test.ts'].some(end => existsSync(join(root, name + end)));
  expect(named.length).toBeGreaterThan(40);
  expect(named.filter(name => !name.includes('*') && !isThere(name))).toEqual([]);
});

/** The files that a file imports, or of which it imports more than types. */
function importsOf(file: string, valuesAlone = false): string[] {
  const imports = readFileSync(join(root, file), 'utf8').matchAll(
    /^(?:import|export) (type )?(?:([^;']*?) from )?'(\.[^']*)';$/gm,
  );
  return [...imports]
    .filter(([, type, names = '*']) => {
      const listed = names.replace(/^\{|\}$/g, '').split(',');
      return !valuesAlone || (type === undefined && listed.some(name => name.trim() !== '' && !/^\s*type /.test(name)));
    })
    .map(([, , , path]) => relative(root, join(root, dirname(file), path as string)).replace(/\.js$/, '.ts'))
    .map(target => target.replaceAll('\\', '/'));
}

test('no file imports from a folder above its own', () => {
  const upward = sources.flatMap(file =>
    importsOf(file)
      .filter(target => floorOf(target) < floorOf(file))
      .map(target => `${file} -> ${target}`),
  );
  expect(upward).toEqual([]);
});

test('no files import values from each other in a circle', () => {
  const open = new Map(sources.map(file => [file, new Set(importsOf(file, true))]));
  // A file that imports none of those that are left is on no circle.
  for (let before = -1; before !== open.size; ) {
    before = open.size;
    for (const [file, targets] of open) if ([...targets].every(target => !open.has(target))) open.delete(file);
  }
  const circle = (file: string) => [file, [...(open.get(file) as Set<string>)].filter(target => open.has(target))];
  expect([...open.keys()].map(circle)).toEqual([]);
  expect(sources.map(file => importsOf(file, true).length).reduce((a, b) => a + b)).toBeGreaterThan(500);
});

test('only ops and what is below it touch the addon for tensors', () => {
  const allowed = new Set(['native', 'tensor', 'ops', 'memory', 'threads.ts']);
  const direct = sources.filter(file =>
    /session\.(call|read|write|writePart)\(/.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(direct.length).toBeGreaterThan(0);
  expect(direct.filter(file => !allowed.has(file.split('/')[1] as string))).toEqual([]);
});

test('kernels know neither Node nor the runtime', () => {
  const kernels = join(root, 'native', 'kernels');
  for (const name of readdirSync(kernels))
    expect(readFileSync(join(kernels, name), 'utf8')).not.toMatch(/#include [<"](napi|node_api|\.\.\/)/);
});
