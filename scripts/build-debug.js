/**
 * Builds the addon for development and puts it in place of the other: symbols, hardly optimized, kernels of one instruction
 * set (the best that this machine has) beside scalar, and errors that tell which contract of the addon was broken, with file
 * and line. `npm run build:native` puts the real one back.
 */
const { execFileSync } = require('node:child_process');
const { copyFileSync, mkdirSync, readFileSync, utimesSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');

/** The instruction set that this machine would use, in the names of LATENT_SETS. */
function bestSet() {
  if (process.arch === 'arm64') return 'neon';
  const cpu = process.platform === 'linux' ? readFileSync('/proc/cpuinfo', 'utf8') : '';
  return cpu.includes(' avx512dq') ? 'avx512' : 'avx2';
}

const settings = ['--CDLATENT_DEBUG=ON', `--CDLATENT_SETS=${bestSet()}`];
const args = ['compile', '--log-level', 'error', '--parallel', '2', '--target', 'latent', '--out', 'build/debug'];
execFileSync('npx', ['--no-install', 'cmake-js', ...args, ...settings], { cwd: root, stdio: 'inherit' });
const release = join(root, 'build', 'Release');
mkdirSync(release, { recursive: true });
const addon = join(release, 'latent.node');
copyFileSync(join(root, 'build', 'debug', 'Release', 'latent.node'), addon);
// As old as can be, so that the next build of the real one replaces it.
utimesSync(addon, 0, 0);
