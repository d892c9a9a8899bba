import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { AbortError, autograd, memory, nn, random, type Tensor, Trainer, tensor } from '../../lib/index.js';
import { plansOf } from '../../lib/nn/block/plans.js';
import { root, runScript, runWell } from '../support/child.js';
import { inputOf, layers } from '../support/layers.js';
import { whatStays } from '../support/memory.js';
import { allBits, bits, values } from '../support/nn-helpers.js';
import { full, makeRandom } from '../support/random.js';

const batch = (n: number, width = 5, salt = n): Tensor => tensor(values(n * width, salt), { shape: [n, width] });
const everyBit = (output: unknown): unknown => (Array.isArray(output) ? output.map(everyBit) : bits(output as Tensor));

function mlp(width = 6): nn.Sequential {
  random.seed(1);
  const net = new nn.Sequential(
    new nn.Dense(width, { activation: 'tanh' }),
    new nn.Dropout(0.5),
    new nn.BatchNorm(),
    new nn.Dense(3),
  ) as nn.Sequential;
  net.initialize({ init: 'xavier' });
  return net;
}

/** A net whose forward takes a while. */
function slow(): { net: nn.Sequential; x: Tensor } {
  const net = new nn.Sequential(...Array.from({ length: 6 }, () => new nn.Dense(600, { activation: 'relu' })));
  net.initialize();
  const x = random.uniform([600, 600]);
  net.predictSync(x);
  return { net: net as nn.Sequential, x };
}

test.each(Object.entries(layers))('%s predicts as it does when it is called', async (_, entry) => {
  const layer = entry.make() as nn.Block;
  layer.initialize({ init: 'uniform' });
  const x = inputOf(entry);
  const expected = everyBit(autograd.predictMode(() => layer(x)));
  expect(everyBit(await layer.predict(x))).toEqual(expected);
  expect(everyBit(layer.predictSync(x))).toEqual(expected);
  expect(everyBit(autograd.trainMode(() => layer.predictSync(x)))).toEqual(expected);
});

test('many at once, each with its own input', async () => {
  const net = mlp();
  net(batch(2));
  const inputs = Array.from({ length: 50 }, (_, i) => batch(1 + (i % 7), 5, i));
  const results = await Promise.all(inputs.map(x => net.predict(x)));
  expect(results.map(y => bits(y as Tensor))).toEqual(inputs.map(x => bits(net(x) as Tensor)));
});

test('one that is known to be quick is done at once, one in each turn of the event loop', async () => {
  const net = new nn.Sequential(new nn.Dense(1)) as nn.Sequential;
  net.initialize();
  const x = batch(2);
  const turn = () => new Promise(setImmediate);
  const expected = bits(net.predictSync(x));
  // How many of two are there before the event loop goes on.
  const atOnce = async (): Promise<number> => {
    let there = 0;
    const both = [net.predict(x), net.predict(x)].map(async y => {
      const got = bits((await y) as Tensor);
      there++;
      return got;
    });
    for (let i = 0; i < 20; i++) await null;
    const before = there;
    expect(await Promise.all(both)).toEqual([expected, expected]);
    await turn();
    return before;
  };
  expect(await atOnce()).toBe(0);
  // A run that was held up is not known to be quick.
  let later = 0;
  for (let i = 0; later === 0 && i < 100; i++) later = await atOnce();
  expect(later).toBe(1);
});

test('a net that waits for its shapes gets them from what it predicts', async () => {
  const net = mlp();
  expect((await net.predict(batch(4))).shape).toEqual([4, 3]);
  expect(net.get(0, nn.Dense).inUnits).toBe(5);
});

test('a prediction sees parameters and inputs as they were when it was asked for', async () => {
  const { net, x } = slow();
  const expected = bits(net.predictSync(x));
  const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.1 });
  const results: Promise<Tensor>[] = [];
  const versions: string[] = [];
  for (let i = 0; i < 3; i++) {
    versions.push(i === 0 ? expected : bits(net.predictSync(x)));
    results.push(net.predict(x));
    autograd
      .record(() =>
        net(batch(2, 600, i))
          .square()
          .sum(),
      )
      .backward();
    trainer.step(2);
  }
  // What is written before it ends: weights by steps, by data and by a file, and the input.
  versions.push(bits(net.predictSync(x)));
  results.push(net.predict(x));
  net.get(0, nn.Dense).weight.setData(random.uniform([600, 600]));
  net.fromBytes(net.toBytes());
  net.initialize({ forceReinit: true });
  x.copyFrom(random.uniform([600, 600]));
  x.set([0, 0], 3);
  net.cast('float64');
  expect((await Promise.all(results)).map(bits)).toEqual(versions);
  expect(new Set(versions).size).toBe(4);
  // And what was written is what there is.
  net.cast('float32');
  expect(bits(net.predictSync(x))).toBe(bits(autograd.predictMode(() => net.forward(x))));
});

