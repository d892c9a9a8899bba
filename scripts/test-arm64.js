/**
 * Builds the C++ tests for arm64 with a cross compiler and runs them under qemu's user mode: the NEON kernels and the
 * scalar ones. Ends with one line that counts the tests: `N passed, M failed`.
 */
const { spawnSync } = require('node:child_process');
const { conclude, nativeTests } = require('./steps.js');

/** Of the samples of the functions one in so many is taken: long double is software there, under an emulator. */
const thinning = '15';

/** Undefined when this machine can run the tests; otherwise what it lacks, and what to install. */
function missingTools() {
  const lacking = ['aarch64-linux-gnu-g++', 'qemu-aarch64'].filter(
    tool => spawnSync(tool, ['--version'], { stdio: 'ignore' }).status !== 0,
  );
  if (lacking.length === 0) return undefined;
  return `This machine lacks ${lacking.join(' and ')}. On Debian: apt-get install g++-aarch64-linux-gnu qemu-user`;
}

function testArm64() {
  nativeTests(
    `C++ tests for arm64 (of the functions one sample in ${thinning})`,
    'native-arm64',
    ['-DCMAKE_TOOLCHAIN_FILE=native/cmake/aarch64-linux-gnu.cmake'],
    { LATENT_TEST_THIN: thinning },
  );
}

module.exports = { missingTools, testArm64, thinning };

if (require.main === module) {
  const missing = missingTools();
  if (missing === undefined) {
    testArm64();
    conclude();
  } else {
    console.log(missing);
    process.exitCode = 1;
  }
}
