import { runFile } from '../support/child.js';
import { full } from '../support/random.js';

/** Calls that the raw session gets; half of them have one thing wrong with them, or odd. */
const calls = full ? 60_000 : 4_000;

describe('the raw session', () => {
  // Every tensor lies amid canaries. After each call the process checks that no byte outside the output has changed, that
  // the output shows neither canaries nor what was in its memory before, and that the slots are accounted for.
  test('survives calls that are valid or nearly so, and neither reads nor writes beside its tensors', () => {
    const { status, signal, output } = runFile('test/native/fuzz/main.ts', [String(calls)]);
    if (status !== 0) throw new Error(`the process ended with ${signal ?? status}:\n${output}`);
    const { keptBytes, keptTensors, never, statuses } = JSON.parse(output);
    expect({ keptBytes, keptTensors, never }).toEqual({ keptBytes: 0, keptTensors: 0, never: [] });
    // A generator whose calls all fail, or never do, would show nothing.
    expect(statuses['mutated 0']).toBeGreaterThan(calls / 20);
    expect(statuses['mutated 3']).toBeGreaterThan(calls / 20);
    expect(statuses['mutated 2']).toBeGreaterThan(calls / 100);
    // Of few calls none may come to it.
    if (full) expect(statuses['mutated 5']).toBeGreaterThan(0);
  }, 600_000);
});

describe('plans', () => {
  test('survive descriptions, registers and batches that are right or nearly so', () => {
    const { status, signal, output } = runFile('test/native/fuzz/plans.ts', [String(full ? 4000 : 200)]);
    if (status !== 0) throw new Error(`the process ended with ${signal ?? status}:\n${output}`);
    const { statuses } = JSON.parse(output.trim().split('\n').at(-1) as string);
    expect(statuses['plain made 0']).toBeGreaterThan(100);
    expect(statuses['plain made 3']).toBeUndefined();
    expect(statuses['mutated made 3']).toBeGreaterThan(100);
    expect(statuses['mutated ran 0']).toBeGreaterThan(100);
    expect(statuses['mutated ran 3']).toBeGreaterThan(100);
  }, 600_000);
});
