import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { example, examplesRunner } from '../support/examples.js';

const { folder, run } = examplesRunner();

describe('mnist', () => {
  const file = join(folder, 'net.safetensors');

  test('learns, shows its progress in plain lines, and saves', () => {
    const output = run('mnist', '--epochs', '1', '--hidden', '32', '--out', file);
    expect(output).toMatch(
      /^Before the first batch:\nSequential\(\n {2}\(0\): Dense\(-1 -> 32, Activation\(relu\)\)\n/,
    );
    expect(output).toMatch(/After the first batch:\nSequential\(\n {2}\(0\): Dense\(784 -> 32, Activation\(relu\)\)\n/);
    expect(
      output.match(/^epoch 1\/1 \d+ % {2}loss [\d.]+ {2}accuracy [\d.]+ % {2}[\d,]+ samples\/s {2}[\d.]+ s left$/gm),
    ).toHaveLength(10);
    const accuracy = Number(/\ntest accuracy ([\d.]+) %\n$/.exec(output)?.[1]);
    expect(accuracy).toBeGreaterThan(91);
  });

  test('loads what it saved without any size, and reports the same accuracy', () => {
    const saved = run('mnist', '--epochs', '1', '--hidden', '16,8', '--seed', '3', '--optimizer', 'sgd', '--out', file);
    const loaded = run('mnist', '--hidden', '16,8', '--load', file, '--evaluate');
    expect(loaded).toContain('Dense(784 -> 16, Activation(relu))');
    expect(loaded.split('\n').at(-2)).toBe(saved.split('\n').at(-2));
  });

  test.each([
    [['--out', join(folder, 'nowhere', 'x')], 'cannot be written: its folder is not there'],
    [['--crop', '29'], 'the pictures have 28 × 28 pixels'],
    [['--optimizer', 'adm'], 'Allowed choices are sgd, adam, adamw'],
    [['--epochs', 'many'], 'a whole number from 1 is needed'],
    [['--learnin-rate', '1'], 'Did you mean --learning-rate?'],
    [['--load', join(folder, 'nowhere'), '--evaluate'], 'FileError: Cannot read'],
  ])('refuses %p', (args, message) => {
    const child = spawnSync(process.execPath, [example('mnist'), ...args], { encoding: 'utf8' });
    expect(child.status).toBe(1);
    expect(child.stderr).toContain(message);
  });
});
