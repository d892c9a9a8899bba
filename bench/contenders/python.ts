import { spawnSync } from 'node:child_process';

const found = new Map<string, string | null>();

/** The first of these interpreters that has all of the modules, or null. Looks once. */
export function findPython(interpreters: readonly string[], modules: readonly string[]): string | null {
  const key = [...interpreters, ...modules].join();
  const known = found.get(key);
  if (known !== undefined) return known;
  const query = `import importlib.util as u, sys; sys.exit(any(u.find_spec(n) is None for n in ${JSON.stringify(modules)}))`;
  const python = interpreters.find(file => spawnSync(file, ['-c', query]).status === 0) ?? null;
  found.set(key, python);
  return python;
}
