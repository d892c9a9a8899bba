import { join } from 'node:path';
import * as latent from 'latent';
import { type Case, floats, readFolder, runCase, runExported, runPlanned } from '../scripts/golden-cases.js';
import { flat } from './support/onnx-models.js';
import { runModel } from './support/onnxruntime.js';

const folder = join(__dirname, 'golden');

/** What the library has now; a case that stops running is a regression, not a counterpart that is missing. */
const running = [
  'attention.json',
  'conv.json',
  'dense.json',
  'elementwise.json',
  'loss.json',
  'matmul.json',
  'norm.json',
  'optim.json',
  'reduce.json',
  'rnn.json',
];

async function imported(model: Uint8Array, inputs: readonly latent.Tensor[]): Promise<latent.Tensor[]> {
  return flat(latent.io.onnx.fromBytes(model)(...inputs)) as unknown as latent.Tensor[];
}

async function byRuntime(model: Uint8Array, inputs: readonly latent.Tensor[]): Promise<latent.Tensor[]> {
  const { inputNames, outputNames } = latent.io.onnx.fromBytes(model);
  const feeds = Object.fromEntries(inputNames.map((name, i) => [name, inputs[i] as never]));
  const results = await runModel(model, feeds);
  return outputNames.map(name => results.get(name) as unknown as latent.Tensor);
}

for (const [file, cases] of readFolder(folder)) {
  describe(file, () => {
    const outcomes = new Map<string, number>();
    test.each(floats)('every case in %s', dtype => {
      const failures: string[] = [];
      let ran = 0;
      for (const c of cases) {
        try {
          if (runCase(latent, c, dtype) === 'ran') ran++;
        } catch (error) {
          ran++;
          failures.push(`${c.name}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      outcomes.set(dtype, ran);
      expect(failures).toEqual([]);
      if (running.includes(file)) expect(ran).toBeGreaterThan(0);
    });
    test.each(floats)('every case by plans in %s', dtype => {
      const failures: string[] = [];
      let ran = 0;
      for (const c of cases) {
        try {
          if (runPlanned(latent, c, dtype) === 'ran') ran++;
        } catch (error) {
          failures.push(`${c.name}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      expect(failures).toEqual([]);
      if (running.includes(file) && file !== 'optim.json') expect(ran).toBeGreaterThan(0);
    });
    test.each([
      ['imported again', 'float32', imported],
      ['imported again', 'float64', imported],
      ['onnxruntime', 'float32', byRuntime],
    ] as const)('every case from a file by %s in %s', async (_how, dtype, answer) => {
      const failures: string[] = [];
      let ran = 0;
      for (const c of cases) {
        try {
          if ((await runExported(latent, c, dtype, answer)) === 'ran') ran++;
        } catch (error) {
          failures.push(`${c.name}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      expect(failures).toEqual([]);
      if (running.includes(file) && file !== 'optim.json') expect(ran).toBeGreaterThan(0);
    });
    test('runs the same cases in both types', () => {
      expect(outcomes.get('float64')).toBe(outcomes.get('float32'));
    });
  });
}

describe('the comparison itself', () => {
  const first = (readFolder(folder).get('elementwise.json') as readonly Case[])[0] as Case;
  const spoilt = (set: 'outputs' | 'grads', name: string, by: number): Case => {
    const stored = first[set]?.[name] as NonNullable<Case['weight']>;
    const data = stored.data.map((value, i) => (i === 2 ? value * (1 + by) : value));
    return { ...first, [set]: { ...first[set], [name]: { ...stored, data } } };
  };

  test.each([
    ['float32', 1e-4],
    ['float64', 1e-9],
  ] as const)('a wrong value and a wrong gradient fail in %s', (dtype, by) => {
    expect(runCase(latent, first, dtype)).toBe('ran');
    expect(() => runCase(latent, spoilt('outputs', 'y', by), dtype)).toThrow(/element 2 of y is/);
    expect(() => runCase(latent, spoilt('grads', 'x', by), dtype)).toThrow(/element 2 of the gradient of x is/);
  });

  test('an operation that nobody exports has no counterpart', () => {
    expect(runCase(latent, { ...first, attrs: { op: 'thisIsNoOperation' } }, 'float32')).toBe('none');
  });
});
