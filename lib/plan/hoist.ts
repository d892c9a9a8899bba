import type { Linear, LinearProgram, LinearStep } from './linear.js';

export interface Hoisted {
  readonly program: LinearProgram;
  /** How many steps, from the first, read what is held alone. */
  readonly count: number;
}

const fixed = (numbers: readonly Linear[]): boolean => numbers.every(({ slope }) => slope === 0);

/**
 * Brings to the front what hangs on parameters and constants alone: it runs again only when one of these has changed.
 * What the forward hands out stays where it is, for it must be new in each run.
 */
export function hoist(program: LinearProgram): Hoisted {
  const { values, steps, outputs, placements } = program;
  const roots = values.map((_, i) => i);
  for (const step of steps) {
    if (step.kind === 'view') roots[step.outputs[0] as number] = roots[step.inputs[0] as number] as number;
  }
  const handedOut = new Set([
    ...outputs.filter(o => o.from === 'made').map(o => roots[o.index] as number),
    ...placements.map(({ value }) => value),
  ]);
  const written = new Set(
    steps.filter(step => step.kind === 'into').map(step => roots[step.outputs[0] as number] as number),
  );
  const known = values.map(value => value.origin === 'held');
  // Only a window onto something, or a fill, costs nothing to speak of; hoisting these alone gains nothing.
  const isHoisted = (step: LinearStep): boolean =>
    step.draw === null &&
    step.kind !== 'into' &&
    step.inputs.every(input => input < 0 || (known[input] === true && !written.has(roots[input] as number))) &&
    step.outputs.every(output => {
      const root = roots[output] as number;
      return !handedOut.has(root) && !written.has(root) && fixed(values[output]?.shape ?? []);
    }) &&
    fixed(step.numbers) &&
    fixed(step.ints) &&
    fixed(step.reals);
  const early: LinearStep[] = [];
  const late: LinearStep[] = [];
  for (const step of steps) {
    const goesEarly = isHoisted(step);
    (goesEarly ? early : late).push(step);
    if (goesEarly) for (const output of step.outputs) known[output] = true;
  }
  return { program: { ...program, steps: [...early, ...late] }, count: early.length };
}
