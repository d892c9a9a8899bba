import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { makeProject, packStage, stagePackage } from '../support/package.js';
import { hosts } from './hosts.js';

/**
 * The packed package under each host of docs/deploying.md: what a program prints there is what it prints in Node. Hosts that
 * are packages themselves are many and large, and are installed for the full run alone.
 */
const all = process.env.LATENT_TEST_HOSTS === '1';
const wanted = process.env.LATENT_TEST_HOST;
const chosen = hosts.filter(({ name, packages }) =>
  wanted === undefined ? all || packages.length === 0 : name.includes(wanted),
);

const folder = mkdtempSync(join(tmpdir(), 'latent hosts-'));
let tarball: string;
let expected: string;

function projectFor(name: string, packages: readonly string[], empty: boolean): string {
  const project = join(folder, name.replace(/\W+/g, '-'));
  makeProject(project, empty ? packages : [tarball, ...packages]);
  if (empty) cpSync(tarball, join(project, 'package.tgz'));
  return project;
}

beforeAll(async () => {
  stagePackage(join(folder, 'stage'));
  tarball = packStage(join(folder, 'stage'), folder);
  const [node] = hosts;
  expected = await (node as (typeof hosts)[number]).answer(projectFor('expected', [], false));
  console.log(basename(tarball), expected.trim());
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the program prints what it reached and what came out', () => {
  expect(expected).toMatch(/^\d+\.\d+\.\d+ \S+ (scalar|avx2|avx512|neon) 64x1 \d\.\d{6}\n$/);
});

test.each(chosen)('$name', async ({ name, packages, answer, empty = false }) => {
  expect((await answer(projectFor(name, packages, empty))).trim()).toBe(expected.trim());
});
