import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../support/child.js';

/** Each page's code, its blocks one after the other in a module of its own, compiled and run as a user's would be. */
const folder = mkdtempSync(join(tmpdir(), 'latent-docs-'));
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map(name => join('docs', name)),
].filter(name => name.endsWith('.md'));

function codeOf(page: string): string {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/```ts\n(.*?)```/gs)].map(match => match[1]).join('\n');
}

const fileOf = (page: string) => `${page.replaceAll(/\W/g, '-')}.ts`;
const withCode = pages.filter(page => codeOf(page) !== '');

beforeAll(() => {
  for (const page of withCode) writeFileSync(join(folder, fileOf(page)), codeOf(page));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'latent'));
  symlinkSync(join(root, 'node_modules', '@types'), join(folder, 'node_modules', '@types'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    strict: true,
    noUncheckedIndexedAccess: true,
    types: ['node'],
    outDir: 'out',
    skipLibCheck: false,
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('there is code to check', () => {
  expect(withCode.length).toBeGreaterThan(3);
});

test('the code of all pages compiles', () => {
  const child = spawnSync(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', folder], {
    encoding: 'utf8',
  });
  expect(child.stdout).toBe('');
  expect(child.status).toBe(0);
});

test.each(withCode)('the code of %s runs, and prints what it says', page => {
  const output = execFileSync(
    process.execPath,
    ['--no-warnings', join(folder, 'out', fileOf(page).replace('.ts', '.js'))],
    { cwd: folder, encoding: 'utf8' },
  );
  // The comment after a console.log promises its output; "true throughout" and the like are words, not output.
  for (const match of codeOf(page).matchAll(/console\.log\(.*\); \/\/ ([[\dtf].*)$/gm)) {
    const promised = match[1] as string;
    if (!/ throughout$/.test(promised)) expect(output).toContain(promised.replace(/:.*/, ''));
  }
});
