import type { Tensor } from '../../lib/index.js';

/** Machine epsilon of each type that values are compared in. */
const EPSILON = { float32: 2 ** -23, float64: 2 ** -52 } as const;

/**
 * Holds every value to |got - want| ≤ c·eps·(|want| + max|want|): an error relative to the result, that forgives what
 * cancels against the largest. c is 16, or 8·√terms for sums of that many terms. float64 is held to 1e-12 instead. `magnitude`:
 * how large the terms are that may cancel in all of the results.
 */
export function expectClose(
  got: Tensor,
  want: ArrayLike<number>,
  options: { terms?: number; tolerance64?: number; magnitude?: number } = {},
): void {
  const values = got.toTypedArray() as ArrayLike<number>;
  expect(values.length).toBe(want.length);
  const c = options.terms === undefined ? 16 : Math.max(16, 8 * Math.sqrt(options.terms));
  const factor = got.dtype === 'float64' ? (options.tolerance64 ?? 1e-12) : c * EPSILON.float32;
  let largest = options.magnitude ?? 0;
  for (let i = 0; i < want.length; i++) if (Number.isFinite(want[i])) largest = Math.max(largest, Math.abs(want[i]!));
  for (let i = 0; i < want.length; i++) {
    const [a, b] = [values[i]!, want[i]!];
    const same = Object.is(a, b) || a === b || (Number.isNaN(a) && Number.isNaN(b));
    if (same || Math.abs(a - b) <= factor * (Math.abs(b) + largest)) continue;
    throw new Error(
      `element ${i} is ${a}, not ${b}: off by ${Math.abs(a - b)}, allowed ${factor * (Math.abs(b) + largest)}`,
    );
  }
}
