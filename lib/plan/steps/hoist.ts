import type { Program, Step } from '../program.js';
import { isPure, storagesOf } from './storage.js';

/**
 * The differences between programs of the same structure, by place: steps that have other numbers, and tensors that are
 * held.
 */
export interface Differences {
  readonly steps: ReadonlySet<number>;
  readonly held: ReadonlySet<number>;
}

export interface Hoisted {
  /** The places of all steps in the order in which they run. */
  readonly order: readonly number[];
  /** How many of them, from the first, read what is held alone. */
  readonly count: number;
}

/**
 * Brings to the front what depends on parameters and constants alone: it runs again only when one of these has changed. What
 * the forward hands out stays where it is, for it must be new in each run; and so does what differs between input sizes.
 */
export function hoist(program: Program, differences: Differences): Hoisted {
  const { values, steps } = program;
  const storages = storagesOf(program);
  const { roots, handedOut } = storages;
  const isFixed = values.map(({ origin, index }) => origin === 'held' && !differences.held.has(index));
  const isHoisted = (step: Step, i: number): boolean =>
    !differences.steps.has(i) &&
    isPure(step, storages) &&
    step.inputs.every(input => input < 0 || isFixed[input] === true) &&
    step.outputs.every(output => !handedOut.has(roots[output] as number));
  const early: number[] = [];
  const late: number[] = [];
  steps.forEach((step, i) => {
    const goesEarly = isHoisted(step, i);
    (goesEarly ? early : late).push(i);
    if (goesEarly) for (const output of step.outputs) isFixed[output] = true;
  });
  return { order: [...early, ...late], count: early.length };
}
