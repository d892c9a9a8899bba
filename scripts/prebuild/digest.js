/** A digest of all that a prebuilt addon is built from, which each carries: one that is older than the sources is seen by it. */
const { createHash } = require('node:crypto');
const { readdirSync, readFileSync, statSync } = require('node:fs');
const { join } = require('node:path');
const { VERSION } = require('./zig.js');

const root = join(__dirname, '..', '..');
const sources = ['package.json', 'CMakeLists.txt', 'native/CMakeLists.txt', 'native/cmake/zig.cmake']
  .concat(['binding', 'kernels', 'runtime'].map(name => `native/${name}`))
  .flatMap(path =>
    statSync(join(root, path)).isDirectory()
      ? readdirSync(join(root, path), { recursive: true }).map(name => join(path, name))
      : [path],
  )
  .filter(path => statSync(join(root, path)).isFile())
  .sort();

/** Sixteen hexadecimal digits. Of package.json the version counts alone. */
function digest() {
  const hash = createHash('sha256').update(VERSION);
  for (const path of sources) {
    const text = readFileSync(join(root, path), 'utf8');
    hash.update(`${path}\0`).update(path === 'package.json' ? JSON.parse(text).version : text);
  }
  return hash.digest('hex').slice(0, 16);
}

module.exports = { digest };
