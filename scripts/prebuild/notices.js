/**
 * Writes THIRD-PARTY-NOTICES.md: what of others is linked into the prebuilt addons, and under which licences, whose texts
 * are those that come with the compiler. `node scripts/prebuild/notices.js`, after a change of the compiler's version.
 */
const { readFileSync, writeFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { root } = require('./build.js');
const { installZig } = require('./zig.js');

const parts = [
  {
    title: 'libc++, libc++abi and libunwind',
    where: 'in the files of all systems but macOS, where libunwind is the system’s',
    licence: 'Apache License 2.0 with LLVM exceptions; the earlier contributions, MIT or University of Illinois/NCSA',
    text: 'lib/libcxx/LICENSE.TXT',
  },
  {
    title: 'Zig’s compiler_rt',
    where: 'in the files for macOS and Windows',
    licence: 'MIT',
    text: 'LICENSE',
  },
  {
    title: 'mingw-w64, winpthreads',
    where: 'in the files for Windows',
    licence: 'Zope Public License 2.1; parts in the public domain, BSD or MIT',
    text: 'lib/libc/mingw/COPYING',
  },
];

const HEAD = `# Third-party notices

The package's own code is under the licence in LICENSE. Its prebuilt addons, the files under \`prebuilds\`, are linked with the
parts below, whose licences allow that and ask for these notices. The C libraries themselves, glibc, musl, libSystem and
Windows' UCRT, are the system's: the files for Linux with glibc hold no more of it than the few functions that every program
takes from \`libc_nonshared.a\`, which may be linked into any program by the exception in their licence, the LGPL 2.1.

What npm installs beside the package comes under its own licences: @bufbuild/protobuf (Apache 2.0 and BSD), @dagrejs/dagre
(MIT) and fastest-levenshtein (MIT).

`;

/** The page's text. */
function notices() {
  const zig = dirname(installZig(join(root, 'build')));
  const sections = parts.map(
    ({ title, where, licence, text }) =>
      `## ${title}\n\nLinked ${where}. ${licence}.\n\n${readFileSync(join(zig, text), 'utf8')
        .trimEnd()
        .split('\n')
        .map(line => `    ${line}`.trimEnd())
        .join('\n')}\n`,
  );
  return HEAD + sections.join('\n');
}

module.exports = { notices };

if (require.main === module) writeFileSync(join(root, 'THIRD-PARTY-NOTICES.md'), notices());
