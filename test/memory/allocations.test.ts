import { canFail, Faults } from '../support/allocation-faults.js';

/** Each request of each operation in turn, by `npm run test:full -- allocations`; else some, of the run's seed. */
const all = process.env.LATENT_TEST_ALLOCATIONS === '1';

interface Seen {
  readonly operations: number;
  readonly requests: number;
  readonly refused: number;
  readonly absorbed: number;
  readonly wrong: readonly string[];
}

(canFail() ? describe : describe.skip)('memory that the addon asks for', () => {
  let faults: Faults;
  beforeAll(() => {
    faults = new Faults();
  });
  afterAll(() => faults.remove());

  // The state is every parameter, gradient, optimizer's state, running statistic, metric, file and random stream.
  test('is refused with an OutOfMemoryError that changes nothing, or the operation does without', () => {
    const { status, signal, output } = faults.run('test/memory/allocations/main.ts', all ? ['0', '0'] : ['2', '20']);
    if (status !== 0) throw new Error(`the process ended with ${signal ?? status}:\n${output}`);
    const seen = JSON.parse(output.trim().split('\n').at(-1) as string) as Seen;
    expect(seen.wrong).toEqual([]);
    // Faults that never fire, or never end in an error, would show nothing.
    expect(seen.operations).toBeGreaterThanOrEqual(all ? 150 : 20);
    expect(seen.requests).toBeGreaterThan(5 * seen.operations);
    expect(seen.refused).toBeGreaterThan(seen.operations / 4);
    expect(seen.absorbed).toBeGreaterThan(seen.operations / 4);
  }, 3_600_000);
});
