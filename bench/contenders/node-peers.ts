import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../root.js';
import type { Peer } from './peer.js';
import { threadVariables, worker } from './workers.js';

const install = 'npm ci --prefix bench --ignore-scripts';

function installed(...names: readonly string[]): boolean {
  return names.every(name => existsSync(join(root, 'bench', 'node_modules', ...name.split('/'))));
}

export const onnxruntime: Peer = {
  name: 'onnxruntime',
  install,
  find: threads =>
    installed('onnxruntime-node', 'protobufjs')
      ? [worker('onnxruntime', [String(threads)], threadVariables(threads))]
      : null,
};

/** On one thread, whatever the others have: in Node its WebAssembly has no more. */
export const tfjs: Peer = {
  name: 'tfjs',
  install,
  find: threads =>
    installed('@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm')
      ? [worker('tfjs', [], threadVariables(threads))]
      : null,
};
