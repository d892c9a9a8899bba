import { memory } from '../../lib/index.js';

const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * What is alive when all that can be collected is gone. One collection may miss some of it, for V8 compiles in the
 * background and holds what it looks at meanwhile: here three must agree, some milliseconds apart.
 */
export function whatStays(): { liveBytes: number; tensors: number } {
  let last = { liveBytes: -1, tensors: -1 };
  for (let same = 0; same < 2; ) {
    Atomics.wait(pause, 0, 0, 10);
    memory.collect();
    const { liveBytes, tensors } = memory.info();
    same = liveBytes === last.liveBytes && tensors === last.tensors ? same + 1 : 0;
    last = { liveBytes, tensors };
  }
  return last;
}

/** Whether memory that was freed stays with the process, for a sanitizer keeps it: what is resident tells nothing then. */
export const keepsFreed: boolean = process.env.ASAN_OPTIONS !== undefined;