test('views of a tensor that is written while it is read move with it', async () => {
  const { net, x } = slow();
  const rows = x.slice([2, 4]);
  const flat = x.reshape([-1]);
  const expected = bits(net.predictSync(x));
  const result = net.predict(x);
  x.copyFrom(x.mul(2));
  expect(bits(rows)).toBe(bits(x.slice([2, 4])));
  rows.copyFrom(rows.mul(2));
  expect(flat.slice([1200, 1201]).toArray()).toEqual(x.slice([2, 3], [0, 1]).reshape([1]).toArray());
  expect(bits(await result)).toBe(expected);
});

test('timers go on while it computes', async () => {
  const { net, x } = slow();
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  for (let i = 0; i < 200 && ticks === 0; i++) {
    let done = false;
    const result = net.predict(x).then(() => {
      done = true;
    });
    while (!done && ticks === 0) await new Promise(resolve => setImmediate(resolve));
    await result;
  }
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(0);
});

describe('parts of a batch', () => {
  test('give what the whole gives', async () => {
    const net = mlp();
    const x = batch(23);
    const expected = bits(net.predictSync(x));
    for (const batchSize of [1, 5, 23, 100]) {
      expect(bits(await net.predict(x, { batchSize }))).toBe(expected);
      expect(bits(net.predictSync(x, { batchSize }))).toBe(expected);
    }
  });
  test('of several inputs and results', async () => {
    class Two extends nn.Block {
      forward(a: Tensor, b: Tensor, scale: Tensor) {
        return { sum: a.add(b).mul(scale), both: [a, b.neg()] };
      }
    }
    const net = new Two();
    const [a, b, scale] = [batch(7), batch(7, 5, 99), tensor([2])];
    const whole = net.predictSync([a, b, scale]);
    const parts = await net.predict([a, b, scale], { batchSize: 3 });
    expect(bits(parts.sum)).toBe(bits(whole.sum));
    expect(parts.both.map(bits)).toEqual([a, b.neg()].map(bits));
  });
  test('must have rows for samples', async () => {
    const net = new nn.Lambda(x => x.sum({ axis: 0 }));
    await expect(net.predict(batch(7), { batchSize: 3 })).rejects.toThrow(/a row for each sample/);
  });
});

describe('a signal', () => {
  test('is an AbortSignal, and no object that only inherits from one', async () => {
    for (const signal of [Object.create(AbortSignal.prototype), {}, null, 'stop']) {
      await expect(mlp().predict(batch(2), { signal })).rejects.toMatchObject({
        name: 'ArgumentError',
        message: expect.stringMatching(/^predict: signal takes an AbortSignal, but got /),
      });
    }
  });

  test('ends a prediction before it begins and while it runs', async () => {
    const { net, x } = slow();
    await expect(net.predict(x, { signal: AbortSignal.abort('no') })).rejects.toMatchObject({
      name: 'AbortError',
      code: 'ERR_LATENT_ABORT',
      cause: 'no',
    });
    const controller = new AbortController();
    const results = Array.from({ length: 8 }, () => net.predict(x, { signal: controller.signal }));
    const other = net.predict(x);
    controller.abort();
    for (const result of await Promise.allSettled(results)) {
      expect(result.status).toBe('rejected');
      expect((result as PromiseRejectedResult).reason).toBeInstanceOf(AbortError);
    }
    expect(bits(await other)).toBe(bits(net.predictSync(x)));
  });
  test('that comes late changes nothing', async () => {
    const net = mlp();
    const controller = new AbortController();
    const y = await net.predict(batch(4), { signal: controller.signal });
    controller.abort();
    expect(bits(y)).toBe(bits(net.predictSync(batch(4))));
  });
});

test('random numbers are drawn in the order of the calls', async () => {
  const net = new nn.Lambda(x => x.add(random.normal([3])));
  const x = tensor([1, 2, 3]);
  random.seed(2);
  const results = await Promise.all([net.predict(x), net.predict(x), net.predict(x)]);
  random.seed(2);
  expect(results.map(y => bits(y as Tensor))).toEqual([1, 2, 3].map(() => bits(net.forward(x))));
});

