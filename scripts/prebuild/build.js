/** Builds the addon of one target with CMake and zig, and puts it where prebuildify would. */
const { execFileSync } = require('node:child_process');
const { copyFileSync, mkdirSync } = require('node:fs');
const { dirname, join } = require('node:path');
const headers = require('node-api-headers');
const { digest } = require('./digest.js');
const { writeTools } = require('./zig.js');

const root = join(__dirname, '..', '..');

function cmake(args) {
  execFileSync('cmake', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** The folder in which a target is built, within build/. */
function folderOf({ triple }) {
  return join('prebuild', triple);
}

/** CMake's settings for a target, whose tools lie in its folder then; the native tests are built with the same. */
function settingsOf(target, zig) {
  const tools = join(root, 'build', folderOf(target), 'tools');
  writeTools(tools, zig, target.triple);
  const options = {
    CMAKE_BUILD_TYPE: 'Release',
    CMAKE_TOOLCHAIN_FILE: join(root, 'native', 'cmake', 'zig.cmake'),
    LATENT_TARGET: target.triple,
    LATENT_DIGEST: digest(),
    LATENT_TOOLS: tools,
    LATENT_WERROR: 'ON',
    CMAKE_JS_INC: headers.include_dir,
  };
  return Object.entries(options).map(([name, value]) => `-D${name}=${value}`);
}

/** Builds a target's addon into prebuilds/ and answers its path. */
function prebuild(target, zig) {
  const folder = join(root, 'build', folderOf(target));
  cmake(['-S', root, '-B', folder, '-G', 'Unix Makefiles', '-Wno-dev', ...settingsOf(target, zig)]);
  cmake(['--build', folder, '--parallel', '2', '--target', 'latent']);
  const file = join(root, 'prebuilds', target.file);
  mkdirSync(dirname(file), { recursive: true });
  copyFileSync(join(folder, 'Release', 'latent.node'), file);
  return file;
}

module.exports = { folderOf, settingsOf, prebuild, root };
