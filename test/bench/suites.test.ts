import { suites } from '../../bench/suites/index';
import { forwardFlops, trainFlops } from '../../bench/suites/nets';
import { threadCounts } from '../../bench/suites/threads';

test.each(suites.map(suite => [suite.name, suite] as const))('%s names each case once', (_, suite) => {
  for (const quick of [true, false]) {
    const names = suite.cases({ quick, threads: 1 }).map(one => `${one.case} ${one.shape}`);
    expect(names.length).toBeGreaterThan(0);
    expect(new Set(names).size).toBe(names.length);
  }
});

test('a step needs forward, the gradients of weights, and those of all inputs but the first', () => {
  expect(forwardFlops([20, 256, 10], 2)).toBe(2 * 2 * (20 * 256 + 256 * 10));
  expect(trainFlops([20, 256, 10], 1)).toBe(2 * (3 * (20 * 256 + 256 * 10) - 20 * 256));
});

test('threads double up to all cores', () => {
  expect([1, 2, 6, 8].map(threadCounts)).toEqual([[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]);
});
