import { FormatError } from '../errors.js';

/** More reasons against a file, and longer ones together, than anyone reads. */
const MOST_REASONS = 1000;
const MOST_CHARACTERS = 1_000_000;

/** All faults of a file: names in it may be long, so only so much is kept. */
export class Reasons {
  readonly #kept: string[] = [];
  #characters = 0;
  #more = 0;

  add(why: string): void {
    const isKept = this.#kept.length < MOST_REASONS && this.#characters < MOST_CHARACTERS;
    if (!isKept) {
      this.#more++;
      return;
    }
    this.#kept.push(why);
    this.#characters += why.length;
  }

  /** Raises for the reasons that there are. */
  check(what: string): void {
    const [kept, more] = [this.#kept, this.#more];
    if (kept.length === 0) return;
    if (kept.length + more === 1) throw new FormatError(`${what}: ${kept[0]}`);
    const told = more === 0 ? kept : [...kept, `and ${more} more`];
    throw new FormatError(`${what}, for ${kept.length + more} reasons:\n- ${told.join('\n- ')}`);
  }
}
