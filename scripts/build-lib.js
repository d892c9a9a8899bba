/**
 * Compiles the library into dist/: one file of JavaScript, for most of the time that a process takes to load a package goes
 * into finding and opening files, and the declarations.
 */
const { execFileSync } = require('node:child_process');
const { rmSync } = require('node:fs');
const { join } = require('node:path');
const { buildSync } = require('esbuild');
const { compiler } = require('./compiler.js');

const root = join(__dirname, '..');
rmSync(join(root, 'dist'), { recursive: true, force: true });
execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
buildSync({
  absWorkingDir: root,
  entryPoints: ['lib/index.ts'],
  outfile: 'dist/index.js',
  bundle: true,
  platform: 'node',
  target: 'node20',
  packages: 'external',
  // Classes are named in messages and in what nets print.
  keepNames: true,
  logLevel: 'warning',
});
