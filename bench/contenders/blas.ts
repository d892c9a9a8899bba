import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hasAvx512 } from '../machine.js';
import type { Launch } from './contender.js';
import type { Peer } from './peer.js';
import { pythonLibraries } from './python.js';
import { threadVariables, worker } from './workers.js';

const triplets: Partial<Record<string, string>> = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

function folders(): string[] {
  const triplet = triplets[process.arch];
  const python = pythonLibraries();
  return [
    ...(python === null ? [] : [python]),
    ...(triplet === undefined ? [] : [join('/usr/lib', triplet)]),
    '/usr/local/lib',
    '/usr/lib64',
    '/usr/lib',
    '/opt/homebrew/lib',
  ];
}

/** The file of a shared library, or null: `libopenblas.so` or any version of it, in Python's or the usual folders. */
export function findLibrary(name: string, subfolder = ''): string | null {
  for (const base of folders()) {
    for (const folder of subfolder === '' ? [base] : [join(base, subfolder), base]) {
      if (!existsSync(folder)) continue;
      const found = readdirSync(folder)
        .filter(file => file.startsWith(`${name}.so`) || file === `${name}.dylib`)
        .sort()
        .at(0);
      if (found !== undefined) return join(folder, found);
    }
  }
  return null;
}

/** The environments in which a library may be at its best, each with a name for the table. */
export interface Variant {
  readonly label: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * A release older than the CPU, or one that doubts its second unit for AVX-512, falls back to kernels that use a fraction
 * of it, unless it is told of a core that it knows. Both ways are tried, and what the environment says beside them: it may
 * have been set for other programs. An empty variable is a core's number to BLIS, so there is none then.
 */
function variants(variable: string, core: string): readonly Variant[] {
  const cores = new Set([process.env[variable] ?? '', '', ...(hasAvx512() ? [core] : [])]);
  return [...cores].map(name => ({
    label: name === '' ? '' : `${variable}=${name}`,
    env: { [variable]: name === '' ? undefined : name },
  }));
}

export function openblasVariants(): readonly Variant[] {
  return variants('OPENBLAS_CORETYPE', 'SkylakeX');
}

function launches(path: string | null, threads: number, ways: readonly Variant[]): readonly Launch[] | null {
  if (path === null) return null;
  return ways.map(({ label, env }) => ({ ...worker('blas', [path], { ...threadVariables(threads), ...env }), label }));
}

export const openblas: Peer = {
  name: 'OpenBLAS',
  install: 'sudo apt-get install libopenblas-pthread-dev',
  find: threads => launches(findLibrary('libopenblas', 'openblas-pthread'), threads, openblasVariants()),
};

export const blis: Peer = {
  name: 'BLIS',
  install: 'sudo apt-get install libblis-pthread-dev',
  find: threads => launches(findLibrary('libblis', 'blis-pthread'), threads, variants('BLIS_ARCH_TYPE', 'skx')),
};

/** By BLAS's interface, and by that for operands in a form of the library's own. */
function bothWays(path: string | null, threads: number, env: Record<string, string> = {}): readonly Launch[] | null {
  if (path === null) return null;
  const variables = { ...threadVariables(threads), ...env };
  return [worker('blas', [path], variables), { ...worker('blas', [path, 'prepacks'], variables), label: 'own form' }];
}

export const onednn: Peer = {
  name: 'oneDNN',
  install: 'peers/bin/pip install onednn-cpu-gomp, or sudo apt-get install libdnnl-dev',
  find: threads => bothWays(findLibrary('libdnnl'), threads),
};

export const mkl: Peer = {
  name: 'MKL',
  install: 'python3 -m venv peers && peers/bin/pip install mkl, with peers/bin first in PATH',
  find(threads) {
    const path = findLibrary('libmkl_rt');
    const layer = threads === 1 ? 'SEQUENTIAL' : 'INTEL';
    // It loads its parts, and OpenMP, by their names alone.
    return bothWays(path, threads, {
      MKL_THREADING_LAYER: layer,
      ...(path === null ? {} : { LD_LIBRARY_PATH: dirname(path) }),
    });
  },
};
