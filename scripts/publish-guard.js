/** Refuses to publish a package that is not whole: run by npm before `npm publish`. */
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { check } = require('./prebuild/check.js');
const { notices } = require('./prebuild/notices.js');
const targets = require('./prebuild/targets.js');

const root = join(__dirname, '..');
const read = name => readFileSync(join(root, name), 'utf8');
const { version } = require('../package.json');

const faults = [];
for (const name of ['package.json', 'SECURITY.md', 'CODE_OF_CONDUCT.md']) {
  if (read(name).includes('OWNER')) faults.push(`${name} has places marked OWNER, which only the owner can fill`);
}
if (!new RegExp(`^## ${version.replace(/\./g, '\\.')} `, 'm').test(read('CHANGELOG.md'))) {
  faults.push(`CHANGELOG.md has no section "## ${version} (DATE)"`);
}
if (read('THIRD-PARTY-NOTICES.md') !== notices()) {
  faults.push('THIRD-PARTY-NOTICES.md is not what the compiler’s licences are now: node scripts/prebuild/notices.js');
}
if (!check(targets)) faults.push('the prebuilt addons are not all there and whole: npm run prebuild:all');

for (const fault of faults) console.error(`Not published: ${fault}.`);
process.exitCode = faults.length === 0 ? 0 : 1;
