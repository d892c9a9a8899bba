import { type DType, type Tensor, tensor } from '../index.js';

export interface Tolerance {
  /** In relation to the expected element; 1.3e-6 for float32, 1e-7 for float64, 0 for other types by default. */
  rtol?: number;
  /** Absolute; 1e-5 for float32, 1e-7 for float64, 0 for other types by default. */
  atol?: number;
}

/** How many elements a message shows. */
const SHOWN = 5;

const defaults: Partial<Record<DType, Required<Tolerance>>> = {
  float32: { rtol: 1.3e-6, atol: 1e-5 },
  float64: { rtol: 1e-7, atol: 1e-7 },
};

/** A tensor, also of another load of the library: a test runner may take the package in twice. */
export function isTensor(value: unknown): value is Tensor {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as { [key: symbol]: unknown })[Symbol.for('latent.tensor')] === true
  );
}

/** The expected values as a tensor: of the other's type where they are given as numbers. */
export function asExpected(expected: unknown, dtype: DType): Tensor {
  return isTensor(expected) ? expected : (tensor(expected as number[], { dtype }) as Tensor);
}

function placeOf(index: number, shape: readonly number[]): string {
  let rest = index;
  const place: number[] = [];
  for (let d = shape.length - 1; d >= 0; d--) {
    place.unshift(rest % (shape[d] as number));
    rest = Math.floor(rest / (shape[d] as number));
  }
  return `[${place.join(', ')}]`;
}

/** Why two tensors are not near each other, element by element; null where they are. */
export function difference(actual: Tensor, expected: Tensor, tolerance: Tolerance): string | null {
  const [shape, wanted] = [actual, expected].map(t => `[${t.shape.join(', ')}]`);
  if (shape !== wanted) return `the shape is ${shape}, and ${wanted} was expected`;
  if (actual.dtype !== expected.dtype) return `the dtype is ${actual.dtype}, and ${expected.dtype} was expected`;
  const { rtol = 0, atol = 0 } = { ...defaults[actual.dtype], ...tolerance };
  const [a, b] = [actual.toTypedArray() as Float64Array, expected.toTypedArray() as Float64Array];
  const shown: string[] = [];
  let [count, largest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    const isNear = Number.isFinite(x) && Number.isFinite(y) && Math.abs(x - y) <= atol + rtol * Math.abs(y);
    if (isNear || x === y || Object.is(x, y)) continue;
    count++;
    largest = Math.max(largest, Math.abs(x - y));
    if (shown.length < SHOWN) shown.push(`  ${placeOf(i, actual.shape)}: ${x}, and ${y} was expected`);
  }
  if (count === 0) return null;
  const limits = actual.dtype in defaults ? ` (rtol ${rtol}, atol ${atol})` : '';
  const more = count > shown.length ? `\n  and ${count - shown.length} more` : '';
  return `${count} of ${a.length} elements differ${limits}, by ${largest} at most:\n${shown.join('\n')}${more}`;
}

/** Why two tensors are not the same in type, shape and values; null where they are. NaN is like NaN, and 0 unlike -0. */
export function inequality(actual: Tensor, expected: Tensor): string | null {
  const why = difference(actual, expected, { rtol: 0, atol: 0 });
  if (why !== null) return why;
  const [a, b] = [actual.toTypedArray() as Float64Array, expected.toTypedArray() as Float64Array];
  const sign = a.findIndex((x, i) => !Object.is(x, b[i]));
  return sign < 0 ? null : `the zero at ${placeOf(sign, actual.shape)} has the other sign`;
}