test('what cannot be predicted rejects', async () => {
  const net = mlp();
  await net.predict(batch(4));
  await expect(net.predict(batch(4, 6))).rejects.toThrow(/takes 5 input units/);
  await expect(net.predict(batch(4).cast('float64'))).rejects.toThrow(/float32/);
  await expect(net.predict('x' as never)).rejects.toThrow(/tensor/);
  await expect(net.predict(batch(4), { batchSize: 0 })).rejects.toThrow(/batchSize/);
  await expect(net.predict(batch(4), { signal: {} as never })).rejects.toThrow(/AbortSignal/);
  await expect(net.predict(batch(4), { batchsize: 2 } as never)).rejects.toThrow(/batchSize/);
  const gone = batch(4);
  gone.dispose();
  await expect(net.predict(gone)).rejects.toThrow(/disposed/);
  await expect(mlpBare().predict(batch(4))).rejects.toThrow(/initialize/);
  const table = new nn.Embedding(5, 2);
  table.initialize();
  await expect(table.predict(tensor([7], { dtype: 'int32' }))).rejects.toThrow(/index/);
  expect((await table.predict(tensor([4], { dtype: 'int32' }))).shape).toEqual([1, 2]);
  const buffer = tensor([0]);
  const writing = new nn.Lambda(x => {
    buffer.copyFrom(x.sum().reshape([1]));
    return x;
  });
  await expect(writing.predict(batch(4))).rejects.toThrow(/writes to a tensor/);
  expect(bits(writing.predictSync(batch(4)) as Tensor)).toBe(bits(batch(4)));
  expect(bits(buffer)).toBe(bits(batch(4).sum().reshape([1])));
  await expect(new nn.Lambda(x => x.mul(x.sum().item() as number)).predict(batch(2))).rejects.toThrow(
    /predict: a tensor's value was read while tracing, in Lambda/,
  );
});

function mlpBare(): nn.Sequential {
  return new nn.Sequential(new nn.Dense(3)) as nn.Sequential;
}

test('no memory rejects, and what was there is still there', async () => {
  const net = mlp(400);
  await net.predict(batch(4));
  const before = allBits(net);
  const x = batch(4000);
  try {
    memory.setLimit(whatStays().liveBytes + 100_000);
    await expect(net.predict(x)).rejects.toThrow(/no memory/);
  } finally {
    memory.setLimit();
  }
  expect(allBits(net)).toEqual(before);
  expect((await net.predict(x)).shape).toEqual([4000, 3]);
});

test('dead tensors make room for a prediction', () => {
  // In a process of its own, for the limit counts all tensors of a process: those of tests before this one as well.
  const script = `
    const { memory, nn, random } = latent;
    (async () => {
      const net = new nn.Sequential(new nn.Dense(400, { activation: 'tanh' }), new nn.Dense(3));
      net.initialize();
      const x = random.uniform([2000, 5]);
      net(x);
      memory.collect();
      const before = memory.info().liveBytes;
      const want = (await net.predict(x)).toArray().join();
      const room = memory.info().peakBytes - before;
      memory.collect();
      const limit = memory.info().liveBytes + Math.round(1.5 * room);
      memory.setLimit(limit);
      let wrong = 0;
      for (let i = 0; i < 5; i++) {
        while (limit - memory.info().liveBytes > room / 2) x.mul(1);
        if ((await net.predict(x)).toArray().join() !== want) wrong++;
      }
      console.log(wrong);
    })();`;
  expect(runWell(script)).toBe('0');
});

test('predictions leave nothing behind', async () => {
  const net = mlp();
  const run = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const controller = new AbortController();
      const results = [
        net.predict(batch(4)),
        net.predict(batch(4), { signal: controller.signal }),
        net.predict(batch(4, 6)),
      ];
      controller.abort();
      await Promise.allSettled(results);
    }
    // What was aborted ends by itself.
    await new Promise(resolve => setTimeout(resolve, 50));
  };
  await run(30);
  const before = whatStays();
  await run(300);
  expect(whatStays()).toEqual(before);
  expect(plansOf(net)?.made).toBe(1);
});

/** A net that computes for a while, in a process of its own. */
const prelude = `
  const { nn, random } = latent;
  const net = new nn.Sequential(...Array.from({ length: 8 }, () => new nn.Dense(800, { activation: 'relu' })));
  net.initialize();
  const x = random.uniform([800, 800]);
  net.predictSync(x);
`;

