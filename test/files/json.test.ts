import { parseFlat, scanJson } from '../../lib/files/json.js';

const scan = (text: string, bounds = { depth: 8, heap: 1e6 }) => scanJson(new TextEncoder().encode(text), bounds);

test.each([
  ['entries of a list', `[${'0,'.repeat(2000)}0]`],
  ['objects in a list', `[${'{},'.repeat(500)}{}]`],
  ['keys of an object', `{${Array.from({ length: 500 }, (_, i) => `"${i}":0`).join()}}`],
])('what %s would take of the heap is bounded', (_, text) => {
  expect(scan(text)).toBe(null);
  expect(scan(text, { depth: 8, heap: 40_000 })).toMatch(/^it would take more than 0 MB of heap when parsed$/);
});

test('depth, keys that come twice and keys that are too long are told', () => {
  expect(scan('[[[]]]', { depth: 3, heap: 1e6 })).toBe(null);
  expect(scan('[[[]]]', { depth: 2, heap: 1e6 })).toBe('objects and lists lie deeper than 2 in one another');
  expect(scan('{"a":1,"b":{"a":1}}')).toBe(null);
  expect(scan('{"a":1,"\\u0061":2}')).toBe("the key 'a' is there twice");
  expect(scan('{"a\\"":1,"a":"a\\":","b":2}')).toBe(null);
  expect(scan(`{"${'k'.repeat(65_534)}":1}`)).toBe(null);
  expect(scan(`{"${'k'.repeat(65_535)}":1}`)).toBe('a key has 65535 bytes, more than 65534');
});

test('a flat text is parsed, and another raises', () => {
  expect(parseFlat('{"a":[1]}'.replace('[1]', '1'))).toEqual({ a: 1 });
  expect(() => parseFlat('{"a":[1]}')).toThrow('deeper than 1');
});
