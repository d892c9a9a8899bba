import { inspect } from 'node:util';

/** An object that prints itself by its own text, in console.log as in a string. */
export abstract class Printed {
  /** The text in parentheses after the name of the class. */
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
