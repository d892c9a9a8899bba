import { dtypeCode } from '../tensor/dtype.js';
import type { Linear } from './linear.js';
import type { Hoisted } from './steps/hoist.js';

const origins = { input: 0, held: 1, made: 2 } as const;
const kinds = { new: 0, view: 1, into: 2 } as const;

export interface Encoded {
  readonly words: Int32Array;
  readonly numbers: Float64Array;
}

/** A program as native/runtime/plan/spec.cc reads it. */
export function encode({ program, count }: Hoisted): Encoded {
  const { inputCount, held, values, steps, outputs, placements } = program;
  const words: number[] = [];
  const numbers: number[] = [];
  const linear = ({ base, slope }: Linear): void => {
    numbers.push(base, slope);
  };
  const made = outputs.filter(output => output.from === 'made');
  const draws = steps.filter(step => step.draw !== null).length;
  words.push(inputCount, held.length, draws, values.length, steps.length, made.length, placements.length, count);
  for (const { origin, index, dtype, shape } of values) {
    words.push(origins[origin], index, dtypeCode(dtype), shape.length);
    shape.forEach(linear);
  }
  words.push(...made.map(output => output.index));
  for (const { value, held: at } of placements) words.push(value, at);
  let draw = 0;
  for (const step of steps) {
    words.push(step.code, kinds[step.kind], step.inputs.length, ...step.inputs, dtypeCode(step.scalarDType));
    words.push(step.outputs.length, ...step.outputs, step.ints.length, step.reals.length);
    words.push(step.draw === null ? -1 : draw++);
    step.inputs.forEach((input, i) => {
      if (input < 0) linear(step.numbers[i] as Linear);
    });
    step.ints.forEach(linear);
    step.reals.forEach(linear);
  }
  return { words: Int32Array.from(words), numbers: Float64Array.from(numbers) };
}
