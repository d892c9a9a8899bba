/** Builds the addon of one target with CMake and zig, and puts it where prebuildify would. */
const { execFileSync } = require('node:child_process');
const { copyFileSync, mkdirSync } = require('node:fs');
const { dirname, join } = require('node:path');
const headers = require('node-api-headers');
const { writeTools } = require('./zig.js');

const root = join(__dirname, '..', '..');

function cmake(args) {
  execFileSync('cmake', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** The folder in which a target is built. */
function buildFolder({ triple }) {
  return join(root, 'build', 'prebuild', triple);
}

/** Configures a target's build; the native tests are built from the same folder. */
function configure(target, zig) {
  const folder = buildFolder(target);
  const tools = join(folder, 'tools');
  writeTools(tools, zig, target.triple);
  const options = {
    CMAKE_BUILD_TYPE: 'Release',
    CMAKE_TOOLCHAIN_FILE: join(root, 'native', 'cmake', 'zig.cmake'),
    LATENT_TARGET: target.triple,
    LATENT_TOOLS: tools,
    LATENT_WERROR: 'ON',
    CMAKE_JS_INC: headers.include_dir,
  };
  const settings = Object.entries(options).map(([name, value]) => `-D${name}=${value}`);
  cmake(['-S', root, '-B', folder, '-G', 'Unix Makefiles', '-Wno-dev', ...settings]);
  return folder;
}

function build(folder, goal) {
  cmake(['--build', folder, '--parallel', '2', '--target', goal]);
}

/** Builds a target's addon into prebuilds/ and answers its path. */
function prebuild(target, zig) {
  const folder = configure(target, zig);
  build(folder, 'latent');
  const made = join(folder, 'Release', 'latent.node');
  const file = join(root, 'prebuilds', target.file);
  mkdirSync(dirname(file), { recursive: true });
  copyFileSync(made, file);
  return file;
}

module.exports = { configure, build, prebuild, root };
