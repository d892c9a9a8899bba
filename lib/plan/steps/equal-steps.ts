import type { Program, Step, Value } from '../program.js';
import { isPure, storagesOf } from './storage.js';

function areSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((x, i) => Object.is(x, b[i]));
}

/** Whether two steps of one operation on the same inputs make the same. */
function areAlike(a: Step, b: Step, values: Program['values']): boolean {
  return (
    a.kind === b.kind &&
    a.scalarDType === b.scalarDType &&
    areSame(a.numbers, b.numbers) &&
    areSame(a.ints, b.ints) &&
    areSame(a.reals, b.reals) &&
    a.outputs.length === b.outputs.length &&
    a.outputs.every((output, i) => {
      const [x, y] = [values[output], values[b.outputs[i] as number]] as [Value, Value];
      return x.dtype === y.dtype && areSame(x.shape, y.shape);
    })
  );
}

/** Makes what two steps would make alike once. */
export function shareSteps(program: Program): Program {
  const storages = storagesOf(program);
  const { roots, handedOut } = storages;
  const same = new Map<number, number>();
  const now = (value: number): number => same.get(value) ?? value;
  const seen = new Map<string, Step[]>();
  const steps: Step[] = [];
  for (const given of program.steps) {
    const step = { ...given, inputs: given.inputs.map(now), outputs: given.outputs };
    const isShared = isPure(step, storages) && !step.outputs.some(output => handedOut.has(roots[output] as number));
    // Steps of no inputs fill, and are told apart by their first number as well.
    const key = `${step.code} ${step.inputs.join(' ')} ${step.reals[0]}`;
    const others = (isShared && seen.get(key)) || [];
    const earlier = others.find(one => areAlike(one, step, program.values));
    if (earlier === undefined) {
      if (isShared) {
        others.push(step);
        seen.set(key, others);
      }
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
