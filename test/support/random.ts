/** The seed of this run's sampled tests; printed by jest's global setup. LATENT_TEST_SEED repeats a run. */
export const seed = Number(process.env.LATENT_TEST_SEED ?? 0);

/** How much of a sweep to run: a sample by default, all of it with LATENT_TEST_FULL=1. */
export const full = process.env.LATENT_TEST_FULL === '1';

/** A small generator of its own (mulberry32), so that tests don't draw their cases from what they test. */
export function makeRandom(salt: number): {
  next(): number;
  int(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
} {
  let state = (seed ^ Math.imul(salt + 1, 0x9e3779b1)) >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
  return { next, int, pick: items => items[int(0, items.length - 1)]! };
}
