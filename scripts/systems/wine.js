/**
 * Runs a Windows program by wine in a Debian of its own: `node scripts/systems/wine.js PROGRAM ARGUMENT…`, with this
 * process' variables whose names begin with LATENT_. Prints what it printed, and ends with its status.
 */
const { spawnSync } = require('node:child_process');
const { cpSync, mkdirSync, readFileSync, rmSync } = require('node:fs');
const { basename, join } = require('node:path');
const { inDebian, installDebian } = require('./debian.js');

/** The Debian that has wine, and the C library musl beside it. */
const WINE = ['debian-13-wine', 'trixie', ['wine64', 'musl']];

/** The words that run a Windows program which lies in a Debian. */
const wine = path => ['env', 'WINEDEBUG=-all', '/usr/lib/wine/wine64', path];

function main([program, ...args]) {
  const debian = installDebian(...WINE);
  const own = join('latent', `run-${process.pid}`);
  mkdirSync(join(debian, own));
  try {
    cpSync(program, join(debian, own, basename(program)));
    const variables = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('LATENT_')));
    const words = [...wine(join('/', own, basename(program))), ...args].map(word => `'${word}'`).join(' ');
    const [command, ...rest] = inDebian(debian, variables, ['sh', '-c', `${words} > /${own}/printed 2>&1`]);
    const { status } = spawnSync(command, rest, { stdio: ['ignore', 'inherit', 'inherit'] });
    process.stdout.write(readFileSync(join(debian, own, 'printed')));
    return status ?? 1;
  } finally {
    rmSync(join(debian, own), { recursive: true });
  }
}

module.exports = { WINE, wine };

if (require.main === module) process.exitCode = main(process.argv.slice(2));
