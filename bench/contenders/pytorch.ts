import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { root } from '../root.js';
import { findLibrary, openblasVariants } from './blas.js';
import type { Peer } from './peer.js';
import { threadVariables } from './workers.js';

/** The system's own Python first: a distribution's PyTorch belongs to it, whatever else PATH has. */
const interpreters = ['/usr/bin/python3', 'python3'];

let found: string | null | undefined;

/** An interpreter that has PyTorch and NumPy, or null. Looks once. */
function findPython(): string | null {
  if (found !== undefined) return found;
  const query = 'import importlib.util as u, sys; sys.exit(any(u.find_spec(n) is None for n in ("torch", "numpy")))';
  const has = (file: string): boolean => spawnSync(file, ['-c', query]).status === 0;
  found = interpreters.find(has) ?? null;
  return found;
}

export const pytorch: Peer = {
  name: 'PyTorch',
  install: 'sudo apt-get install python3-torch libopenblas-pthread-dev',
  find(threads) {
    const python = findPython();
    if (python === null) return null;
    // Debian's takes its products from whatever libblas it finds first; OpenBLAS is the fastest that it can have.
    const blas = findLibrary('libopenblas', 'openblas-pthread');
    const folders = [...(blas === null ? [] : [dirname(blas)]), process.env.LD_LIBRARY_PATH ?? ''].filter(Boolean);
    const path: Record<string, string> = folders.length === 0 ? {} : { LD_LIBRARY_PATH: folders.join(':') };
    return openblasVariants().map(({ label, env }) => ({
      label,
      file: python,
      args: [join(root, 'bench', 'python', 'worker.py'), String(threads)],
      env: { ...threadVariables(threads), ...path, ...env, PYTHONDONTWRITEBYTECODE: '1' },
    }));
  },
};
