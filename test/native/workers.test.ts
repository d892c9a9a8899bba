import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type Ending, root, runScript, runWell } from '../support/child.js';
import { full } from '../support/random.js';

const library = JSON.stringify(join(root, 'dist', 'index.js'));

/** What a worker does while it is ended: products large enough for the thread pool, in a loop that never yields. */
const busy = `
  const { random, setNumThreads } = require(${library});
  setNumThreads(4);
  const a = random.uniform([300, 300]);
  require('node:worker_threads').parentPort.postMessage('started');
`;

/** Workers for each way of ending. */
const lifetimes = full ? 1000 : 6;

/**
 * A process whose main thread never loads the addon: with the last worker Node unloads an addon, while threads of its
 * pool may still run.
 */
function workerOnly(body: string, ending: string): string {
  return `
    const { Worker } = require('node:worker_threads');
    async function life() {
      const worker = new Worker(${JSON.stringify(busy + body)}, { eval: true, stderr: true });
      worker.on('error', () => undefined);
      const ended = new Promise(resolve => worker.once('exit', resolve));
      await Promise.race([new Promise(resolve => worker.once('message', resolve)), ended]);
      ${ending}
      await ended;
    }
    (async () => { for (let i = 0; i < ${lifetimes}; i++) await life(); console.log('all ended'); })();
  `;
}

/** Like runScript, without the library in the main thread. */
function runBare(script: string): Ending {
  const child = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  return { status: child.status, signal: child.signal, output: `${child.stdout}${child.stderr}` };
}

describe('an addon that only worker threads loaded', () => {
  const lives: readonly (readonly [string, string, string])[] = [
    ['that is terminated amid products', 'for (;;) a.matmul(a);', 'await worker.terminate();'],
    ['that is terminated while idle', 'setInterval(() => a.matmul(a), 1);', 'await worker.terminate();'],
    ['that throws', 'a.matmul(a); throw new Error("on purpose");', ''],
    ['that exits', 'a.matmul(a); process.exit(3);', ''],
    ['that comes to its end', 'a.matmul(a);', ''],
  ];

  test.each(lives)(
    'survives a worker %s',
    (_, body, ending) => {
      const { status, signal, output } = runBare(workerOnly(body, ending));
      expect({ signal, status, output: output.trim() }).toEqual({ signal: null, status: 0, output: 'all ended' });
    },
    600_000,
  );
});

describe('several environments at once', () => {
  test('compute the same, each with its own tensors', () => {
    const output = runWell(`
      const { Worker } = require('node:worker_threads');
      const body = \`
        const { random, tensor, memory, nn } = require(${library});
        random.seed(7);
        const net = new nn.Sequential(new nn.Dense(64, { activation: 'relu' }), new nn.Dense(3));
        net.initialize();
        let y;
        for (let i = 0; i < 50; i++) y = net(random.uniform([20, 30]));
        memory.collect();
        require('node:worker_threads').parentPort.postMessage({ y: Array.from(y.toTypedArray()), tensors: memory.info().tensors });
      \`;
      const answers = Array.from({ length: 6 }, () => new Promise((resolve, reject) => {
        const worker = new Worker(body, { eval: true });
        worker.once('message', resolve);
        worker.once('error', reject);
      }));
      Promise.all(answers).then(list => {
        const texts = new Set(list.map(answer => JSON.stringify(answer)));
        console.log(texts.size, list[0].tensors, latent.memory.info().tensors);
      });
    `);
    const [kinds, inWorker, inMain] = output.split(' ').map(Number);
    expect(kinds).toBe(1);
    expect(inWorker).toBeLessThan(20);
    expect(inMain).toBe(0);
  });

  test('give back what they held when they end', () => {
    const output = runWell(`
      const { Worker } = require('node:worker_threads');
      const body = 'globalThis.kept = require(${library.replaceAll('"', '\\"')}).zeros([1e6]);';
      const end = () => new Promise(resolve => new Worker(body, { eval: true }).once('exit', resolve));
      (async () => {
        for (let i = 0; i < 10; i++) await end();
        latent.memory.setLimit(30e6);
        console.log(latent.zeros([6e6]).size);
      })();
    `);
    expect(output).toBe('6000000');
  });

  test('draw other numbers in a worker than in the main thread, unless seeded', () => {
    const output = runWell(`
      const { Worker } = require('node:worker_threads');
      const worker = new Worker('require("node:worker_threads").parentPort.postMessage(require(${library.replaceAll('"', '\\"')}).random.uniform([4]).toArray())', { eval: true });
      worker.once('message', there => console.log(JSON.stringify(there) === JSON.stringify(latent.random.uniform([4]).toArray())));
    `);
    expect(output).toBe('false');
  });
});

describe('the end of a process', () => {
  test.each([
    ['process.exit', 'process.exit(5);', 5],
    ['an uncaught throw', 'throw new Error("on purpose");', 1],
    ['nothing more to do', '', 0],
  ])('amid live tensors by %s has the exit code asked for', (_, ending, code) => {
    const { status, signal } = runScript(
      `const kept = latent.random.uniform([500, 500]); kept.matmul(kept); ${ending}`,
    );
    expect({ status, signal }).toEqual({ status: code, signal: null });
  });
});
