import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import '../../lib/index.js';
import { definedOps } from '../../lib/ops/op.js';

const root = join(__dirname, '..', '..', 'lib');

/** Plans, traces and gradients read an operation's traits, and know none by its name. */
test.each(['plan', 'trace', 'autograd'])('lib/%s names no operation', folder => {
  // 'add' is also what becomes of a gradient.
  const names = [...definedOps().keys()].filter(name => name !== 'add');
  const found = (readdirSync(join(root, folder), { recursive: true }) as string[])
    .filter(file => file.endsWith('.ts'))
    .flatMap(file => {
      const text = readFileSync(join(root, folder, file), 'utf8');
      return names.filter(name => text.includes(`'${name}'`)).map(name => `${file}: ${name}`);
    });
  expect(found).toEqual([]);
});
