/**
 * The TypeScript that this project is compiled with; run by itself, it passes its arguments on. By its path: older ones are
 * installed beside it, to test the declarations with, and all of them call themselves `tsc`.
 */
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');

const compiler = join(__dirname, '..', 'node_modules', 'typescript', 'bin', 'tsc');

module.exports = { compiler };

if (require.main === module) {
  process.exitCode =
    spawnSync(process.execPath, [compiler, ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1;
}
