import type { Contender } from './contenders/contender.js';
import { median } from './report/statistics.js';

/** How long measuring goes on. */
export interface Rounds {
  readonly count: number;
  /** Seconds of one contender's round. */
  readonly seconds: number;
  /** Seconds for which each runs before it is measured: compilers in its process take that long to settle. */
  readonly settling: number;
}

export function roundsOf(quick: boolean): Rounds {
  return quick ? { count: 5, seconds: 0.008, settling: 0.25 } : { count: 15, seconds: 0.025, settling: 0.6 };
}

const MOST_ITERATIONS = 1e8;
/** An iteration that takes longer than this warms up by itself. */
const SLOW_SECONDS = 0.02;

/** How many iterations take about a round's seconds, once the contender has settled. */
async function calibrate(contender: Contender, { seconds, settling }: Rounds, title: string): Promise<number> {
  let iterations = 1;
  for (let all = 0; ; ) {
    const took = await contender.time(iterations, 0, title);
    all += took;
    if ((took >= seconds / 2 && all >= settling) || iterations >= MOST_ITERATIONS) {
      return Math.min(MOST_ITERATIONS, Math.max(1, Math.round((iterations * seconds) / Math.max(took, 1e-9))));
    }
    if (took < seconds / 2) iterations = Math.ceil(iterations * Math.min(10, Math.max(2, seconds / took)));
  }
}

/**
 * Seconds per iteration of each contender, one value for each round. In a round they take turns, so that what disturbs
 * the machine disturbs all. A contender that fails drops out, to `failed`; its place has no values then.
 */
export async function interleave(
  contenders: readonly Contender[],
  rounds: Rounds,
  title: string,
  failed: (contender: Contender, error: unknown) => void,
): Promise<number[][]> {
  const iterations = new Map<Contender, number>();
  const seconds = contenders.map((): number[] => []);
  const attempt = async (contender: Contender, body: () => Promise<void>): Promise<void> => {
    try {
      await body();
    } catch (error) {
      iterations.delete(contender);
      (seconds[contenders.indexOf(contender)] as number[]).length = 0;
      failed(contender, error);
    }
  };
  for (const contender of contenders)
    await attempt(contender, async () => {
      iterations.set(contender, await calibrate(contender, rounds, title));
    });
  for (let round = 0; round < rounds.count; round++) {
    for (const [i, contender] of contenders.entries()) {
      const count = iterations.get(contender);
      if (count === undefined) continue;
      const slow = rounds.seconds / count > SLOW_SECONDS;
      const warmup = slow ? 0 : Math.ceil(count / 8);
      await attempt(contender, async () => {
        seconds[i]?.push((await contender.time(count, warmup, title)) / count);
      });
    }
  }
  return seconds;
}

/** The median of the rounds, or null when there are none. */
export function perIteration(rounds: readonly number[] | undefined): number | null {
  return rounds === undefined || rounds.length === 0 ? null : median(rounds);
}
