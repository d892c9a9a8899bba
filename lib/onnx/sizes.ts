/**
 * A number that a forward meets while it is traced: what it was at each of the points that were tried, or one number where
 * these are the same. Sizes are compared and computed with as such; a file that must compute one has it as a polynomial.
 */
export interface Size {
  readonly at: readonly number[];
}

export function measured(at: readonly number[]): Size {
  return at.every(n => Object.is(n, at[0])) ? { at: at.slice(0, 1) } : { at };
}

export const known = (n: number): Size => ({ at: [n] });

export const isKnown = ({ at }: Size): boolean => at.length === 1;

export const sameSize = (a: Size | undefined, b: Size | undefined): boolean =>
  a !== undefined && a.at.length === b?.at.length && a.at.every((n, i) => Object.is(n, b.at[i]));

/** The number that `of` makes of several, at each point. */
export function together(sizes: readonly Size[], of: (numbers: readonly number[]) => number): Size {
  const points = Math.max(...sizes.map(({ at }) => at.length));
  return measured(
    Array.from({ length: points }, (_, p) => of(sizes.map(({ at }) => at[at.length === 1 ? 0 : p] as number))),
  );
}

/** a + factor·b. */
export const plus = (a: Size, b: Size, factor = 1): Size => together([a, b], ([x = 0, y = 0]) => x + factor * y);

/** A part of a polynomial: the product of some of the open sizes, by their places, with its factor. */
export interface Term {
  readonly factor: number;
  readonly open: readonly number[];
}

/** Most open sizes: a forward is traced at twice as many points for each. */
export const MOST_OPEN = 4;

/**
 * The numbers at which an open size is tried, as many for each: a forward is traced at all combinations of the first two, then
 * at those that follow of all sizes together.
 */
export type Tries = readonly [low: number, high: number, ...others: number[]];

/** The sizes that a file leaves open, and the points at which a forward is traced to see what depends on them. */
export class OpenSizes {
  /** One number for each open size. */
  readonly points: readonly (readonly number[])[];

  constructor(
    readonly names: readonly string[],
    private readonly tries: readonly Tries[],
  ) {
    const corners = Array.from({ length: 2 ** names.length }, (_, set) =>
      tries.map(([low, high]) => [low, high] as const).map((pair, i) => pair[(set >> i) & 1] as number),
    );
    const [, , ...others] = tries[0] ?? [];
    this.points = [...corners, ...others.map((_, j) => tries.map(numbers => numbers[2 + j] as number))];
  }

  /**
   * A size as a sum of products of open sizes, each at most once in a product; null where it is something else. With
   * `whole` only where its factors are whole.
   */
  terms(size: Size, whole = false): readonly Term[] | null {
    if (isKnown(size)) return [{ factor: size.at[0] as number, open: [] }];
    // Along one open size after the other: the value where it is 0, and the slope.
    const factors = [...size.at];
    this.tries.forEach(([low, high], i) => {
      for (let set = 0; set < 2 ** this.names.length; set++) {
        if (((set >> i) & 1) === 1) continue;
        const [a, b] = [factors[set] as number, factors[set | (1 << i)] as number];
        const slope = (b - a) / (high - low);
        factors[set] = a - slope * low;
        factors[set | (1 << i)] = slope;
      }
    });
    const terms = factors
      .slice(0, 2 ** this.names.length)
      .map((factor, set) => ({ factor, open: this.names.flatMap((_, i) => (((set >> i) & 1) === 1 ? [i] : [])) }))
      .filter(({ factor }) => factor !== 0);
    const isFitting = this.points.every((point, p) => valueOf(terms, point) === size.at[p]);
    return isFitting && !(whole && terms.some(({ factor }) => !Number.isInteger(factor))) ? terms : null;
  }

  /** A text for a size, as formats and messages have it; null where it is no such sum. */
  text(size: Size): string | null {
    const terms = this.terms(size, true);
    if (terms === null) return null;
    const texts = terms.map(({ factor, open }) => {
      const names = open.map(i => this.names[i] as string);
      return [...(factor === 1 && names.length > 0 ? [] : [`${factor}`]), ...names].join('*');
    });
    const inOrder = terms[0]?.open.length === 0 ? [...texts.slice(1), ...texts.slice(0, 1)] : texts;
    return inOrder.join('+').replaceAll('+-', '-');
  }
}

export function valueOf(terms: readonly Term[], point: readonly number[]): number {
  return terms.reduce(
    (sum, { factor, open }) => sum + open.reduce((product, i) => product * (point[i] as number), factor),
    0,
  );
}
