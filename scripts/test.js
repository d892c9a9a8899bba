/**
 * Runs every check of the repository, one after the other, and ends with one line that counts all tests:
 * `N passed, M failed`. With --full also what takes longer: sanitizers, every instruction set, whole sweeps.
 */
const { compiler } = require('./compiler.js');
const { conclude, ctest, jest, npx, step } = require('./steps.js');

const full = process.argv.includes('--full');

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

if (full) require('./test-full.js')();

conclude();
