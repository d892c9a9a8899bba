/**
 * Runs every check of the repository, one after the other, and ends with one line that counts all tests:
 * `N passed, M failed`. With --full also what takes longer: sanitizers, every instruction set, whole sweeps; with the names
 * of parts behind it, these alone.
 */
const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { compiler } = require('./compiler.js');
const { conclude, ctest, jest, npx, root, step } = require('./steps.js');
const longer = require('./test-full.js');

const [mode, ...named] = process.argv.slice(2);
const full = mode === '--full';

/** What other packages the tests run beside the library: a folder of their own, for no user needs them. */
function peers() {
  const folder = join(root, 'test', 'peers');
  const installed = join(folder, 'node_modules', '.package-lock.json');
  const wanted = Object.entries(require(join(folder, 'package-lock.json')).packages).filter(([path]) => path !== '');
  const have = existsSync(installed) ? require(installed).packages : {};
  if (wanted.every(([path, { version }]) => have[path]?.version === version)) return;
  step('install what the tests compare with', 'npm', ['ci', '--prefix', folder, '--ignore-scripts']);
}

function base() {
  peers();
  step('build the addon', 'npm', ['run', '--silent', 'build:native']);
  step('compile the library', 'npm', ['run', '--silent', 'build:lib']);
  step('check the types', 'node', [compiler, '-p', 'tsconfig.json']);
  step('check format and lint', ...npx('biome', 'check', '.'));
  if (
    step(
      'build the C++ tests',
      ...npx('cmake-js', 'build', '--log-level', 'error', '--parallel', '2', '--target', 'native_tests'),
    )
  ) {
    ctest('C++ tests', 'build');
  }
  jest('TypeScript tests', [], full ? { LATENT_TEST_FULL: '1' } : {});
}

const parts = { base, ...longer };
const names = named.length > 0 ? named : full ? Object.keys(parts) : ['base'];
const unknown = names.find(name => !Object.hasOwn(parts, name));
if (unknown === undefined) {
  (async () => {
    for (const name of names) await parts[name]();
    conclude();
  })();
} else {
  console.error(`There is no part '${unknown}' of the full tests; there are ${Object.keys(parts).join(', ')}`);
  process.exitCode = 1;
}
