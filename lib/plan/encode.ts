import { numbersOf as numbers } from '../native/register.js';
import { dtypeCode } from '../tensor/dtype.js';
import type { Program, Step, Value } from './program.js';
import type { Hoisted } from './steps/hoist.js';

const origins = numbers('origins', ['input', 'held', 'made']);
const kinds = numbers('stepKinds', ['new', 'view', 'into']);

const inOrder = (steps: readonly Step[], order: readonly number[] | undefined): readonly Step[] =>
  order?.map(i => steps[i] as Step) ?? steps;

/** A program without its numbers, as native/runtime/plan/spec.cc reads it: equal words are equal steps. */
export function encode(program: Program, hoisted?: Hoisted): Int32Array {
  const { inputCount, held, values, outputs, placements } = program;
  const steps = inOrder(program.steps, hoisted?.order);
  const words: number[] = [];
  const made = outputs.filter(output => output.from === 'made');
  const draws = steps.filter(step => step.draw !== null).length;
  words.push(inputCount, held.length, draws, values.length, steps.length, made.length, placements.length);
  words.push(hoisted?.count ?? 0);
  for (const { origin, index, dtype, shape } of values)
    words.push(origins[origin], index, dtypeCode(dtype), shape.length);
  words.push(...made.map(output => output.index));
  for (const { value, held: at } of placements) words.push(value, at);
  let draw = 0;
  for (const step of steps) {
    words.push(step.code, kinds[step.kind], step.inputs.length, ...step.inputs, dtypeCode(step.scalarDType));
    words.push(step.outputs.length, ...step.outputs, step.ints.length, step.reals.length);
    words.push(step.draw === null ? -1 : draw++);
  }
  return Int32Array.from(words);
}

/** A program's numbers, in the order in which native/runtime/plan/spec.cc counts them. */
export function numbersOf(program: Program, { order }: Hoisted): Float64Array {
  const numbers: number[] = [];
  for (const { shape } of program.values) numbers.push(...shape);
  for (const { inputs, numbers: scalars, ints, reals } of inOrder(program.steps, order)) {
    inputs.forEach((input, i) => {
      if (input < 0) numbers.push(scalars[i] as number);
    });
    numbers.push(...ints, ...reals);
  }
  return Float64Array.from(numbers);
}

/** Where the sizes of each value stand among the numbers. */
export function shapePlaces(values: readonly Value[]): readonly number[] {
  let next = 0;
  return values.map(({ shape }) => {
    const at = next;
    next += shape.length;
    return at;
  });
}
