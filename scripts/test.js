/**
 * Runs every check of the repository, one after the other, and ends with one line that counts all tests:
 * `N passed, M failed`. With --full also what takes longer: sanitizers, every instruction set, whole sweeps; with the names
 * of parts after it, these alone.
 */
const { join } = require('node:path');
const { compiler } = require('./compiler.js');
const { installPeers } = require('./peers.js');
const { conclude, ctest, jest, npx, step } = require('./steps.js');
const longer = require('./test-full.js');

const [mode, ...named] = process.argv.slice(2);
const full = mode === '--full';

function base() {
  installPeers();
  step('build the addon', 'npm', ['run', '--silent', 'build:native']);
  // A folder that was configured before keeps its own setting.
  if (process.env.LATENT_WERROR === 'ON')
    step('warnings are errors', 'grep', ['--quiet', 'LATENT_WERROR:BOOL=ON', join('build', 'CMakeCache.txt')]);
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
