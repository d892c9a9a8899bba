/** Modules of Node's own that few programs come to need: each takes a millisecond or more of a start that loads it. */
export const builtin = {
  crypto: () => require('node:crypto') as typeof import('node:crypto'),
  v8: () => require('node:v8') as typeof import('node:v8'),
  workerThreads: () => require('node:worker_threads') as typeof import('node:worker_threads'),
  zlib: () => require('node:zlib') as typeof import('node:zlib'),
};
