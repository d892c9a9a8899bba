import { runWell } from '../support/child.js';
import { full } from '../support/random.js';

/**
 * An expression for a process's peak resident memory in MB. Where the system tells the peak of this program alone, that is
 * taken: the one of `resourceUsage` begins with what the process that started it had, which may be much more.
 */
const peakOfProcess = `(() => {
  try {
    return Number(/^VmHWM:\\s+(\\d+) kB/m.exec(require('node:fs').readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
})()`;

/** What the script prints, and the peak of its memory. */
function measure(script: string): number[] {
  const output = runWell(`${script}\nconsole.log([...results, ${peakOfProcess}].join(' '));`);
  return output.split(' ').map(Number);
}

describe('a loop that never yields', () => {
  test('10,000 tensors of 400 kB made and dropped stay under 200 MB', () => {
    const [live, peak] = measure(`
      let t;
      for (let i = 0; i < 10000; i++) t = latent.zeros([100000]);
      latent.memory.collect();
      const results = [latent.memory.info().liveBytes];
    `) as [number, number];
    expect(peak).toBeLessThan(200);
    // The last one is still held.
    expect(live).toBeGreaterThanOrEqual(400_000);
    expect(live).toBeLessThan(500_000);
  });

  // V8's own heap moves the resident size by some MB between two looks, so each end is looked at five
  // times: what leaks stays, and shows in the least of the late ones.
  const steps = full ? 1_000_000 : 20_000;
  test(`${steps} training steps hold what 1,000 do`, () => {
    const [early, late, rssEarly, rssLate] = measure(`
      const { autograd, loss, memory, nn, random, Trainer } = latent;
      const net = new nn.Sequential(new nn.Dense(64, { activation: 'relu' }), new nn.Dense(10));
      net.initialize();
      const criterion = new loss.SoftmaxCrossEntropy();
      const trainer = new Trainer(net.collectParams(), 'adam');
      const x = random.uniform([32, 20]);
      const y = random.randint(0, 10, [32]);
      const live = [];
      const rss = [];
      for (let step = 1; step <= ${steps}; step++) {
        autograd.record(() => criterion(net(x), y)).backward();
        trainer.step(32);
        if (step % 200 === 0 && (step <= 1000 || step > ${steps - 1000})) {
          memory.collect();
          live.push(memory.info().liveBytes);
          rss.push(process.memoryUsage().rss);
        }
      }
      const results = [
        Math.min(...live.slice(0, 5)), Math.min(...live.slice(5)), Math.max(...rss.slice(0, 5)), Math.min(...rss.slice(5)),
      ];
    `) as [number, number, number, number];
    expect(late).toBe(early);
    expect(rssLate).toBeLessThan(1.1 * rssEarly);
  }, 1_200_000);

  test('graphs that no backward ever uses are freed', () => {
    const [live, peak] = measure(`
      const { autograd, memory, random } = latent;
      const w = random.uniform([300, 300]).attachGrad();
      for (let i = 0; i < 3000; i++) autograd.record(() => w.mul(2).exp().sum());
      memory.collect();
      const results = [memory.info().liveBytes];
    `) as [number, number];
    expect(peak).toBeLessThan(200);
    expect(live).toBeLessThan(500_000);
  });

  test('a ring of live tensors frees those that fall out of it', () => {
    const [live, peak] = measure(`
      const ring = [];
      for (let i = 0; i < 20000; i++) ring[i % 100] = latent.zeros([50000]);
      latent.memory.collect();
      const results = [latent.memory.info().liveBytes / 1e6];
    `) as [number, number];
    expect(live).toBeCloseTo(20, -1);
    expect(peak).toBeLessThan(500);
  });
});

test('a loop that disposes of its results provokes no collections, and one that does not provokes some', () => {
  const output = runWell(`
    const { PerformanceObserver } = require('node:perf_hooks');
    let collections = 0;
    new PerformanceObserver(list => { collections += list.getEntries().length; }).observe({ entryTypes: ['gc'] });
    const turn = () => new Promise(resolve => setTimeout(resolve, 20));
    (async () => {
      const x = latent.zeros([100_000]);
      const counts = [];
      for (const ends of [y => y.dispose(), () => {}]) {
        await turn();
        collections = 0;
        for (let i = 0; i < 2000; i++) ends(x.add(1));
        await turn();
        counts.push(collections);
      }
      console.log(JSON.stringify(counts));
    })();
  `);
  const [disposed, left] = JSON.parse(output) as [number, number];
  expect(disposed).toBeLessThan(5);
  expect(left).toBeGreaterThan(20);
});
