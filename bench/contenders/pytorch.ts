import { dirname, join } from 'node:path';
import { root } from '../root.js';
import { findLibrary, openblasVariants } from './blas.js';
import type { Peer } from './peer.js';
import { findPython } from './python.js';
import { threadVariables } from './workers.js';

/** The system's own Python first: a distribution's PyTorch belongs to it, whatever else PATH has. */
const interpreters = ['/usr/bin/python3', 'python3'];

export const pytorch: Peer = {
  name: 'PyTorch',
  install: 'sudo apt-get install python3-torch libopenblas-pthread-dev',
  find(threads) {
    const python = findPython(interpreters, ['torch', 'numpy']);
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
