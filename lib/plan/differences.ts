import { sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Owner } from '../trace/shape-pass.js';
import { encode } from './encode.js';
import type { Program, Step } from './program.js';
import type { Differences } from './steps/hoist.js';

function bytesOf(t: Tensor): Buffer {
  const { buffer, byteOffset, byteLength } = t.toTypedArray() as NodeJS.TypedArray;
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Whether two tensors have the same type, shape and elements. */
function sameElements(a: Tensor, b: Tensor): boolean {
  return a === b || (a.dtype === b.dtype && sameShape(a.shape, b.shape) && bytesOf(a).equals(bytesOf(b)));
}

/**
 * Whether what two evaluations of a forward read from outside is the same: one parameter, one tensor, or equal constants.
 */
export function sameOwner(a: Owner, b: Owner): boolean {
  if (a === b) return true;
  if (a.isConstant === true && b.isConstant === true) return sameElements(a.data(), b.data());
  return a.isTensor === true && b.isTensor === true && a.data() === b.data();
}

function sameNumbers(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

function sameStep(a: Step, b: Step): boolean {
  return sameNumbers(a.numbers, b.numbers) && sameNumbers(a.ints, b.ints) && sameNumbers(a.reals, b.reals);
}

/** The differences between two programs of the same structure: in numbers, and in the tensors that they hold. */
export function differencesOf(a: Program, b: Program): Differences {
  const hasOtherShape = (value: number): boolean =>
    !sameShape(a.values[value]?.shape ?? [], b.values[value]?.shape ?? []);
  const steps = a.steps.flatMap((step, i) =>
    sameStep(step, b.steps[i] as Step) && !step.outputs.some(hasOtherShape) ? [] : [i],
  );
  const held = a.held.flatMap((owner, i) => (sameOwner(owner, b.held[i] as Owner) ? [] : [i]));
  return { steps: new Set(steps), held: new Set(held) };
}

/** Whether two programs have the same steps, values and generators, whatever their numbers are. */
export function sameStructure(a: Program, b: Program, words = encode(a)): boolean {
  return sameNumbers(words, encode(b)) && drawsAlike(a, b);
}

/** Whether two programs are the same in all. */
export function isSame(a: Program, b: Program): boolean {
  if (!sameStructure(a, b)) return false;
  const { steps, held } = differencesOf(a, b);
  return steps.size === 0 && held.size === 0;
}

function drawsAlike(a: Program, b: Program): boolean {
  return a.steps.every(({ draw }, i) => {
    const other = b.steps[i]?.draw ?? null;
    return draw?.generator === other?.generator && draw?.perBlock === other?.perBlock;
  });
}
