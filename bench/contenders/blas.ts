import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { hasAvx512 } from '../machine.js';
import type { Peer } from './peer.js';
import { threadVariables, worker } from './workers.js';

const triplets: Partial<Record<string, string>> = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

function folders(): string[] {
  const triplet = triplets[process.arch];
  const system = ['/usr/local/lib', '/usr/lib64', '/usr/lib', '/opt/homebrew/lib'];
  return triplet === undefined ? system : [join('/usr/lib', triplet), ...system];
}

/** The file of a shared library, or null: `libopenblas.so` or any version of it, in the usual folders. */
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

/**
 * The environments in which OpenBLAS may be at its best. A release older than the CPU falls back to kernels that use a
 * fraction of it, and has to be told of a core that it knows.
 */
export function openblasVariants(): readonly { readonly label: string; readonly env: Record<string, string> }[] {
  const given = process.env.OPENBLAS_CORETYPE;
  if (given !== undefined) return [{ label: given, env: {} }];
  const own = { label: '', env: {} };
  return hasAvx512() ? [own, { label: 'SkylakeX', env: { OPENBLAS_CORETYPE: 'SkylakeX' } }] : [own];
}

export const openblas: Peer = {
  name: 'OpenBLAS',
  install: 'sudo apt-get install libopenblas-pthread-dev',
  find(threads) {
    const path = findLibrary('libopenblas', 'openblas-pthread');
    if (path === null) return null;
    return openblasVariants().map(({ label, env }) => ({
      ...worker('blas', [path], { ...threadVariables(threads), ...env }),
      label,
    }));
  },
};

export const blis: Peer = {
  name: 'BLIS',
  install: 'sudo apt-get install libblis-pthread-dev',
  find(threads) {
    const path = findLibrary('libblis', 'blis-pthread');
    return path === null ? null : [worker('blas', [path], threadVariables(threads))];
  },
};

export const onednn: Peer = {
  name: 'oneDNN',
  install: 'sudo apt-get install libdnnl-dev',
  find(threads) {
    const path = findLibrary('libdnnl');
    return path === null ? null : [worker('blas', [path], threadVariables(threads))];
  },
};
