import type { Program, Step } from '../program.js';
import { isPure, storagesOf } from './storage.js';

function textOf(numbers: readonly number[]): string {
  return numbers.map(x => (Object.is(x, -0) ? '-0' : x)).join(' ');
}

/** Makes what two steps would make alike once. */
export function shareSteps(program: Program): Program {
  const storages = storagesOf(program);
  const { roots, handedOut } = storages;
  const same = new Map<number, number>();
  const now = (value: number): number => same.get(value) ?? value;
  const seen = new Map<string, Step>();
  const steps: Step[] = [];
  for (const given of program.steps) {
    const step = { ...given, inputs: given.inputs.map(now), outputs: given.outputs };
    const isShared = isPure(step, storages) && !step.outputs.some(output => handedOut.has(roots[output] as number));
    const key = `${step.code} ${step.kind} ${step.scalarDType} ${step.inputs.join(' ')}; ${textOf(step.numbers)}; ${textOf(step.ints)}; ${textOf(step.reals)}; ${step.outputs
      .map(output => {
        const { dtype, shape } = program.values[output] as Program['values'][number];
        return `${dtype} ${textOf(shape)}`;
      })
      .join()}`;
    const earlier = isShared ? seen.get(key) : undefined;
    if (earlier === undefined) {
      if (isShared) seen.set(key, step);
      steps.push(step);
      continue;
    }
    step.outputs.forEach((output, i) => {
      same.set(output, earlier.outputs[i] as number);
    });
  }
  return {
    ...program,
    steps,
    outputs: program.outputs.map(o => (o.from === 'made' ? { ...o, index: now(o.index) } : o)),
  };
}
