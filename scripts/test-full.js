/**
 * What takes longer than `npm test` allows: the C++ tests under sanitizers, the TypeScript tests on an addon built with
 * address and undefined-behaviour sanitizers, both on every instruction set that the machine has, and the C++ tests for
 * arm64 under emulation, the models that tests write under the ONNX format's own checker, every public operation with each
 * of its memory requests failed in turn, the package in every host and bundler of docs/deploying.md, the prebuilt addons of
 * all systems, and edits of the sources that tests must notice.
 */
const { execFileSync, spawnSync } = require('node:child_process');
const { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } = require('node:fs');
const { join } = require('node:path');
const { copyOfPackage } = require('./copy.js');
const { mutants } = require('./mutants/index.js');
const { installPeers } = require('./peers.js');
const { folderOf, settingsOf } = require('./prebuild/build.js');
const targets = require('./prebuild/targets.js');
const { installZig } = require('./prebuild/zig.js');
const { jest, nativeTests, npx, root, step } = require('./steps.js');
const { missingForDebian } = require('./systems/debian.js');
const { missingTools, testArm64, thinning } = require('./test-arm64.js');

/** A library of the compiler's, to be loaded before Node. */
function runtimeLibrary(name) {
  return execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
}

/** The C++ tests with LATENT_TEST_FULL, and under sanitizers. */
function sweeps() {
  nativeTests('C++ tests, whole sweeps', 'native-full', [], { LATENT_TEST_FULL: '1' });
}
function sanitizers() {
  nativeTests('C++ tests under ASan and UBSan', 'native-asan', ['-DLATENT_SANITIZE=address,undefined']);
  nativeTests('C++ tests under TSan', 'native-tsan', ['-DLATENT_SANITIZE=thread']);
}

function arm64() {
  const missing = missingTools();
  if (missing === undefined) testArm64();
  else console.log(`\n== C++ tests for arm64: skipped. ${missing}`);
}

/** The TypeScript tests on each instruction set. */
function sets() {
  const cpu = readFileSync('/proc/cpuinfo', 'utf8');
  const sets = {
    scalar: true,
    avx2: cpu.includes(' avx2'),
    avx512: cpu.includes(' avx512dq'),
    neon: process.arch === 'arm64',
  };
  for (const [isa, has] of Object.entries(sets)) {
    if (has)
      jest(`TypeScript tests on ${isa}`, ['test/ops', 'test/autograd', 'test/nn', 'test/golden', 'test/trace'], {
        LATENT_ISA: isa,
      });
    else console.log(`\n== TypeScript tests on ${isa}: this machine has it not`);
  }
}

/** The TypeScript tests on an addon with sanitizers, in a copy of the package, so that the real one stays. */
function addon() {
  const copy = copyOfPackage('asan');
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
      'test/native',
      'test/plan',
    ],
    {
      LD_PRELOAD: `${runtimeLibrary('libasan.so')} ${runtimeLibrary('libubsan.so')}`,
      ASAN_OPTIONS: 'detect_leaks=0',
      UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
      LATENT_TEST_COUNTS: join(root, 'build', 'jest-counts.json'),
    },
  );
}

/** The models that the tests write, held against the format's own checker. */
function models() {
  const interpreter = ['/usr/bin/python3', 'python3'].find(
    name => spawnSync(name, ['-c', 'import onnx'], { stdio: 'ignore' }).status === 0,
  );
  if (interpreter === undefined) {
    console.log('\n== ONNX checker: skipped. This machine lacks it. On Debian: apt-get install python3-onnx');
    return;
  }
  installPeers();
  const folder = join(root, 'build', 'models');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  jest('TypeScript tests that write models', ['test/onnx'], { LATENT_TEST_MODELS: folder });
  step('ONNX checker', interpreter, [join(__dirname, 'check-models.py'), folder]);
}

/** Each memory request of each public operation failed in turn. */
function allocations() {
  jest('memory requests that fail', ['test/memory/allocations'], { LATENT_TEST_ALLOCATIONS: '1' });
}

/** The packed package in every host and bundler that docs/deploying.md names, which npm installs. */
function hosts() {
  jest('the package in other hosts', ['test/hosts'], { LATENT_TEST_FULL: '1', LATENT_TEST_HOSTS: '1' });
}

/**
 * The addons of all systems as they are published: built and looked at; the C++ tests as the same compiler builds them, on
 * this system, for arm64 under emulation and for Windows under wine; the TypeScript tests on the published addon; and the
 * package on all systems and versions of Node that one machine can run.
 */
function prebuilt() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    console.log('\n== prebuilt addons: skipped. They are built and tried on Linux x64.');
    return;
  }
  if (!step('build the addons of all systems', 'npm', ['run', '--silent', 'prebuild:all'])) return;
  const zig = installZig(join(root, 'build'));
  const testBuilds = [
    { file: 'linux-x64/latent.glibc.node' },
    {
      file: 'linux-arm64/latent.glibc.node',
      emulator: 'qemu-aarch64;-L;/usr/aarch64-linux-gnu',
      missing: missingTools(),
      thin: true,
    },
    {
      file: 'win32-x64/latent.node',
      emulator: `node;${join(__dirname, 'systems', 'wine.js')}`,
      missing: missingForDebian(),
    },
  ];
  for (const { file, emulator, missing, thin } of testBuilds) {
    const target = targets.find(one => one.file === file);
    const title = `C++ tests for ${file.split('/')[0]}, by the prebuilt addons' compiler`;
    if (missing !== undefined) {
      console.log(`\n== ${title}: skipped. ${missing}`);
      continue;
    }
    const run = emulator === undefined ? [] : [`-DCMAKE_CROSSCOMPILING_EMULATOR=${emulator}`];
    nativeTests(
      title,
      folderOf(target),
      [...settingsOf(target, zig), ...run],
      thin ? { LATENT_TEST_THIN: thinning } : {},
    );
  }
  installPeers();
  const copy = copyOfPackage('published');
  const release = join(copy, 'build', 'Release');
  mkdirSync(release, { recursive: true });
  copyFileSync(join(root, 'prebuilds', 'linux-x64', 'latent.glibc.node'), join(release, 'latent.node'));
  // The others look at what a checkout has besides.
  const others = ['docs', 'bench', 'examples', 'package', 'hosts', 'systems', 'support', 'peers'];
  const folders = readdirSync(join(copy, 'test'))
    .filter(name => !others.includes(name))
    .map(name => join('test', name));
  jest(
    'TypeScript tests on the published addon',
    ['--rootDir', copy, '--config', join(copy, 'jest.config.js'), ...folders],
    {
      LATENT_TEST_COUNTS: join(root, 'build', 'jest-counts.json'),
    },
  );
  jest('the package on other systems', ['test/systems'], { LATENT_TEST_FULL: '1', LATENT_TEST_SYSTEMS: '1' });
}

/** By the names that `npm run test:full -- NAME` takes, in the order in which they run. */
module.exports = { sweeps, sanitizers, arm64, sets, addon, models, allocations, hosts, prebuilt, mutants };
