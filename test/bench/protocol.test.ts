import { difference, digest } from '../../bench/contenders/protocol';
import { integers, uniform } from '../../bench/workers/generate';

test('answers alike within the tolerance are alike, and others tell where they differ', () => {
  const ours = digest([1, -2, 4]);
  expect(difference(ours, digest([1, -2, 4.0000039]), 1e-6)).toBeNull();
  expect(difference(ours, digest([1, -2.1, 4]), 1e-6)).toMatch(/^element 1 is -2.1 where ours is -2/);
  expect(difference(ours, digest([1, -2]), 1e-6)).toMatch(/2 elements where ours has 3/);
  expect(difference(digest([Number.NaN]), digest([Number.NaN]), 1)).not.toBeNull();
});

test('of a long answer some elements are compared one by one, and the rest by their sums', () => {
  const long = uniform(new Float32Array(100_000), 7);
  const ours = digest(long);
  expect(ours.values.length).toBe(1024);
  const changed = long.slice();
  changed[1] = 2000;
  expect(difference(ours, digest(changed), 1e-5)).toMatch(/^a sum of/);
  const halves = long.map((value, i) => (i % 97 === 0 ? value : -value));
  expect(difference(ours, digest(halves), 1e-5)).not.toBeNull();
});

test('generated numbers depend on the seed and their place alone, and lie in their range', () => {
  const long = uniform(new Float32Array(1000), 3, 0.5);
  expect([...long.subarray(0, 10)]).toEqual([...uniform(new Float32Array(10), 3, 0.5)]);
  expect([...long.subarray(0, 10)]).not.toEqual([...uniform(new Float32Array(10), 4, 0.5)]);
  expect(Math.max(...long.map(Math.abs))).toBeLessThanOrEqual(0.5);
  expect(Math.abs(long.reduce((sum, value) => sum + value, 0) / 1000)).toBeLessThan(0.05);
  const classes = integers(1000, 2, 10);
  expect([...new Set(classes)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
