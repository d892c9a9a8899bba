type Floats = Float32Array | Float64Array;

/**
 * Numbers that every contender can make for itself, in any language: element i depends on the seed and i alone, lies in
 * [-scale, scale), and is a float32 before it is multiplied by `scale` and rounded to the array's type.
 */
export function uniform<A extends Floats>(array: A, seed: number, scale = 1): A {
  for (let i = 0; i < array.length; i++) array[i] = ((hash(seed, i) >>> 8) / 2 ** 23 - 1) * scale;
  return array;
}

/** Whole numbers in [0, end), by the same rule. */
export function integers(count: number, seed: number, end: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (hash(seed, i) >>> 8) % end);
}

/** The finalizer of MurmurHash3 (Appleby) over a counter. */
function hash(seed: number, i: number): number {
  let x = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x7feb352d);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
