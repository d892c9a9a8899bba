/**
 * The number of `initialize` calls so far: part of the key of each parameter's first values, so that every call draws
 * other ones.
 */
let count = 0;

export function initializeCount(): number {
  return count;
}

export function setInitializeCount(value: number): void {
  count = value;
}
