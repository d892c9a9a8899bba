/**
 * Looks at the files in prebuilds/ without running them, as check.py says: `node scripts/prebuild/check.js` at all that the
 * package must hold, `node scripts/prebuild/check.js linux-x64` at those whose folder or file has this name.
 */
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { symbols } = require('node-api-headers');
const { digest } = require('./digest.js');
const { installPython } = require('./pip.js');
const targets = require('./targets.js');

const LIEF = '1.0.0';
const root = join(__dirname, '..', '..');

/** Whether each of these targets' files is as it must be; a row for each is printed, and what is wrong. */
function check(chosen) {
  const request = {
    folder: join(root, 'prebuilds'),
    // The addon asks for version 8 (package.json: binary.napi_versions), which every Node that it supports has.
    nodeApi: [...symbols.v8.js_native_api_symbols, ...symbols.v8.node_api_symbols],
    targets: chosen,
    digest: digest(),
    builtIn: root,
  };
  const { status } = spawnSync('python3', [join(__dirname, 'check.py'), JSON.stringify(request)], {
    stdio: 'inherit',
    env: { ...process.env, PYTHONPATH: installPython(join(root, 'build'), 'lief', LIEF) },
  });
  return status === 0;
}

module.exports = { check };

if (require.main === module) {
  const names = process.argv.slice(2);
  const chosen = targets.filter(({ file }) => names.length === 0 || names.some(name => file.includes(name)));
  process.exitCode = check(chosen) ? 0 : 1;
}
