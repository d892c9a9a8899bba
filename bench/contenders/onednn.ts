import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { onednn } from './blas.js';
import type { Peer } from './peer.js';
import { threadVariables, worker } from './workers.js';

/** Where its addon's build looks for it first. */
const hasHeaders = ['/usr/local/include', '/usr/include'].some(folder => existsSync(join(folder, 'dnnl.hpp')));

/** oneDNN's convolutions, which take an addon that is built where its headers are. */
function convolutions(name: string, how: string): Peer {
  return {
    name,
    install: onednn.install,
    find: threads => (hasHeaders ? [worker('onednn', [how], threadVariables(threads))] : null),
  };
}

/** On data that lies as ours does. */
export const plainConvolutions = convolutions('oneDNN-plain', 'plain');
/** In the layout that it likes best, with what comes in and goes out brought there and back. */
export const reorderedConvolutions = convolutions('oneDNN-reorders', 'reorders');
