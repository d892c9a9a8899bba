const counters = new Map<string, number>();

/** The next prefix of a class: `dense0_`, `dense1_`, … as Gluon counts them. */
export function nextPrefix(className: string): string {
  const alias = (className === '' ? 'block' : className).toLowerCase();
  const n = counters.get(alias) ?? 0;
  counters.set(alias, n + 1);
  return `${alias}${n}_`;
}

/** Starts the running numbers in display names from 0 again; for tests and scripts that print names. */
export function resetNames(): void {
  counters.clear();
}
