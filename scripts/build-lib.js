/**
 * Compiles the library into dist/: one file of JavaScript, for most of the time that a process takes to load a package goes
 * into finding and opening files, what is for tests beside it, and the declarations.
 */
const { execFileSync } = require('node:child_process');
const { mkdirSync, rmSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { buildSync } = require('esbuild');
const { compiler } = require('./compiler.js');

const root = join(__dirname, '..');
rmSync(join(root, 'dist'), { recursive: true, force: true });
execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
const outfile = join(root, 'dist', 'index.js');
const { outputFiles } = buildSync({
  absWorkingDir: root,
  entryPoints: ['lib/index.ts'],
  outfile,
  write: false,
  bundle: true,
  platform: 'node',
  target: 'node20',
  packages: 'external',
  // Classes are named in messages and in what nets print.
  keepNames: true,
  logLevel: 'warning',
});

// Closures are named too, at the price of an Object.defineProperty each time that one is made, a sixth of a small training
// step; nobody sees their names. They have no prototype.
const naming = /^var __name = \((\w+), (\w+)\) => (__defProp\(.*\));$/m;
const [{ text }] = outputFiles;
if (!naming.test(text)) throw new Error('the bundler names functions in another way than is known here');
mkdirSync(join(root, 'dist'), { recursive: true });
// These require the one file.
buildSync({
  absWorkingDir: root,
  entryPoints: ['lib/testing/index.ts', 'lib/testing/compare.ts'],
  outdir: join('dist', 'testing'),
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  logLevel: 'warning',
});
writeFileSync(outfile, text.replace(naming, 'var __name = ($1, $2) => $1.prototype === undefined ? $1 : $3;'));
