/** What an example must reach. */
export type Goal = { readonly atLeast: number } | { readonly atMost: number };

/** Prints what an example reached; where that is short of its goal, the process will end with code 1. */
export function reached(what: string, value: number, goal: Goal, show = (x: number) => x.toPrecision(3)): void {
  const least = 'atLeast' in goal;
  const bound = least ? goal.atLeast : goal.atMost;
  const met = least ? value >= bound : value <= bound;
  console.log(
    `${what}: ${show(value)} (${least ? 'at least' : 'at most'} ${show(bound)}: ${met ? 'reached' : 'NOT REACHED'})`,
  );
  if (!met) process.exitCode = 1;
}

export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
