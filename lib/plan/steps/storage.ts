import type { Program, Step } from '../program.js';

/** The storages of a program's values. */
export interface Storages {
  /** The value that has each value's storage: itself, or what it is a window onto. */
  readonly roots: readonly number[];
  /** Roots that steps write into after they were made. */
  readonly written: ReadonlySet<number>;
  /** Roots that are outputs, or lie in a tensor from outside: they must be as they are, and new in each run. */
  readonly handedOut: ReadonlySet<number>;
}

export function storagesOf({ values, steps, outputs, placements }: Program): Storages {
  const roots = values.map((_, i) => i);
  for (const step of steps) {
    if (step.kind === 'view') roots[step.outputs[0] as number] = roots[step.inputs[0] as number] as number;
  }
  const rootOf = (value: number): number => roots[value] as number;
  return {
    roots,
    written: new Set(steps.filter(step => step.kind === 'into').map(step => rootOf(step.outputs[0] as number))),
    handedOut: new Set([
      ...outputs.filter(o => o.from === 'made').map(o => rootOf(o.index)),
      ...placements.map(({ value }) => rootOf(value)),
    ]),
  };
}

/** Whether a step may be run at another time, or once for twice, and give the same: it reads nothing that changes. */
export function isPure(step: Step, { roots, written }: Storages): boolean {
  const touched = [...step.inputs.filter(input => input >= 0), ...step.outputs];
  return step.kind !== 'into' && step.draw === null && !touched.some(value => written.has(roots[value] as number));
}
