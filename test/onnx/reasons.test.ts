import { FormatError } from '../../lib/index.js';
import { Reasons } from '../../lib/onnx/reasons.js';

function messageOf(reasons: readonly string[]): string {
  const all = new Reasons();
  for (const why of reasons) all.add(why);
  try {
    all.check('The file cannot be read');
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    return (error as Error).message;
  }
  return '';
}

test('one reason, or all of them', () => {
  expect(messageOf([])).toBe('');
  expect(messageOf(['a is wrong'])).toBe('The file cannot be read: a is wrong');
  expect(messageOf(['a is wrong', 'b'])).toBe('The file cannot be read, for 2 reasons:\n- a is wrong\n- b');
});

test('more reasons than anyone reads are counted, by their number and by their length', () => {
  const many = messageOf(Array.from({ length: 3000 }, (_, i) => `reason ${i}`));
  expect(many).toMatch(/^The file cannot be read, for 3000 reasons:\n.*\n- and 2000 more$/s);
  const long = messageOf(Array.from({ length: 10 }, () => 'x'.repeat(300_000)));
  expect(long).toMatch(/, for 10 reasons:\n.*\n- and 6 more$/s);
  expect(long.length).toBeLessThan(1_300_000);
});
