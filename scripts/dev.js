/** Builds the addon and the library again whenever their sources change, and says how that went: `npm run dev`. */
const { spawnSync } = require('node:child_process');
const { watch } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');
/** How long to wait for more changes: editors write a file in several steps. */
const QUIET = 100;
const builds = { native: 'build:native', lib: 'build:lib' };
const changed = new Set();
let timer;

function build() {
  for (const folder of [...changed]) {
    changed.delete(folder);
    const start = Date.now();
    const { status } = spawnSync('npm', ['run', '--silent', builds[folder]], { cwd: root, stdio: 'inherit' });
    console.log(
      `${builds[folder]} ${status === 0 ? 'done' : 'failed'} after ${((Date.now() - start) / 1000).toFixed(1)} s`,
    );
  }
}

for (const folder of Object.keys(builds)) {
  watch(join(root, folder), { recursive: true }, () => {
    changed.add(folder);
    clearTimeout(timer);
    timer = setTimeout(build, QUIET);
  });
}
console.log('Watching lib and native; end with Ctrl+C.');
