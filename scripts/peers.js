const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { root, step } = require('./steps.js');

/**
 * Installs, where they are missing, the packages that tests compare with. They lie in a folder of their own, because no user
 * of the library needs them.
 */
function installPeers() {
  const folder = join(root, 'test', 'peers');
  const installed = join(folder, 'node_modules', '.package-lock.json');
  const wanted = Object.entries(require(join(folder, 'package-lock.json')).packages).filter(([path]) => path !== '');
  const have = existsSync(installed) ? require(installed).packages : {};
  if (wanted.every(([path, { version }]) => have[path]?.version === version)) return;
  step('install what the tests compare with', 'npm', ['ci', '--prefix', folder, '--ignore-scripts']);
}

module.exports = { installPeers };