const library = JSON.stringify(join(root, 'dist', 'index.js'));

/** How often a process is ended in each way. */
const ends = full ? 150 : 2;

/** The exit code and the signal by which a predicting process ended that was sent a signal, and its first line. */
async function endedBy(name: NodeJS.Signals, handler = ''): Promise<[number | null, string | null, string]> {
  const script = `const latent = require(${library}); ${prelude}
    setInterval(() => undefined, 1000);
    const asked = Array.from({ length: 6 }, () => net.predict(x));
    ${handler}
    console.log('begun');`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', text => {
    if (output === '') child.kill(name);
    output += text;
  });
  const [code, signal] = await once(child, 'exit');
  return [code, signal, output.split('\n')[0]!];
}

describe('a process', () => {
  test('waits for what it predicts', () => {
    const { status, output } = runScript(`${prelude} net.predict(x).then(y => console.log(y.shape));`);
    expect([status, output.trim()]).toEqual([0, '[ 800, 800 ]']);
  });
  test.each([
    ['process.exit', 'setTimeout(() => process.exit(7), 5);', 7],
    ['an uncaught exception', "setTimeout(() => { throw new Error('x'); }, 5);", 1],
    ['a rejection that nobody handles', "setTimeout(() => Promise.reject(new Error('x')), 5);", 1],
  ])(
    'ends by %s amid predictions',
    (_, how, code) => {
      for (let i = 0; i < ends; i++) {
        const { status, signal, output } = runScript(
          `${prelude} for (let i = 0; i < 6; i++) net.predict(x); console.log('begun'); ${how}`,
        );
        expect([status, signal, output.split('\n')[0]]).toEqual([code, null, 'begun']);
      }
    },
    600_000,
  );
  test.each<NodeJS.Signals>(['SIGINT', 'SIGTERM', 'SIGHUP'])(
    'ends by %s from outside amid predictions',
    async name => {
      for (let i = 0; i < ends; i++) expect(await endedBy(name)).toEqual([null, name, 'begun']);
    },
    600_000,
  );
  test.each<NodeJS.Signals>(['SIGINT', 'SIGTERM'])(
    'answers what it was asked for, where it handles %s itself',
    async name => {
      const drain = `process.once('${name}', () => Promise.all(asked).then(all => process.exit(all.length)));`;
      for (let i = 0; i < ends; i++) expect(await endedBy(name, drain)).toEqual([6, null, 'begun']);
    },
    600_000,
  );
  test('survives workers that end amid predictions', () => {
    const { status, signal, output } = runScript(
      `const { Worker, isMainThread, threadId } = require('node:worker_threads');
       const path = ${JSON.stringify(require.resolve('../../package.json').replace('package.json', 'dist/index.js'))};
       const body = 'const latent = require(' + JSON.stringify(path) + ');' + ${JSON.stringify(prelude)} +
         "const { parentPort } = require('node:worker_threads');" +
         'for (let i = 0; i < 4; i++) net.predict(x).then(() => parentPort.postMessage("done")); parentPort.postMessage("begun");';
       (async () => {
         let done = 0;
         for (const how of ['terminate', 'wait', 'exit', 'throw', 'terminate']) {
           const end = how === 'exit' ? 'setTimeout(() => process.exit(2), 5);' : how === 'throw' ? 'setTimeout(() => { throw new Error("x"); }, 5);' : '';
           const worker = new Worker(body + end, { eval: true });
           worker.on('error', () => undefined);
           const ended = new Promise(resolve => worker.on('exit', resolve));
           await new Promise(resolve => worker.on('message', message => { if (message === 'begun') resolve(); else done++; }));
           if (how === 'terminate') await worker.terminate();
           await ended;
         }
         console.log(done >= 4 ? 'well' : done);
       })();`,
    );
    expect([status, signal, output.trim()]).toEqual([0, null, 'well']);
  });
});

