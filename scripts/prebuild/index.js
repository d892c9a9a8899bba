/**
 * Builds the addons that the package holds into prebuilds/: `npm run prebuild` for this machine's system, `npm run
 * prebuild:all` for all; `npm run prebuild -- linux-x64` for those whose folder or file has this name.
 */
const { join } = require('node:path');
const { prebuild, root } = require('./build.js');
const { check } = require('./check.js');
const targets = require('./targets.js');
const { installZig } = require('./zig.js');

const wanted = process.argv.slice(2);
const here = `${process.platform}-${process.arch}/`;
const chosen = wanted.includes('--all')
  ? targets
  : targets.filter(({ file }) =>
      wanted.length === 0 ? file.startsWith(here) : wanted.some(name => file.includes(name)),
    );

if (chosen.length === 0) {
  console.error(
    `There is no target ${wanted.join(' ') || here}; there are ${targets.map(({ file }) => file).join(', ')}`,
  );
  process.exitCode = 1;
} else {
  const zig = installZig(join(root, 'build'));
  for (const target of chosen) {
    const start = Date.now();
    prebuild(target, zig);
    console.log(`prebuilds/${target.file}: ${target.triple}, in ${Math.round((Date.now() - start) / 1000)} s`);
  }
  process.exitCode = check(chosen) ? 0 : 1;
}
