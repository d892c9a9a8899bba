/** What the test scripts share: steps that run a program and count its tests, and the line that ends them all. */
const { spawnSync } = require('node:child_process');
const { existsSync, readFileSync, rmSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');
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

/** Counts one test. */
function count(ok) {
  if (ok) passed++;
  else failed++;
}

/** A step that counts as one test. */
function step(title, command, args, env) {
  const { ok } = run(title, command, args, env);
  count(ok);
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
  const { ok, output } = run(title, 'ctest', ['--test-dir', folder, '--output-on-failure', '--parallel', '2'], env);
  const summary = /(\d+) tests? failed out of (\d+)|(\d+)% tests passed, (\d+) tests failed out of (\d+)/.exec(output);
  if (summary === null) {
    failed++;
    return;
  }
  const bad = Number(summary[1] ?? summary[4]);
  const skipped = output.match(/\*\*\*Skipped/g)?.length ?? 0;
  passed += Number(summary[2] ?? summary[5]) - bad - skipped;
  failed += bad;
  if (!ok && bad === 0) failed++;
}

/** Configures and builds the C++ tests in a folder of their own, without Node. */
function nativeTests(title, folder, options, env) {
  const at = join('build', folder);
  const kinds = ['-DCMAKE_BUILD_TYPE=Release', '-DLATENT_WERROR=ON'];
  if (!step(`${title}: configure`, 'cmake', ['-S', '.', '-B', at, ...kinds, ...options])) return;
  if (!step(`${title}: build`, 'cmake', ['--build', at, '--parallel', '2', '--target', 'native_tests'])) return;
  ctest(title, at, env);
}

/** Ends a script with the line that counts all tests: `N passed, M failed`. */
function conclude() {
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

module.exports = { root, npx, count, step, jest, ctest, nativeTests, conclude };
