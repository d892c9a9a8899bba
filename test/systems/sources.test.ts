import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../support/child.js';
import { makeProject, packStage, run, stagePackage } from '../support/package.js';
import { type Compilers, compileIn, missingForCompilers, newestCMake } from './compilers.js';

/**
 * The sources that the package holds, built by the oldest and newest compilers and CMakes, each where a Debian has them, and
 * run by Node there. Every build takes minutes.
 */
const folder = mkdtempSync(join(tmpdir(), 'latent-sources-'));
const project = join(folder, 'project');
const installed = join(project, 'node_modules', 'latent');

const builders: readonly Compilers[] = [
  { name: 'GCC 10 and CMake 3.18', suite: 'bullseye', compiler: 'g++', says: /^GNU 10\./ },
  { name: 'GCC 14 and CMake 3.31', suite: 'trixie', compiler: 'g++-14', says: /^GNU 14\./ },
  { name: 'clang 19', suite: 'trixie', compiler: 'clang++-19', says: /^Clang 19\./ },
];
const missing = missingForCompilers();

beforeAll(() => {
  stagePackage(join(folder, 'stage'));
  makeProject(project, [packStage(join(folder, 'stage'), folder)]);
  rmSync(join(installed, 'prebuilds'), { recursive: true });
  cpSync(join(__dirname, 'program.cjs'), join(project, 'program.cjs'));
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const builder of builders) {
  const title = missing === undefined ? builder.name : `${builder.name}: not tried. ${missing}`;
  (missing === undefined ? test : test.skip)(title, () => {
    expect(compileIn(builder, project)).toMatch(builder.says);
  });
}

test('the newest CMake', () => {
  const copy = join(folder, 'newest');
  cpSync(project, copy, { recursive: true });
  const cmake = newestCMake(folder);
  const at = join(copy, 'node_modules', 'latent');
  const headers = join(root, 'node_modules', 'node-api-headers', 'include');
  run(cmake, ['-S', at, '-B', join(at, 'build'), `-DCMAKE_JS_INC=${headers}`], copy);
  run(cmake, ['--build', join(at, 'build'), '--parallel', '2', '--target', 'latent'], copy);
  expect(run(process.execPath, ['program.cjs'], copy)).toMatch(/"compiler":"\w+ [\d.]+"/);
});
