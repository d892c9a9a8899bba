import { deferred } from './deferred.js';
import { dense } from './dense.js';
import { elementwise } from './elementwise.js';
import { forward } from './forward.js';
import { gemm } from './gemm.js';
import { attention, convolution, lenet, norm, rnn } from './layers.js';
import { load } from './load.js';
import { memory } from './memory.js';
import { fineTuning, pictures, sequences } from './models.js';
import { overhead } from './overhead.js';
import { predictions } from './predictions.js';
import { serving } from './serving.js';
import type { Suite } from './suite.js';
import { threads } from './threads.js';
import { train } from './train.js';
import { zoo } from './zoo.js';

/** All suites, in the order in which they run. */
export const suites: readonly Suite[] = [
  gemm,
  dense,
  forward,
  train,
  convolution,
  norm,
  rnn,
  attention,
  lenet,
  pictures,
  sequences,
  fineTuning,
  zoo,
  elementwise,
  overhead,
  predictions,
  serving,
  memory,
  threads,
  load,
  deferred,
];
