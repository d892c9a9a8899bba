import type { Program, Step } from '../program.js';
import { storagesOf } from './storage.js';

/** Leaves out steps whose results nobody reads, but for those that draw: their streams move on all the same. */
export function dropDeadSteps(program: Program): Program {
  const { roots, handedOut } = storagesOf(program);
  const wanted = new Set(handedOut);
  const isWanted = (step: Step): boolean => {
    if (step.draw !== null) return true;
    const [target] = step.outputs as [number];
    if (step.kind === 'into' && program.values[roots[target] as number]?.origin !== 'made') return true;
    return step.outputs.some(output => wanted.has(roots[output] as number));
  };
  const kept = program.steps.toReversed().filter(step => {
    if (!isWanted(step)) return false;
    for (const input of step.inputs) if (input >= 0) wanted.add(roots[input] as number);
    return true;
  });
  return { ...program, steps: kept.reverse() };
}
