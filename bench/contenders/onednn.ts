import { existsSync } from 'node:fs';
import { addonFile } from '../workers/native-job.js';
import { onednn } from './blas.js';
import type { Peer } from './peer.js';
import { threadVariables, worker } from './workers.js';

/** oneDNN's convolutions, which take an addon that is built where oneDNN is. */
function convolutions(name: string, how: string): Peer {
  return {
    name,
    install: onednn.install,
    find: threads =>
      existsSync(addonFile('latent_bench_onednn')) ? [worker('onednn', [how], threadVariables(threads))] : null,
  };
}

/** On data that lies as ours does. */
export const plainConvolutions = convolutions('oneDNN', 'plain');
/** In the layout that it likes best, with what comes in and goes out brought there and back. */
export const reorderedConvolutions = convolutions('oneDNN-reorders', 'reorders');
