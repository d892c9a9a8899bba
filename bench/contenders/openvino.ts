import { join } from 'node:path';
import { root } from '../root.js';
import type { Peer } from './peer.js';
import { findPython } from './python.js';
import { threadVariables } from './workers.js';

export const openvino: Peer = {
  name: 'OpenVINO',
  install: 'python3 -m venv peers && peers/bin/pip install openvino, with peers/bin first in PATH',
  find(threads) {
    const python = findPython(['python3', '/usr/bin/python3'], ['openvino', 'numpy']);
    if (python === null) return null;
    return [
      {
        label: '',
        file: python,
        args: [join(root, 'bench', 'python', 'openvino_worker.py'), String(threads)],
        env: { ...threadVariables(threads), PYTHONDONTWRITEBYTECODE: '1' },
      },
    ];
  },
};
