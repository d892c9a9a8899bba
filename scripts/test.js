/**
 * Runs every check of the repository, one after the other, and ends with one line that counts all tests:
 * `N passed, M failed`. With --full also what takes longer: sanitizers, every instruction set, whole sweeps.
 */
const { spawnSync } = require('node:child_process');
const { existsSync, readFileSync, rmSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');
const full = process.argv.includes('--full');
let passed = 0;
let failed = 0;

function run(title, command, args, env = {}) {
  console.log(`\n== ${title}`);
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, ...env },
  });
  process.stdout.write(result.stdout ?? '');
  if (result.error !== undefined) console.log(String(result.error));
  return { ok: result.status === 0, output: result.stdout ?? '' };
}

/** A step that counts as one test. */
function step(title, command, args, env) {
  const { ok } = run(title, command, args, env);
  if (ok) passed++;
  else failed++;
  console.log(`-- ${title}: ${ok ? 'passed' : 'FAILED'}`);
  return ok;
}

const npx = (...args) => ['npx', ['--no-install', ...args]];

function jest(title, args = [], env = {}) {
  const counts = join(root, 'build', 'jest-counts.json');
  rmSync(counts, { force: true });
  const { ok } = run(title, ...npx('jest', ...args), env);
  const result = existsSync(counts) ? JSON.parse(readFileSync(counts, 'utf8')) : { passed: 0, failed: 1 };
  passed += result.passed;
  failed += result.failed;
  if (!ok && result.failed === 0) failed++;
}

function ctest(title, folder, env = {}) {
  const { ok, output } = run(title, 'ctest', ['--test-dir', folder, '--output-on-failure'], env);
  const summary = /(\d+) tests? failed out of (\d+)|(\d+)% tests passed, (\d+) tests failed out of (\d+)/.exec(output);
  if (summary === null) {
    failed++;
    return;
  }
  const bad = Number(summary[1] ?? summary[4]);
  passed += Number(summary[2] ?? summary[5]) - bad;
  failed += bad;
  if (!ok && bad === 0) failed++;
}

/** Configures and builds the C++ tests in a folder of their own, without Node. */
function nativeTests(title, folder, options, env) {
  const at = join('build', folder);
  if (!step(`${title}: configure`, 'cmake', ['-S', '.', '-B', at, '-DCMAKE_BUILD_TYPE=Release', ...options])) return;
  if (!step(`${title}: build`, 'cmake', ['--build', at, '--parallel', '2', '--target', 'native_tests'])) return;
  ctest(title, at, env);
}

step('build the addon', 'npm', ['run', '--silent', 'build:native']);
step('compile the library', 'npm', ['run', '--silent', 'build:lib']);
step('check the types', ...npx('tsc', '-p', 'tsconfig.json'));
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

if (full) require('./test-full.js')({ step, jest, nativeTests, npx, root });

console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
