import { ArgumentError, getNumThreads, setNumThreads } from '../../lib/index.js';

const before = getNumThreads();
afterEach(() => setNumThreads(before));

test.each([1, 2, 1024])('setNumThreads(%p) is what getNumThreads answers', n => {
  setNumThreads(n);
  expect(getNumThreads()).toBe(n);
});

test.each([
  [0, 'setNumThreads takes an integer from 1, but got 0'],
  [-1, 'setNumThreads takes an integer from 1, but got -1'],
  [2.5, 'setNumThreads takes an integer from 1, but got 2.5'],
  [Number.NaN, 'setNumThreads takes an integer from 1, but got NaN'],
  [Number.POSITIVE_INFINITY, 'setNumThreads takes an integer from 1, but got Infinity'],
  ['text', "setNumThreads takes an integer from 1, but got 'text'"],
  ['4', "setNumThreads takes an integer from 1, but got '4'"],
  [undefined, 'setNumThreads takes an integer from 1, but got undefined'],
  [1025, 'setNumThreads takes at most 1024, but got 1025'],
  [1000000, 'setNumThreads takes at most 1024, but got 1000000'],
])('setNumThreads(%p) is refused, and changes nothing', (n, message) => {
  setNumThreads(3);
  expect(() => setNumThreads(n as number)).toThrow(ArgumentError);
  expect(() => setNumThreads(n as number)).toThrow(message);
  expect(getNumThreads()).toBe(3);
});
