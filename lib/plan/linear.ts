import { sameConstant } from './constants.js';
import type { Lowered, Step, Value } from './lower.js';

/** base + slope·batch. */
export interface Linear {
  readonly base: number;
  readonly slope: number;
}

/** A value whose sizes depend on the batch. */
export interface LinearValue extends Omit<Value, 'shape'> {
  readonly shape: readonly Linear[];
}

/** A native call whose arguments do. */
export interface LinearStep extends Omit<Step, 'numbers' | 'ints' | 'reals'> {
  readonly numbers: readonly Linear[];
  readonly ints: readonly Linear[];
  readonly reals: readonly Linear[];
}

/** A graph as native calls at any batch size. */
export interface LinearProgram extends Omit<Lowered, 'values' | 'steps'> {
  readonly values: readonly LinearValue[];
  readonly steps: readonly LinearStep[];
}

/** The same calls seen at a batch size. */
export interface Sample {
  readonly batch: number;
  readonly lowered: Lowered;
}

/** Batch sizes that a forward is evaluated at, even and odd ones, to see how its numbers depend on the batch. */
export const triedBatches = [2, 7, 1008] as const;

/** How a number at several batch sizes depends on the batch: linearly, or null. */
export type Line = (numbers: readonly number[]) => Linear | null;

export function lineOver(batches: readonly number[]): Line {
  const [first = 0, second] = batches;
  return numbers => {
    const start = numbers[0] as number;
    if (second === undefined) return { base: start, slope: 0 };
    if (numbers.every(x => Object.is(x, start))) return { base: start, slope: 0 };
    const slope = ((numbers[1] as number) - start) / (second - first);
    const base = start - slope * first;
    return numbers.every((x, i) => base + slope * (batches[i] as number) === x) ? { base, slope } : null;
  };
}

const isWhole = ({ base, slope }: Linear): boolean => Number.isInteger(base) && Number.isInteger(slope);

/** Fits each place of lists that must be equally long; `whole`: by whole numbers, so that the rest of the batches give such too. */
function fitAll(line: Line, lists: readonly (readonly number[])[], whole: boolean): Linear[] | null {
  const length = Math.max(...lists.map(list => list.length));
  const fitted: Linear[] = [];
  for (let i = 0; i < length; i++) {
    // Arguments end with the last that is not 0.
    const one = line(lists.map(list => list[i] ?? 0));
    if (one === null || (whole && !isWhole(one))) return null;
    fitted.push(one);
  }
  return fitted;
}

function sameList(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

function sameValue(a: Value, b: Value): boolean {
  return a.origin === b.origin && a.index === b.index && a.dtype === b.dtype && a.shape.length === b.shape.length;
}

function sameStep(a: Step, b: Step): boolean {
  return (
    a.code === b.code &&
    a.kind === b.kind &&
    a.scalarDType === b.scalarDType &&
    sameList(a.inputs, b.inputs) &&
    sameList(a.outputs, b.outputs) &&
    a.draw?.generator === b.draw?.generator &&
    a.draw?.perBlock === b.draw?.perBlock
  );
}

/** Whether two lowerings are the same but for the numbers of their calls. */
function sameStructure(a: Lowered, b: Lowered): boolean {
  return (
    a.values.length === b.values.length &&
    a.steps.length === b.steps.length &&
    a.outputs.length === b.outputs.length &&
    a.held.length === b.held.length &&
    a.held.every((owner, i) => sameConstant(owner, b.held[i])) &&
    a.values.every((value, i) => sameValue(value, b.values[i] as Value)) &&
    a.steps.every((step, i) => sameStep(step, b.steps[i] as Step)) &&
    a.placements.length === b.placements.length &&
    a.placements.every(({ value, held }, i) => value === b.placements[i]?.value && held === b.placements[i]?.held) &&
    a.outputs.every((output, i) => output.from === b.outputs[i]?.from && output.index === b.outputs[i]?.index)
  );
}

/**
 * One program from what was seen at several batch sizes; null where the calls differ, or where a number does not depend on
 * the batch linearly. From one sample it is that sample's alone.
 */
export function fitProgram(samples: readonly Sample[]): LinearProgram | null {
  const [first, ...others] = samples as readonly [Sample, ...Sample[]];
  const { lowered } = first;
  if (!others.every(other => sameStructure(lowered, other.lowered))) return null;
  const line = lineOver(samples.map(sample => sample.batch));
  const values: LinearValue[] = [];
  for (let i = 0; i < lowered.values.length; i++) {
    const shape = fitAll(
      line,
      samples.map(sample => (sample.lowered.values[i] as Value).shape),
      true,
    );
    if (shape === null) return null;
    values.push({ ...(lowered.values[i] as Value), shape });
  }
  const steps: LinearStep[] = [];
  for (let i = 0; i < lowered.steps.length; i++) {
    const all = samples.map(sample => sample.lowered.steps[i] as Step);
    const [numbers, ints, reals] = [
      fitAll(
        line,
        all.map(step => step.numbers),
        false,
      ),
      fitAll(
        line,
        all.map(step => step.ints),
        true,
      ),
      fitAll(
        line,
        all.map(step => step.reals),
        false,
      ),
    ];
    if (numbers === null || ints === null || reals === null) return null;
    steps.push({ ...(lowered.steps[i] as Step), numbers, ints, reals });
  }
  return { ...lowered, values, steps };
}
