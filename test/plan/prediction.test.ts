import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AbortError, ArgumentError, BusyError, nn, random, type Tensor } from '../../lib/index.js';
import { session } from '../../lib/native/register.js';
import { root, runWell } from '../support/child.js';
import { keepsFreed } from '../support/memory.js';
import { bits, inFolder } from '../support/nn-helpers.js';
import { full } from '../support/random.js';

/** A net that computes for a while, so that what comes after it waits, and one that does not. */
function nets(): { slow: nn.Sequential; long: Tensor; net: nn.Sequential; x: Tensor } {
  random.seed(3);
  const slow = new nn.Sequential(...Array.from({ length: 6 }, () => new nn.Dense(700, { activation: 'relu' })));
  const net = new nn.Sequential(new nn.Dense(8, { activation: 'tanh' }), new nn.Dense(3));
  slow.initialize();
  net.initialize();
  const [long, x] = [random.uniform([700, 700]), random.uniform([4, 5])];
  slow.predictSync(long);
  net.predictSync(x);
  return { slow: slow as nn.Sequential, long, net: net as nn.Sequential, x };
}

const reasonOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (error: unknown) => error,
  );

describe('maxQueue', () => {
  test('turns away at once what comes when so many wait, and loses nothing of the others', async () => {
    const { slow, long, net, x } = nets();
    const expected = bits(net.predictSync(x));
    const order: number[] = [];
    const first = slow.predict(long);
    const waiting = Array.from({ length: 9 }, (_, i) =>
      net.predict(x, { maxQueue: 10 }).then(y => {
        order.push(i);
        return bits(y as Tensor);
      }),
    );
    const begun = jest.spyOn(session, 'predict');
    const turnedAway = [net.predict(x, { maxQueue: 10 }), net.predict(x, { maxQueue: 3 })];
    expect(begun).not.toHaveBeenCalled();
    begun.mockRestore();
    for (const one of turnedAway) {
      const error = await reasonOf(one);
      expect(error).toBeInstanceOf(BusyError);
      expect(error).toMatchObject({ code: 'ERR_LATENT_BUSY', name: 'BusyError' });
      expect((error as Error).message).toMatch(
        /predict: busy; 10 predictions .* have not ended, and maxQueue is (10|3)/,
      );
    }
    // They had not ended when the others were turned away.
    expect(order).toEqual([]);
    // One that has more room goes on.
    waiting.push(net.predict(x, { maxQueue: 11 }).then(y => bits(y as Tensor)));
    expect(await Promise.all(waiting)).toEqual(Array(10).fill(expected));
    expect((await first).shape).toEqual([700, 700]);
    expect([...order].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(bits((await net.predict(x, { maxQueue: 1 })) as Tensor)).toBe(expected);
  });

  test('counts each part of a batch, and begins all of them or none', async () => {
    const { slow, long, net } = nets();
    const x = random.uniform([12, 5]);
    const expected = bits(net.predictSync(x));
    const first = slow.predict(long);
    const begun = jest.spyOn(session, 'predict');
    expect(await reasonOf(net.predict(x, { batchSize: 3, maxQueue: 4 }))).toMatchObject({
      code: 'ERR_LATENT_BUSY',
      message: expect.stringMatching(
        /1 prediction of this thread has not ended, and maxQueue is 4, but this call is 4 at once/,
      ),
    });
    expect(begun).not.toHaveBeenCalled();
    expect(bits((await net.predict(x, { batchSize: 3, maxQueue: 5 })) as Tensor)).toBe(expected);
    expect(begun).toHaveBeenCalledTimes(4);
    begun.mockRestore();
    await first;
    // More parts than there could ever be room for.
    expect(await reasonOf(net.predict(x, { batchSize: 3, maxQueue: 3 }))).toBeInstanceOf(ArgumentError);
  });

  test.each([0, -1, 1.5, Number.NaN, '5', null])('refuses %p', async maxQueue => {
    const { net, x } = nets();
    expect(await reasonOf(net.predict(x, { maxQueue: maxQueue as never }))).toMatchObject({
      name: 'ArgumentError',
      message: expect.stringMatching(/predict: maxQueue/),
    });
  });
});

/** How many wait at once. */
const most = full ? 100_000 : 20_000;

/** Bytes of a prediction that waits, and how many were aborted. */
interface Figures {
  readonly each: number;
  readonly aborted: number;
}

describe('many predictions that wait', () => {
  test('take little memory each, and one that is aborted goes at once', () => {
    // In a process of its own, whose memory is nobody else's. What runs holds the one thread.
    const output = runWell(
      `
      const { nn, random, setNumThreads, memory } = latent;
      setNumThreads(1);
      const slow = new nn.Sequential(...Array.from({ length: 8 }, () => new nn.Dense(1500, { activation: 'relu' })));
      const net = new nn.Sequential(new nn.Dense(64, { activation: 'relu' }), new nn.Dense(64, { activation: 'relu' }), new nn.Dense(10));
      slow.initialize();
      net.initialize();
      const [long, x] = [random.uniform([3000, 1500]), random.uniform([8, 32])];
      slow.inferShape([3000, 1500]);
      const expected = net.predictSync(x).toArray().join();
      const rss = () => { gc(); return process.memoryUsage().rss; };
      (async () => {
        const figures = [];
        for (const count of [1000, ${most}]) {
          const controller = new AbortController();
          const { signal } = controller;
          const blocking = new AbortController();
          const running = Array.from({ length: 30 }, () => slow.predict(long, { signal: blocking.signal }));
          const before = rss();
          // By default up to 65536 with those before.
          const all = Array.from({ length: Math.min(count, 65536 - 30) }, () => net.predict(x, { signal }));
          const refused = count > all.length ? (await net.predict(x).catch(error => error)).message : undefined;
          while (all.length < count) all.push(net.predict(x, { signal, maxQueue: Infinity }));
          const kept = net.predict(x, { maxQueue: Infinity });
          const each = (rss() - before) / count;
          controller.abort();
          const settled = await Promise.allSettled(all);
          const aborted = settled.filter(one => one.status === 'rejected' && one.reason.code === 'ERR_LATENT_ABORT').length;
          figures.push({ each, aborted }, ...(refused === undefined ? [] : [refused]));
          blocking.abort();
          await Promise.allSettled(running);
          if ((await kept).toArray().join() !== expected) throw new Error('another result');
          memory.collect();
        }
        console.log(JSON.stringify(figures));
      })();`,
      { args: ['--expose-gc'] },
    );
    const [few, many, refused] = JSON.parse(output) as [Figures, Figures, string?];
    // All of them, while what was asked for before them goes on: none had to come to its turn.
    expect([few.aborted, many.aborted]).toEqual([1000, most]);
    // What the heap grows by besides is shared out among fewer.
    if (!keepsFreed) expect(many.each).toBeLessThan(full ? 8_000 : 16_000);
    if (most > 65536) expect(refused).toMatch(/65536 predictions of this thread have not ended, and maxQueue is 65536/);
  }, 120_000);

  test('are ended by one call each, however many there are', async () => {
    const { slow, long, net, x } = nets();
    for (const count of [100, 3000]) {
      const running = slow.predict(long);
      const controller = new AbortController();
      const all = Array.from({ length: count }, () => net.predict(x, { signal: controller.signal }));
      const stopped = jest.spyOn(session, 'stopPrediction');
      controller.abort();
      expect(stopped.mock.calls.length).toBeLessThanOrEqual(count);
      stopped.mockRestore();
      for (const one of await Promise.allSettled(all))
        expect((one as PromiseRejectedResult).reason).toBeInstanceOf(AbortError);
      await running;
    }
  });
});

test('a worker may end while many wait, and those of other threads go on', () => {
  const library = JSON.stringify(join(root, 'dist', 'index.js'));
  const body = `
    const { nn, random } = require(${library});
    const net = new nn.Sequential(...Array.from({ length: 4 }, () => new nn.Dense(400, { activation: 'relu' })));
    net.initialize();
    const x = random.uniform([400, 400]);
    net.predictSync(x);
    const controller = new AbortController();
    for (let i = 0; i < 3000; i++) net.predict(x, { signal: controller.signal }).catch(() => undefined);
    require('node:worker_threads').parentPort.postMessage('begun');
  `;
  const endings = {
    terminate: '',
    exit: 'setTimeout(() => process.exit(2), 5);',
    throw: 'setTimeout(() => { throw new Error("on purpose"); }, 5);',
    abort: 'setTimeout(() => controller.abort(), 5);',
  };
  const output = runWell(`
    const { Worker } = require('node:worker_threads');
    const { nn, ones } = latent;
    const net = new nn.Sequential(new nn.Dense(3));
    net.initialize();
    net.predictSync(ones([2, 5]));
    (async () => {
      for (const [how, ending] of Object.entries(${JSON.stringify(endings)})) {
        const worker = new Worker(${JSON.stringify(body)} + ending, { eval: true });
        worker.on('error', () => undefined);
        const ended = new Promise(resolve => worker.on('exit', resolve));
        await new Promise(resolve => worker.once('message', resolve));
        const own = Array.from({ length: 20 }, () => net.predict(ones([2, 5])));
        if (how === 'terminate') await worker.terminate();
        await ended;
        if ((await Promise.all(own)).length !== 20) throw new Error('lost');
        console.log(how);
      }
    })();
  `);
  expect(output.split('\n')).toEqual(Object.keys(endings));
});

test('a test runner that looks for open handles finds none', () => {
  inFolder(folder => {
    const library = JSON.stringify(join(root, 'dist', 'index.js'));
    writeFileSync(join(folder, 'package.json'), '{}');
    writeFileSync(
      join(folder, 'predicts.test.js'),
      `const { nn, ones } = require(${library});
       test('predicts', async () => {
         const net = new nn.Sequential(new nn.Dense(200), new nn.Dense(3));
         net.initialize();
         expect((await net.predict(ones([100, 50]))).shape).toEqual([100, 3]);
       });`,
    );
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
        '--rootDir',
        folder,
        '--detectOpenHandles',
        '--config',
        '{}',
      ],
      { cwd: folder, encoding: 'utf8' },
    );
    expect(stderr).toMatch(/1 passed/);
    expect(`${stdout}${stderr}`).not.toMatch(/open handle|latent\.predict/);
    expect(status).toBe(0);
  });
});
