import type { NetSpec } from './nets.js';
import type { Job } from './serve.js';

/** Predictions of one net, and what is told of them. */
export interface PredictionsSpec extends NetSpec {
  readonly kind: 'predictions';
  /**
   * The longest that a timer of 1 ms came late while predictions ran; how long they took one at a time, two at a time, and
   * on the calling thread.
   */
  readonly part: 'delay' | 'one' | 'two' | 'sync';
}

/** Lets a timer tick until `body` is done; the longest time between two ticks beyond what was asked for, in seconds. */
async function longestDelay(body: () => Promise<void>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  const look = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last - 1);
    last = now;
  };
  const timer = setInterval(look, 1);
  await body();
  look();
  clearInterval(timer);
  return longest / 1000;
}

/** `predict` is what users await; `sync` what blocks, where there is such a thing. */
export function predictionsJob(
  { part }: PredictionsSpec,
  predict: () => Promise<unknown>,
  sync: (() => unknown) | null,
): Job {
  const several = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await predict();
  };
  const take = async (body: () => Promise<void> | void): Promise<number> => {
    const start = performance.now();
    await body();
    return (performance.now() - start) / 1000;
  };
  return {
    async time(iterations, warmup) {
      await several(warmup);
      switch (part) {
        case 'delay':
          return longestDelay(() => several(iterations));
        case 'one':
          return take(() => several(iterations));
        case 'two':
          return take(async () => {
            await Promise.all([several(Math.ceil(iterations / 2)), several(Math.floor(iterations / 2))]);
          });
        case 'sync':
          return take(() => {
            for (let i = 0; i < iterations; i++) sync?.();
          });
      }
    },
  };
}
