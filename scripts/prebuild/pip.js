/** Python packages that building and checking prebuilt addons take, each in a folder of its own beside the builds. */
const { execFileSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { join } = require('node:path');

/** The folder that holds a package of this version, installed there unless it is. */
function installPython(folder, name, version) {
  const home = join(folder, `${name}-${version}`);
  if (!existsSync(join(home, name))) {
    const packages = ['--quiet', '--disable-pip-version-check', '--no-deps', '--target', home, `${name}==${version}`];
    execFileSync('python3', ['-m', 'pip', 'install', ...packages], { stdio: 'inherit' });
  }
  return home;
}

module.exports = { installPython };
