import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import '../../lib/index.js';
import { definedOps } from '../../lib/ops/op.js';
import { root } from '../support/child.js';

test('every function of one element that the addon has is an operation', () => {
  const list = /#define LATENT_UNARY\(X\)((?:.*\\\n)*.*)/.exec(
    readFileSync(join(root, 'native', 'kernels', 'unary.h'), 'utf8'),
  )?.[1];
  const names = [...(list as string).matchAll(/X\(\w+, (\w+)\)/g)].map(match => match[1] as string);
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter(name => !definedOps().has(name))).toEqual([]);
});
