import { createHash } from 'node:crypto';
import { getNumThreads, setNumThreads, type Tensor } from '../../lib/index.js';
import { ints, Place, session } from '../../lib/native/register.js';

/** The bits of tensors, each as a short text. */
export function digests(tensors: Iterable<Tensor | null | undefined>): string[] {
  return [...tensors].map(t => {
    if (t == null) return 'none';
    const values = t.toTypedArray();
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return `${t.dtype} [${t.shape.join()}] ${createHash('sha1').update(bytes).digest('base64url')}`;
  });
}

/** Into how many tasks the work of `body` was cut at most. */
export function mostTasks(body: () => void): number {
  session.takeMostTasks();
  body();
  session.takeMostTasks();
  return ints[Place.outputId] as number;
}

const counts = process.env.LATENT_TEST_FULL === '1' ? [1, 2, 3, 4, 16] : [1, 2, 16];

/** What `run` gives has the same bits with any number of threads, and its work is shared out. */
export function expectSameBits(run: () => readonly string[]): void {
  const before = getNumThreads();
  try {
    let one: readonly string[] = [];
    for (const threads of counts) {
      setNumThreads(threads);
      let got: readonly string[] = [];
      const tasks = mostTasks(() => {
        got = run();
      });
      if (threads === 1) one = got;
      expect({ threads, got }).toEqual({ threads, got: one });
      if (threads > 1) expect({ threads, isSplit: tasks > 1 }).toEqual({ threads, isSplit: true });
    }
  } finally {
    setNumThreads(before);
  }
}
