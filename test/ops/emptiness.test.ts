import { arange, eye, memory, OutOfMemoryError, take, tensor, zeros } from '../../lib/index.js';

/** Shapes without elements may have sizes that no loop could walk through. */
test('results without elements are there at once, however large their other sizes', () => {
  expect(eye(2 ** 45, { columns: 0 }).shape).toEqual([2 ** 45, 0]);
  const picks = tensor([0], { dtype: 'int32' });
  expect(take(zeros([2 ** 45, 1, 0]), picks, { axis: 1 }).shape).toEqual([2 ** 45, 1, 0]);
  expect(zeros([2 ** 45, 0, 3]).matmul(zeros([3, 2])).shape).toEqual([2 ** 45, 0, 2]);
});

test('a sequence too large for the limit is refused before its elements are made', () => {
  memory.setLimit(memory.info().liveBytes + 2 ** 26);
  try {
    expect(() => arange(1, 2 ** 31)).toThrow(OutOfMemoryError);
  } finally {
    memory.setLimit();
  }
});

test('more JavaScript objects than the heap has room for are refused before the first', () => {
  expect(() => zeros([2 ** 31, 0]).toArray()).toThrow(OutOfMemoryError);
  expect(() => zeros([2 ** 45, 0]).toArray()).toThrow(
    /toArray of shape \[35184372088832, 0\] .* toTypedArray\(\) is the compact form/,
  );
  expect(() => zeros([3, 2 ** 45, 0]).toArray()).toThrow(OutOfMemoryError);
  expect(() => zeros([2 ** 30, 0]).split(2 ** 30)).toThrow(/split into 1073741824 parts would take/);
  expect(zeros([2 ** 45, 0]).toTypedArray()).toHaveLength(0);
  expect(zeros([300_000, 0]).toArray()).toHaveLength(300_000);
});
