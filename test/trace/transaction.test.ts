import { random, tensor } from '../../lib/index.js';
import { Generator, generators } from '../../lib/random/generator.js';
import { transact } from '../../lib/trace/transaction.js';

test('what changes after a mark is taken back to it, also where it changed before', () => {
  const t = tensor([1, 2]);
  const generator = new Generator(1);
  transact(transaction => {
    t.copyFrom(tensor([3, 4]));
    random.uniform([4], { generator });
    const mark = transaction.mark();
    t.copyFrom(tensor([5, 6]));
    random.uniform([8], { generator });
    transaction.rollbackTo(mark);
    expect([t.toArray(), generators.position(generator)]).toEqual([[3, 4], 1]);
  });
  expect([t.toArray(), generators.position(generator)]).toEqual([[3, 4], 1]);
});

test('what is changed again after it was taken back is taken back again', () => {
  const t = tensor([1, 2]);
  const run = () =>
    transact(transaction => {
      const mark = transaction.mark();
      t.copyFrom(tensor([3, 4]));
      transaction.rollbackTo(mark);
      expect(t.toArray()).toEqual([1, 2]);
      t.copyFrom(tensor([5, 6]));
      throw new Error('later');
    });
  expect(run).toThrow('later');
  expect(t.toArray()).toEqual([1, 2]);
});

test('what fails after a mark is taken back to the begin', () => {
  const t = tensor([1, 2]);
  const run = () =>
    transact(transaction => {
      t.copyFrom(tensor([3, 4]));
      transaction.mark();
      t.copyFrom(tensor([5, 6]));
      throw new Error('behind the mark');
    });
  expect(run).toThrow('behind the mark');
  expect(t.toArray()).toEqual([1, 2]);
});