test('predictions amid whatever else a program does answer for the moment at which they were asked for', async () => {
  const rounds = full ? 400 : 30;
  for (let salt = 0; salt < rounds; salt++) {
    const r = makeRandom(salt);
    random.seed(salt);
    const units = r.int(1, 40);
    const net = new nn.Sequential(new nn.Dense(units, { activation: 'tanh' }), new nn.BatchNorm(), new nn.Dense(3));
    net.initialize();
    const size = r.pick([1, 7, 300]);
    let x = random.uniform([size, 6]) as Tensor;
    net(x);
    const weight = net.collectParams().get('0.weight');
    const pending: Promise<void>[] = [];
    const log: string[] = [];
    const events: Record<string, () => unknown> = {
      predict: () => {
        const batchSize = r.pick([undefined, 1 + r.int(0, size)]);
        const expected = bits(net.predictSync(x, { batchSize }));
        pending.push(
          net.predict(x, { batchSize }).then(y => {
            if (bits(y) !== expected) throw new Error(`seed of round ${salt}: ${log.join(', ')}`);
          }),
        );
      },
      abort: () => {
        const controller = new AbortController();
        const answer = net.predict(x, { signal: controller.signal });
        if (r.next() < 0.5) controller.abort();
        else setImmediate(() => controller.abort());
        // Whether it was quicker than the signal or not.
        pending.push(
          answer.then(
            () => undefined,
            error => {
              if (!(error instanceof AbortError)) throw error;
            },
          ),
        );
      },
      'new input': () => {
        x.dispose();
        x = random.uniform([size, 6]) as Tensor;
      },
      'write input': () => x.copyFrom(random.uniform([size, 6])),
      'write weight': () => weight.setData(random.uniform([units, 6])),
      train: () => {
        autograd.record(() => net(x).square().sum()).backward();
        new Trainer(net.collectParams(), 'sgd').step(size);
      },
      cast: () =>
        net
          .collectParams()
          .get('2.bias')
          .setData(random.uniform([3])),
      draw: () => net.initialize({ forceReinit: true }),
      hybridize: () => net.hybridize(r.next() < 0.5),
      retrace: () => net.retrace(),
      collect: () => memory.collect(),
      wait: () => new Promise(resolve => setImmediate(resolve)),
    };
    for (let i = 0; i < 25; i++) {
      const name = r.next() < 0.4 ? 'predict' : r.pick(Object.keys(events));
      log.push(name);
      await events[name]?.();
    }
    await Promise.all(pending);
  }
});

test('a signal that the forward aborts as it is traced ends the prediction', async () => {
  const controller = new AbortController();
  class Aborts extends nn.Block {
    override forward(x: Tensor): Tensor {
      controller.abort('inside');
      return x.add(1) as Tensor;
    }
  }
  await expect(new Aborts().predict(batch(2), { signal: controller.signal })).rejects.toMatchObject({
    name: 'AbortError',
    cause: 'inside',
  });
});

test('one signal of many predictions has one listener, and none after them', async () => {
  const net = mlp();
  const controller = new AbortController();
  const add = jest.spyOn(controller.signal, 'addEventListener');
  const answers = Array.from({ length: 30 }, (_, i) => net.predict(batch(40 + i), { signal: controller.signal }));
  await Promise.all(answers);
  expect(add.mock.calls.length).toBeLessThanOrEqual(1);
  const { net: large, x } = slow();
  const aborted = Array.from({ length: 4 }, () => large.predict(x, { signal: controller.signal }));
  controller.abort();
  for (const one of await Promise.allSettled(aborted))
    expect(one).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } });
  expect(add.mock.calls.length).toBe(1);
});

test('a signal that goes on keeps nothing of predictions that ended', async () => {
  const net = mlp();
  const { signal } = new AbortController();
  await net.predict(batch(400), { signal });
  const before = whatStays();
  for (let i = 0; i < 20; i++) await net.predict(batch(400), { signal });
  await new Promise(setImmediate);
  expect(whatStays().tensors).toBeLessThan(before.tensors + 10);
});

test('a net that waits for shapes still does after a predictSync that fails', () => {
  const net = new nn.Sequential(new nn.Embedding(5, 3), new nn.Dense(2));
  net.initialize();
  expect(() => net.predictSync(tensor([9], { dtype: 'int32' }))).toThrow(/index/);
  expect([net[1].weight.state, net[1].weight.shape]).toEqual(['deferred', [2, -1]]);
});

test('a net that waits for shapes says what to do where its forward reads values', async () => {
  class Reads extends nn.Block {
    readonly layer = new nn.Dense(2);
    override forward(x: Tensor): Tensor {
      return x.sum().item() > 0 ? this.layer(x) : x;
    }
  }
  const net = new Reads();
  net.initialize();
  await expect(net.predict(batch(2))).rejects.toThrow(
    /predict: the forward of Reads reads values.*call the net once before/,
  );
  await expect(net.predict(batch(2), batch(2) as never)).rejects.toThrow(/several inputs as one array/);
});
