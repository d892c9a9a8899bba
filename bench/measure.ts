/** Seconds that a body takes, as the median over rounds; bodies take turns, so that what disturbs one disturbs all. */
export function measure(rounds: number, bodies: readonly (() => void)[]): number[] {
  const times: number[][] = bodies.map(() => []);
  for (const body of bodies) body();
  for (let round = 0; round < rounds; round++) {
    bodies.forEach((body, i) => {
      const start = process.hrtime.bigint();
      body();
      times[i]?.push(Number(process.hrtime.bigint() - start) * 1e-9);
    });
  }
  return times.map(median);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] as number;
}
