import { runFile, runWell } from '../support/child.js';

/**
 * Runs the loop in a process of its own; answers the value that it leaves in `result`, and how many collections of young objects
 * the library asked V8 for meanwhile.
 */
function measure(loop: string): { result: number; asked: number } {
  const output = runWell(`
    const { PerformanceObserver, constants } = require('node:perf_hooks');
    const { memory, ones } = latent;
    let asked = 0;
    const observer = new PerformanceObserver(list => {
      for (const { detail: { kind, flags } } of list.getEntries())
        if (kind === constants.NODE_PERFORMANCE_GC_MINOR && flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) asked++;
    });
    observer.observe({ entryTypes: ['gc'] });
    let result = 0;
    ${loop}
    setTimeout(() => console.log(JSON.stringify({ result, asked })), 100);`);
  return JSON.parse(output);
}

const million = 'const x = ones([1_000_000]);';

describe('young objects', () => {
  test('are collected by V8 itself, asked by a loop that never yields', () => {
    const { result, asked } = measure(`
      const x = ones([100_000]);
      for (let i = 0; i < 1000; i++) x.add(1);
      result = memory.info().liveBytes;`);
    // 400 MB, of which at least 12 are made between two collections.
    expect(asked).toBeGreaterThan(5);
    expect(asked).toBeLessThan(60);
    expect(result).toBeLessThan(40_000_000);
  });

  test.each([
    ['the flag does nothing', `require('node:v8').setFlagsFromString = () => {};`],
    ['the flag is refused', `require('node:v8').setFlagsFromString = () => { throw new Error('no'); };`],
    ['contexts are not to be had', `require('node:vm').runInNewContext = () => { throw new Error('no'); };`],
    ['what is found collects nothing', `require('node:vm').runInNewContext = () => () => {};`],
    ['what is found raises', `require('node:vm').runInNewContext = () => () => { throw new Error('no'); };`],
    ['what is found is no function', `require('node:vm').runInNewContext = () => 1;`],
  ])('are collected by litter where %s', (_, before) => {
    const { result, asked } = measure(`
      ${before}
      const x = ones([100_000]);
      for (let i = 0; i < 1000; i++) x.add(1);
      result = memory.info().liveBytes;`);
    expect(asked).toBe(0);
    expect(result).toBeLessThan(100_000_000);
  });

  test('that own large buffers are collected before new memory is taken', () => {
    const { result } = measure(`${million}
      for (let i = 0; i < 12; i++) x.add(1);
      result = memory.info().peakBytes;`);
    expect(result).toBeLessThan(24_000_000);
  });

  test('are collected as often where much else is live', () => {
    const { result } = measure(`
      const { zeros } = latent;
      const kept = zeros([1 << 26]), x = zeros([1 << 19]);
      for (let i = 0; i < 400; i++) {
        x.add(1);
        if (i > 200) result = Math.max(result, memory.info().liveBytes - 4 * kept.size);
      }`);
    // x has 2 MB, and 12 MB are made between two collections.
    expect(result).toBeLessThan(24_000_000);
  });

  test('that live on are not looked at for each large buffer', () => {
    const { result, asked } = measure(`${million}
      const kept = [];
      for (let i = 0; i < 100; i++) kept.push(x.add(1));
      result = kept.filter(one => one.sum().item() === 2_000_000).length;`);
    expect(result).toBe(100);
    expect(asked).toBeLessThan(25);
  });

  test('that an operation reads are kept by it while others are freed', () => {
    const { status, output } = runFile('test/native/dead-inputs.ts', []);
    expect([status, output]).toEqual([0, expect.stringMatching(/^{"wrong":0,"freed":\d+}\n$/)]);
    expect(JSON.parse(output).freed).toBeGreaterThan(5);
  });

  test('are collected by V8 itself once the stack has room, where it had none at first', () => {
    const { asked } = measure(`
      const x = ones([100_000]);
      const deep = () => {
        try {
          deep();
        } catch {}
        for (let i = 0; i < 4; i++) try {
          x.add(1);
        } catch {}
      };
      deep();
      for (let i = 0; i < 1000; i++) x.add(1);`);
    expect(asked).toBeGreaterThan(5);
  });

  test('show the collector to nobody else', () => {
    const { result, asked } = measure(`
      const x = ones([100_000]);
      for (let i = 0; i < 1000; i++) x.add(1);
      result = [typeof gc, require('node:vm').runInNewContext('typeof gc')].filter(type => type !== 'undefined').length;`);
    expect(asked).toBeGreaterThan(0);
    expect(result).toBe(0);
  });
});
