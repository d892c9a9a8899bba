/// <reference types="node" preserve="true" />
/** For tests of programs that use latent: `latent/testing`. */
import { AssertionError } from 'node:assert';
import { inspect } from 'node:util';
import { ArgumentError, type Tensor } from '../index.js';
import { asExpected, difference, inequality, isTensor, type Tolerance } from './compare.js';

export type { Tolerance } from './compare.js';

/** A tensor, or numbers nested as `tensor()` takes them. */
export type Expected = Tensor | number | boolean | readonly unknown[];

function checkTolerance(who: string, options: Tolerance = {}): Tolerance {
  for (const [key, value] of Object.entries(options) as [string, unknown][]) {
    if (key !== 'rtol' && key !== 'atol')
      throw new ArgumentError(`${who} has no option '${key}'; it takes rtol and atol`);
    if (value !== undefined && !(typeof value === 'number' && value >= 0))
      throw new ArgumentError(`${who}: ${key} takes a number from 0, but got ${String(value)}`);
  }
  return options;
}

function checkTensor(who: string, value: unknown): Tensor {
  if (isTensor(value)) return value;
  throw new ArgumentError(`${who} takes a tensor, but got ${inspect(value, { depth: 0 })}`);
}

function fail(who: string, why: string | null, actual: Tensor, expected: Tensor): void {
  if (why !== null)
    throw new AssertionError({
      message: `${who}: ${why}`,
      actual: String(actual),
      expected: String(expected),
      operator: who,
    });
}

/**
 * Raises an AssertionError where shapes or dtypes differ, or any element by more than atol + rtol·|expected|. NaN is near NaN
 * alone. The message shows the first elements that differ.
 */
export function assertClose(actual: Tensor, expected: Expected, options?: Tolerance): void {
  const t = checkTensor('assertClose', actual);
  const want = asExpected(expected, t.dtype);
  fail('assertClose', difference(t, want, checkTolerance('assertClose', options)), t, want);
}

/** Raises an AssertionError where dtypes, shapes or any two elements differ. NaN is like NaN, and 0 unlike -0. */
export function assertEqual(actual: Tensor, expected: Expected): void {
  const t = checkTensor('assertEqual', actual);
  const want = asExpected(expected, t.dtype);
  fail('assertEqual', inequality(t, want), t, want);
}

interface Answer {
  pass: boolean;
  message(): string;
}

/** Matchers of jest and vitest: `expect.extend(matchers)`. */
export const matchers = {
  /** As `assertClose`: `expect(y).toBeCloseToTensor([0.5, 0.25], { atol: 1e-4 })`. */
  toBeCloseToTensor(actual: Tensor, expected: Expected, options?: Tolerance): Answer {
    const t = checkTensor('toBeCloseToTensor', actual);
    const why = difference(t, asExpected(expected, t.dtype), checkTolerance('toBeCloseToTensor', options));
    return {
      pass: why === null,
      message: () => `toBeCloseToTensor: ${why ?? `${String(t)} is as near as that to what it was not to be near`}`,
    };
  },
};
