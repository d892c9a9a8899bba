import { inspect } from 'node:util';

/** What prints itself as its own text, in console.log as in a string. */
export abstract class Printed {
  /** What stands between the parentheses behind the name of the class. */
  protected abstract describe(): string;

  toString(): string {
    return `${this.constructor.name}(${this.describe()})`;
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** A number of things: `1 sample`, `2 samples`. */
export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}
