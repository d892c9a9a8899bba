/** Copies of the package, for what must not touch its own build or sources. */
const {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} = require('node:fs');
const { join } = require('node:path');
const { root } = require('./steps.js');

/** What a package needs to be built and tested; what others install is linked. */
const entries = [
  'package.json',
  'CMakeLists.txt',
  'native',
  'lib',
  'test',
  'jest.config.js',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts',
  'dist',
];
const linked = ['node_modules', join('test', 'peers', 'node_modules')];

/** Makes `to` what `from` is. A file that is the same already keeps its time, by which builds know what to do again. */
function refresh(from, to) {
  const stats = lstatSync(from, { throwIfNoEntry: false });
  const there = lstatSync(to, { throwIfNoEntry: false });
  if (there?.isDirectory() !== stats?.isDirectory()) rmSync(to, { recursive: true, force: true });
  if (stats === undefined) return;
  if (!stats.isDirectory()) {
    const bytes = readFileSync(from);
    if (!existsSync(to) || !readFileSync(to).equals(bytes)) writeFileSync(to, bytes);
    return;
  }
  mkdirSync(to, { recursive: true });
  const names = new Set([...readdirSync(from), ...readdirSync(to)]);
  names.delete('node_modules');
  for (const name of names) {
    if (existsSync(join(from, name))) refresh(join(from, name), join(to, name));
    else rmSync(join(to, name), { recursive: true, force: true });
  }
}

/** The package in a folder of build/, brought up to date; what was built there stays. */
function copyOfPackage(name) {
  const copy = join(root, 'build', name);
  mkdirSync(copy, { recursive: true });
  for (const entry of entries) refresh(join(root, entry), join(copy, entry));
  for (const packages of linked) {
    if (lstatSync(join(copy, packages), { throwIfNoEntry: false }) === undefined)
      symlinkSync(join(root, packages), join(copy, packages));
  }
  return copy;
}

module.exports = { copyOfPackage };
