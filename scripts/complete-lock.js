/**
 * Adds to package-lock.json the optional packages of other platforms, which npm leaves out where its registry hasn't got them
 * or node_modules was there before: `npm ci` refuses a lock file without them. Run it after each change of dependencies.
 */
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const file = join(__dirname, '..', 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const { packages } = lock;

/** What a platform package's name says of where it runs: `core-linux-x64-musl`, `cli-darwin-arm64`. */
function platformOf(name) {
  const parts = name.split(/[-/]/);
  const known = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'wasm32', 'win32'];
  const at = parts.findIndex(part => known.includes(part));
  if (at < 0) throw new Error(`${name} doesn't name its platform`);
  const [os, cpu, library = ''] = parts.slice(at);
  if (os === 'wasm32') return { cpu: ['wasm32'] };
  const libc =
    os !== 'linux'
      ? undefined
      : library.startsWith('musl')
        ? ['musl']
        : library.startsWith('gnu')
          ? ['glibc']
          : undefined;
  return { cpu: [cpu], ...(libc && { libc }), os: [os] };
}

let added = 0;
for (const [at, { optionalDependencies = {}, dev, license }] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const place = `node_modules/${name}`;
    if (packages[place] !== undefined || packages[`${at}/${place}`] !== undefined) continue;
    packages[place] = {
      version,
      ...(dev && { dev }),
      ...(license && { license }),
      optional: true,
      ...platformOf(name),
    };
    added++;
  }
}
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} packages added`);
