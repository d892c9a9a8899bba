/** Builds the C++ tests and runs those whose names contain a text: `npm run test:native -- gemm`; without one, all. */
const { spawnSync } = require('node:child_process');
const { npx, root } = require('./steps.js');

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const [text = '.'] = process.argv.slice(2);
run(...npx('cmake-js', 'build', '--log-level', 'error', '--parallel', '2', '--target', 'native_tests'));
run('ctest', ['--test-dir', 'build', '--output-on-failure', '--parallel', '2', '-R', text]);
