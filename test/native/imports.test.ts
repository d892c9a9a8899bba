import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../support/child.js';

function namesIn(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, name]) => name as string))].sort();
}

// Windows' addon takes Node's functions by a list of its own; one that is missing is noticed only when it is linked there.
test("the list of Node's functions for Windows names those that this system's addon imports", () => {
  const listed = namesIn(
    readFileSync(join(root, 'native', 'binding', 'node_imports.cc'), 'utf8'),
    /F\((napi_[a-z0-9_]+)\)/g,
  );
  // The table of names has each between two zero bytes; Apple's begin with another underline. One is the addon's own.
  const addon = readFileSync(join(root, 'build', 'Release', 'latent.node'), 'latin1');
  const named = namesIn(addon, /\0_?(napi_[a-z0-9_]+)(?=\0)/g);
  expect(listed).toEqual(named.filter(name => !name.startsWith('napi_register_module')));
});
