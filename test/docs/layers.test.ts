import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { root } from '../support/child.js';

/** The folders of lib, lowest first: a file imports from its own folder and from those before it. */
const order = [
  'errors',
  'support',
  'native',
  'files',
  'tensor',
  'threads',
  'ops',
  'memory',
  'info',
  'random',
  'autograd',
  'trace',
  'plan',
  'init',
  'format',
  'onnx',
  'parameter',
  'nn',
  'io',
  'loss',
  'optim',
  'metric',
  'data',
  'index',
  'entry',
  'testing',
];

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap(name => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}

const lib = join(root, 'lib');
const layerOf = (path: string) => relative(lib, path).split(/[/\\.]/)[0] as string;

test('imports in lib point downwards only', () => {
  const wrong: string[] = [];
  for (const file of filesBelow(lib)) {
    const own = order.indexOf(layerOf(file));
    expect(own).toBeGreaterThanOrEqual(0);
    // Types are free to look up: they vanish. `import type` is what the compiler checks them to be.
    for (const [, target] of readFileSync(file, 'utf8').matchAll(
      /^(?:import|export) (?!type )[^;]*?from '(\.[^']+)'/gms,
    )) {
      const other = order.indexOf(layerOf(join(dirname(file), target as string)));
      if (other < 0 || other > own) wrong.push(`${relative(lib, file)} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('only ops and what is below it touch the addon for tensors', () => {
  const allowed = new Set(['native', 'tensor', 'ops', 'memory', 'threads']);
  const direct = filesBelow(lib).filter(
    file => /session\.(call|read|write|writePart)\(/.test(readFileSync(file, 'utf8')) && !allowed.has(layerOf(file)),
  );
  expect(direct.map(file => relative(lib, file))).toEqual([]);
});

test('kernels know neither Node nor the runtime', () => {
  const kernels = join(root, 'native', 'kernels');
  for (const file of filesBelow(kernels)) {
    expect(readFileSync(file, 'utf8')).not.toMatch(/#include [<"](napi|node_api|\.\.\/)/);
  }
});
