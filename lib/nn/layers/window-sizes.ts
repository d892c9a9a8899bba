import { ArgumentError } from '../../errors.js';
import { checkSize, shown } from '../../support/check.js';

/** One number for every dimension, or one for each. */
export type Sizes = number | readonly number[];

export function checkSizes(who: string, value: unknown, rank: number, least: number): readonly number[] {
  if (!Array.isArray(value)) return new Array<number>(rank).fill(checkSize(who, value, least));
  if (value.length !== rank)
    throw new ArgumentError(`${who} takes a number or ${rank} of them, but got ${shown(value)}`);
  return [...value].map(size => checkSize(who, size, least));
}

/** Of one number where all are the same, else the list. */
export function shownSizes(sizes: readonly number[]): string {
  return sizes.every(size => size === sizes[0]) ? String(sizes[0]) : `[${sizes.join(', ')}]`;
}
