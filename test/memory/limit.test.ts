import { memory, OutOfMemoryError, random, zeros } from '../../lib/index.js';

const megabyte = 1_000_000;

afterEach(() => memory.setLimit());

describe('memory.setLimit', () => {
  test('refuses what goes past it with a clear error, and what was there before is still there', () => {
    const kept = random.uniform([1000]);
    const values = kept.toArray();
    memory.collect();
    memory.setLimit(20 * megabyte);
    const before = memory.info().liveBytes;
    let error: unknown;
    try {
      zeros([10_000_000]);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect((error as OutOfMemoryError).code).toBe('ERR_LATENT_OUT_OF_MEMORY');
    expect((error as OutOfMemoryError).message).toMatch(
      /float32 tensor of shape \[10000000\] \(40 MB\).*limit is 20 MB/,
    );
    // Less when the refusal swept something that was dead already.
    expect(memory.info().liveBytes).toBeLessThanOrEqual(before);
    expect(kept.toArray()).toEqual(values);
    expect(zeros([1000]).shape).toEqual([1000]);
  });

  test('frees dead tensors before it refuses', () => {
    memory.collect();
    memory.setLimit(memory.info().liveBytes + 30 * megabyte);
    for (let i = 0; i < 30; i++) zeros([2_500_000]);
    expect(zeros([2_500_000]).size).toBe(2_500_000);
  });

  test('holds for what the machine has, without being asked', () => {
    // More than any machine that runs this has; nothing of it is touched.
    expect(() => zeros([2 ** 45])).toThrow(OutOfMemoryError);
    expect(() => random.normal([2 ** 30, 2 ** 20], { dtype: 'float64' })).toThrow(OutOfMemoryError);
  });

  test.each([0, -1, Number.NaN, '5', null])('refuses %p as a limit', limit => {
    expect(() => memory.setLimit(limit as never)).toThrow(/memory.setLimit takes a number from 1/);
  });
});

describe('memory.info', () => {
  test('counts bytes and tensors, and views once', () => {
    memory.collect();
    const before = memory.info();
    const t = zeros([1024, 1024]);
    const view = t.transpose();
    const after = memory.info();
    expect(after.liveBytes - before.liveBytes).toBe(4 * 1024 * 1024);
    expect(after.tensors - before.tensors).toBe(2);
    expect(after.peakBytes).toBeGreaterThanOrEqual(after.liveBytes);
    t.dispose();
    expect(memory.info().liveBytes).toBe(after.liveBytes);
    view.dispose();
    expect(memory.info().liveBytes).toBe(before.liveBytes);
  });

  test('collect gives pooled buffers back', () => {
    zeros([1_000_000]).dispose();
    expect(memory.info().pooledBytes).toBeGreaterThanOrEqual(4_000_000);
    // Threads of the pool keep small blocks until they go to sleep.
    for (let i = 0; i < 100 && memory.info().pooledBytes > 0; i++) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      memory.collect();
    }
    expect(memory.info().pooledBytes).toBe(0);
  });
});
