/** zig, the compiler of the prebuilt addons: pinned, from PyPI, installed beside the builds unless LATENT_ZIG names one. */
const { execFileSync } = require('node:child_process');
const { existsSync, mkdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const VERSION = '0.17.1';

/** The path of zig's program; `folder` is where it is installed. */
function installZig(folder) {
  if (process.env.LATENT_ZIG) return process.env.LATENT_ZIG;
  const home = join(folder, `ziglang-${VERSION}`);
  const program = join(home, 'ziglang', 'zig');
  if (!existsSync(program)) {
    const packages = ['--quiet', '--disable-pip-version-check', '--no-deps', '--target', home, `ziglang==${VERSION}`];
    execFileSync('python3', ['-m', 'pip', 'install', ...packages], { stdio: 'inherit' });
  }
  return program;
}

/** The programs that CMake wants for a triple, one for each tool. */
function writeTools(folder, zig, triple) {
  mkdirSync(folder, { recursive: true });
  const tools = { 'c++': `c++ -target ${triple}`, ar: 'ar', ranlib: 'ranlib', rc: 'rc' };
  for (const [name, command] of Object.entries(tools)) {
    writeFileSync(join(folder, name), `#!/bin/sh\nexec '${zig}' ${command} "$@"\n`, { mode: 0o755 });
  }
  // zig signs what it links for macOS; whatever were to change the file afterwards would void that.
  writeFileSync(join(folder, 'install_name_tool'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
}

module.exports = { installZig, writeTools, VERSION };
