/** Runs an example by its name, with what stands after it; without one, tells which there are. */
const { spawnSync } = require('node:child_process');
const { existsSync, readdirSync } = require('node:fs');
const { join } = require('node:path');

const folder = join(__dirname, '..', 'build', 'ts', 'examples');
const [name, ...args] = process.argv.slice(2);
const file = join(folder, `${name}.js`);
if (name === undefined || !existsSync(file)) {
  const sources = readdirSync(join(__dirname, '..', 'examples')).filter(entry => entry.endsWith('.ts'));
  console.error(`npm run example -- NAME, one of\n${sources.map(entry => `  ${entry.slice(0, -3)}`).join('\n')}`);
  process.exitCode = 1;
} else {
  process.exitCode = spawnSync(process.execPath, [file, ...args], { stdio: 'inherit' }).status ?? 1;
}
