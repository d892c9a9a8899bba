import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Goal, reached } from '../../examples/support/goal.js';
import { root } from '../support/child.js';
import { examplesRunner } from '../support/examples.js';
import { full } from '../support/random.js';

/** The examples as a user runs them. */
const { run } = examplesRunner();

test('npm run example tells what there is', () => {
  const child = spawnSync(process.execPath, [join(root, 'scripts', 'example.js'), 'sort'], { encoding: 'utf8' });
  expect(child.status).toBe(1);
  expect(child.stderr).toMatch(/^npm run example -- NAME, one of\n {2}autoencoder\n/);
  expect(child.stderr).not.toMatch(/goal|progress|support/);
});

test('the walk prints what it always prints', () => {
  expect(run('deferred-initialization')).toBe(readFileSync(join(__dirname, 'deferred-initialization.txt'), 'utf8'));
});

describe('a goal', () => {
  test.each<[number, Goal, boolean]>([
    [0.5, { atLeast: 0.5 }, true],
    [0.49, { atLeast: 0.5 }, false],
    [Number.NaN, { atLeast: 0.5 }, false],
    [0.5, { atMost: 0.5 }, true],
    [0.51, { atMost: 0.5 }, false],
    [Number.NaN, { atMost: 0.5 }, false],
  ])('%p of %p', (value, goal, met) => {
    const print = jest.spyOn(console, 'log').mockImplementation();
    const before = process.exitCode;
    try {
      reached('figure', value, goal);
      expect(process.exitCode).toBe(met ? before : 1);
      expect(print.mock.calls[0]![0]).toContain(met ? ': reached)' : 'NOT REACHED');
    } finally {
      process.exitCode = before;
      print.mockRestore();
    }
  });
});

// Each ends with code 1, which `run` throws for, where it falls short of its goal.
test.each(['linear-regression', 'logistic-regression', 'forecast', 'tied-embeddings', ...(full ? ['sorting'] : [])])(
  '%s reaches its goal',
  name => {
    expect(run(name)).toMatch(/\n.*\((at least|at most) .*: reached\)\n$/);
  },
  300_000,
);

test('the server answers its own questions, each with its own answer', () => {
  expect(run('serve', '--check')).toMatch(/: reached\)\n$/);
}, 300_000);
