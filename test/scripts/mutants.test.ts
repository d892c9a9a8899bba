import { join } from 'node:path';
import { root } from '../support/child.js';

interface Mutant {
  readonly file: string;
  readonly from: string;
  readonly breaks: string;
}
const { list, mistakeOf } = require('../../scripts/mutants/index.js') as {
  list: readonly Mutant[];
  mistakeOf: (at: (file: string) => string, mutant: Mutant) => string | undefined;
};

/** The edits that `npm run test:full -- mutants` tries belong to the sources as they are. */
test('each edit of the list can be made', () => {
  expect(list.length).toBeGreaterThan(150);
  const at = (file: string) => join(root, file);
  expect(list.map(mutant => [mutant.file, mutant.breaks, mistakeOf(at, mutant)]).filter(([, , why]) => why)).toEqual(
    [],
  );
});

test('one that cannot be made is told', () => {
  const [first] = list as [Mutant];
  const at = (file: string) => join(root, file);
  expect(mistakeOf(at, { ...first, from: 'no such text' })).toMatch(/stands there 0 times/);
  expect(mistakeOf(at, { ...first, file: 'nowhere.ts' })).toBe('there is no such file');
});
