/**
 * What takes longer than `npm test` allows: the C++ tests under sanitizers, the TypeScript tests on an addon built with
 * address and undefined-behaviour sanitizers, and both on every instruction set that the machine has.
 */
const { execFileSync } = require('node:child_process');
const { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } = require('node:fs');
const { join } = require('node:path');

/** A library of the compiler's, to be loaded before Node. */
function runtimeLibrary(name) {
  return execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
}

module.exports = ({ step, jest, nativeTests, npx, root }) => {
  const whole = { LATENT_TEST_FULL: '1' };
  nativeTests('C++ tests, whole sweeps', 'native-full', [], whole);
  nativeTests('C++ tests under ASan and UBSan', 'native-asan', ['-DLATENT_SANITIZE=address,undefined']);
  nativeTests('C++ tests under TSan', 'native-tsan', ['-DLATENT_SANITIZE=thread']);

  for (const isa of ['scalar', 'avx2', 'avx512']) {
    const has =
      isa === 'scalar' ||
      require('node:fs')
        .readFileSync('/proc/cpuinfo', 'utf8')
        .includes(isa === 'avx2' ? ' avx2' : ' avx512dq');
    if (has)
      jest(`TypeScript tests on ${isa}`, ['test/ops', 'test/autograd', 'test/nn', 'test/golden', 'test/trace'], {
        LATENT_ISA: isa,
      });
    else console.log(`\n== TypeScript tests on ${isa}: this machine has it not`);
  }

  // An addon with sanitizers in a copy of the package, so that the real one stays.
  const copy = join(root, 'build', 'asan');
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true });
  for (const entry of [
    'package.json',
    'CMakeLists.txt',
    'native',
    'lib',
    'test',
    'jest.config.js',
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts',
    'dist',
  ]) {
    if (existsSync(join(root, entry))) cpSync(join(root, entry), join(copy, entry), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const [command, args] = npx(
    'cmake-js',
    'compile',
    '--directory',
    copy,
    '--log-level',
    'error',
    '--parallel',
    '2',
    '--target',
    'latent',
    '--CDLATENT_SANITIZE=address,undefined',
  );
  if (!step('build the addon with ASan and UBSan', command, args)) return;
  jest(
    'TypeScript tests under ASan and UBSan',
    [
      '--rootDir',
      copy,
      '--config',
      join(copy, 'jest.config.js'),
      '--runInBand',
      'test/ops',
      'test/autograd',
      'test/nn',
      'test/golden',
      'test/trace',
      'test/io',
      'test/tensor',
      'test/random',
    ],
    {
      LD_PRELOAD: `${runtimeLibrary('libasan.so')} ${runtimeLibrary('libubsan.so')}`,
      ASAN_OPTIONS: 'detect_leaks=0',
      UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
      LATENT_TEST_COUNTS: join(root, 'build', 'jest-counts.json'),
    },
  );
};
