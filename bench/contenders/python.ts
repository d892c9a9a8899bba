import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

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

let libraries: string | null | undefined;

/** The folder into which pip puts shared libraries for the PATH's Python, or null where there is none. Looks once. */
export function pythonLibraries(): string | null {
  if (libraries === undefined) {
    const { status, stdout } = spawnSync('python3', ['-c', 'import sys; print(sys.prefix)'], { encoding: 'utf8' });
    libraries = status === 0 ? join(stdout.trim(), 'lib') : null;
  }
  return libraries;
}
