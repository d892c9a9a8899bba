/** zig, the compiler of the prebuilt addons: pinned, from PyPI, installed beside the builds unless LATENT_ZIG names one. */
const { mkdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { installPython } = require('./pip.js');

const VERSION = '0.17.1';

/** The path of zig's program; `folder` is where it is installed. */
function installZig(folder) {
  return process.env.LATENT_ZIG || join(installPython(folder, 'ziglang', VERSION), 'ziglang', 'zig');
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
