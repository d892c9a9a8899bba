/**
 * Runs on each machine with nothing but the installed package: a convolutional net trained for a few steps, predictions
 * beside the program, its parameters saved and loaded into a net that knows no sizes, and workers that do the same, WORKERS
 * of them one after another, some terminated, and three at once. It prints one line of JSON, and fails where anything differs.
 */
const assert = require('node:assert');
const { mkdtempSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { autograd, info, loss, nn, random, Trainer } = require('latent');

const build = () =>
  new nn.Sequential(
    new nn.Conv2D(6, { kernelSize: 5, activation: 'relu' }),
    new nn.MaxPool2D({ poolSize: 2, strides: 2 }),
    new nn.Conv2D(16, { kernelSize: 3, activation: 'relu' }),
    new nn.Flatten(),
    new nn.Dense(50, { activation: 'tanh' }),
    new nn.Dense(10),
  );

function train() {
  random.seed(7);
  const net = build();
  net.initialize({ init: 'xavier' });
  const x = random.uniform([8, 1, 20, 20]),
    y = random.uniform([8, 10]);
  const l2 = new loss.L2(),
    trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.001 });
  let last = 0;
  for (let step = 0; step < 5; step++) {
    const error = autograd.record(() => l2(net(x), y));
    error.backward();
    trainer.step(8);
    last = error.mean().item();
  }
  return { net, x, last };
}
const inWorker = terminated =>
  new Promise((resolve, reject) => {
    const worker = new Worker(__filename);
    let value;
    worker.on('message', message => {
      value = message;
      if (terminated) worker.terminate();
    });
    worker.on('error', reject);
    worker.on('exit', () => resolve(value));
  });

async function main() {
  const { net, x, last } = train();
  const predictions = await Promise.all(Array.from({ length: 8 }, () => net.predict(x)));
  const sums = predictions.map(p => p.sum().item());
  const file = join(mkdtempSync(join(tmpdir(), 'latent-')), 'net.safetensors');
  net.saveParameters(file);
  const again = build();
  again.loadParameters(file);
  assert.deepStrictEqual(again.predictSync(x).toArray(), predictions[0].toArray());
  const count = Number(process.env.WORKERS ?? 0);
  const workers = [];
  for (let i = 0; i < count; i++) workers.push(await inWorker(i % 3 === 2));
  if (count > 0) workers.push(...(await Promise.all([0, 1, 2].map(() => inWorker(false)))));
  assert.strictEqual(new Set(sums).size, 1);
  assert.ok(
    workers.every(value => value === last),
    workers.join(),
  );
  const { platform, isa, build: built } = info();
  console.log(
    `answer ${JSON.stringify({ platform, isa, build: built, last, predicted: sums[0], workers: workers.length })}`,
  );
}
if (isMainThread) main();
else parentPort.postMessage(train().last);
