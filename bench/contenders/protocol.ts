/**
 * What passes between the benchmark and a contender, which is a process of its own: one request at a time as a line of
 * JSON on its standard input, one reply as a line on its file descriptor 3. Standard output is left to the libraries,
 * some of which greet there.
 */

/** A case as contenders are told it: what they need to build the same inputs and do the same work. */
export interface Spec {
  readonly kind: string;
  readonly [setting: string]: unknown;
}

export type Request =
  | { readonly ask: 'hello' }
  | { readonly ask: 'prepare'; readonly spec: Spec }
  | { readonly ask: 'answer' }
  | { readonly ask: 'time'; readonly iterations: number; readonly warmup: number }
  | { readonly ask: 'pages' };

export type Reply = { readonly ok: unknown } | { readonly error: string };

/** To hello: what the contender is, version and all. */
export interface Hello {
  readonly version: string;
}

/** To prepare: why the contender can't do this case, or null; and the work of one iteration where it alone knows. */
export interface Prepared {
  readonly unsupported: string | null;
  readonly work?: number;
}

/** To time: what the iterations took, the warm-up left out. */
export interface Timed {
  readonly seconds: number;
}

/** To pages: bytes of the process that lie in huge pages; null where the system doesn't tell. Asked of ours alone. */
export interface Pages {
  readonly huge: number | null;
}

/** A result to be held against others': all of it in sums, and some of it one by one. */
export interface Answer {
  readonly size: number;
  /** Evenly spaced elements, from the first; all of them when they are few. */
  readonly values: readonly number[];
  readonly sum: number;
  readonly squares: number;
}

const SAMPLED = 1024;

/** The step between sampled elements: odd, so that it goes through all columns of the usual matrices. */
function stepOf(size: number): number {
  return size <= SAMPLED ? 1 : Math.floor(size / SAMPLED) | 1;
}

export function digest(result: ArrayLike<number>): Answer {
  const values: number[] = [];
  let [sum, squares] = [0, 0];
  for (let i = 0; i < result.length; i++) {
    const value = result[i] as number;
    sum += value;
    squares += value * value;
  }
  for (let i = 0; i < result.length && values.length < SAMPLED; i += stepOf(result.length))
    values.push(result[i] as number);
  return { size: result.length, values, sum, squares };
}

/**
 * What is wrong with an answer held against ours, or null. `tolerance` is a fraction of our largest element; what isn't
 * a finite number is always wrong, on either side.
 */
export function difference(ours: Answer, theirs: Answer, tolerance: number): string | null {
  if (theirs.size !== ours.size) return `${theirs.size} elements where ours has ${ours.size}`;
  const scale = ours.values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
  const near = (a: number, b: number, allowed: number): boolean => Math.abs(a - b) <= allowed;
  const at = ours.values.findIndex((value, i) => !near(value, theirs.values[i] ?? Number.NaN, tolerance * scale));
  if (at >= 0)
    return `element ${at * stepOf(ours.size)} is ${theirs.values[at]} where ours is ${ours.values[at]}, further apart than ${tolerance} of the largest, ${scale}`;
  if (!near(ours.sum, theirs.sum, tolerance * scale * ours.size))
    return `a sum of ${theirs.sum} where ours is ${ours.sum}`;
  if (!near(ours.squares, theirs.squares, 4 * tolerance * scale * scale * ours.size))
    return `a sum of squares of ${theirs.squares} where ours is ${ours.squares}`;
  return null;
}
