import type { Linear, LinearProgram, LinearStep } from '../linear.js';
import { isPure, storagesOf } from './storage.js';

export interface Hoisted {
  readonly program: LinearProgram;
  /** How many steps, from the first, read what is held alone. */
  readonly count: number;
}

const fixed = (numbers: readonly Linear[]): boolean => numbers.every(({ slope }) => slope === 0);

/**
 * Brings to the front what depends on parameters and constants alone: it runs again only when one of these has changed.
 * What the forward hands out stays where it is, for it must be new in each run.
 */
export function hoist(program: LinearProgram): Hoisted {
  const { values, steps } = program;
  const storages = storagesOf(program);
  const { roots, handedOut } = storages;
  const known = values.map(value => value.origin === 'held');
  // Only a window onto something, or a fill, costs nothing to speak of; hoisting these alone gains nothing.
  const isHoisted = (step: LinearStep): boolean =>
    isPure(step, storages) &&
    step.inputs.every(input => input < 0 || known[input] === true) &&
    step.outputs.every(output => !handedOut.has(roots[output] as number) && fixed(values[output]?.shape ?? [])) &&
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
