import { dirname, join } from 'node:path';
import { root } from '../root.js';
import { findLibrary, openblasVariants } from './blas.js';
import type { Launch } from './contender.js';
import type { Peer } from './peer.js';
import { findPython } from './python.js';
import { threadVariables } from './workers.js';

/** The one of the PATH first: a distribution's PyTorch is years old. */
const interpreters = ['python3', '/usr/bin/python3'];

function launches(threads: number, modules: readonly string[], ...more: readonly string[]): readonly Launch[] | null {
  const python = findPython(interpreters, modules);
  if (python === null) return null;
  // Debian's takes its products from whatever libblas it finds first; OpenBLAS is the fastest that it can have.
  const blas = findLibrary('libopenblas', 'openblas-pthread');
  const folders = [...(blas === null ? [] : [dirname(blas)]), process.env.LD_LIBRARY_PATH ?? ''].filter(Boolean);
  const path: Record<string, string> = folders.length === 0 ? {} : { LD_LIBRARY_PATH: folders.join(':') };
  return openblasVariants().map(({ label, env }) => ({
    label,
    file: python,
    args: [join(root, 'bench', 'python', 'worker.py'), String(threads), ...more],
    env: { ...threadVariables(threads), ...path, ...env, PYTHONDONTWRITEBYTECODE: '1' },
  }));
}

const install = 'python3 -m venv peers && peers/bin/pip install torch numpy onnx, with peers/bin first in PATH';

export const pytorch: Peer = {
  name: 'PyTorch',
  install,
  find: threads => launches(threads, ['torch', 'numpy']),
};

/** Its compiler, which takes minutes for a large net: for models and training steps. */
export const compiledPytorch: Peer = {
  name: 'torch.compile',
  install,
  find: threads => launches(threads, ['torch', 'numpy', 'onnx'], 'compiled'),
};
