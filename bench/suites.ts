import { autograd, getNumThreads, loss, nn, random, setNumThreads, type Tensor, Trainer } from 'latent';
import { measure } from './measure.js';
import { emptyCall, fmaPeak, isa } from './native.js';

export interface Row {
  readonly row: string;
  readonly [figure: string]: string | number;
}

export interface Suite {
  readonly about: string;
  run(rounds: number): Row[];
}

/** Gives results a place to escape to, so that nothing is optimised away. */
export const escaped: { value: unknown } = { value: null };

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

const gemm: Suite = {
  about: `products of squares on one thread (${isa}), as a share of the peak of fused multiply-adds in the same rounds`,
  run(rounds) {
    const threads = getNumThreads();
    setNumThreads(1);
    const flops = fmaPeak();
    const rows = [256, 512, 1024].map(n => {
      const a = random.uniform([n, n]);
      const b = random.uniform([n, n]);
      const layer = new nn.Dense(n, { useBias: false });
      layer.initialize();
      const bodies = [
        fmaPeak,
        () => {
          escaped.value = a.matmul(b);
        },
        () => {
          escaped.value = layer(a);
        },
      ];
      const [peak, inEachCall, once] = measure(rounds, bodies) as [number, number, number];
      const share = (seconds: number) => rounded((2 * n ** 3 * peak) / (seconds * flops), 3);
      return {
        row: `${n} x ${n} x ${n}`,
        'peak GFLOP/s': Math.round(flops / peak / 1e9),
        'packed in each call': share(inEachCall),
        'packed once (Dense)': share(once),
      };
    });
    setNumThreads(threads);
    return rows;
  },
};

const CALLS = 20_000;

function repeated(body: () => unknown): () => void {
  return () => {
    for (let i = 0; i < CALLS; i++) escaped.value = body();
  };
}

const overhead: Suite = {
  about: 'an operation on one element, as a multiple of an empty native call in the same rounds',
  run(rounds) {
    const x = random.uniform([1]);
    const y = random.uniform([1]);
    const w = random.uniform([1]).attachGrad();
    const handle = {};
    const recorded = repeated(() => w.add(y));
    const bodies: readonly (readonly [string, () => void])[] = [
      ['empty call', repeated(() => emptyCall(handle))],
      ['x.add(y)', repeated(() => x.add(y))],
      ['x.mul(2)', repeated(() => x.mul(2))],
      ['x.relu()', repeated(() => x.relu())],
      ['w.add(y), recorded', () => autograd.record(recorded)],
    ];
    const times = measure(
      rounds,
      bodies.map(([, body]) => body),
    );
    const [empty] = times as [number];
    return bodies.map(([row], i) => {
      const seconds = times[i] as number;
      return { row, ns: Math.round((seconds / CALLS) * 1e9), 'empty calls': rounded(seconds / empty, 1) };
    });
  },
};

const STEPS = 10;

const training: Suite = {
  about: '784-256-10 on batches of 128: a forward, a training step, and what an epoch of 60,000 takes at that',
  run(rounds) {
    const net: nn.Sequential = new nn.Sequential();
    net.add(new nn.Dense(256, { activation: 'relu' })).add(new nn.Dense(10));
    net.initialize({ init: 'xavier' });
    const criterion = new loss.SoftmaxCrossEntropy();
    const x: Tensor = random.uniform([128, 784]);
    const y = random.randint(0, 10, [128]);
    net(x);
    const step = (trainer: Trainer) => () => {
      autograd.record(() => criterion(net(x), y)).backward();
      trainer.step(128);
    };
    const bodies: readonly (readonly [string, () => void])[] = [
      [
        'forward',
        () => {
          escaped.value = net(x);
        },
      ],
      ['step with SGD', step(new Trainer(net.collectParams(), 'sgd', { learningRate: 0.01 }))],
      ['step with Adam', step(new Trainer(net.collectParams(), 'adam', { learningRate: 0.001 }))],
    ];
    const times = measure(
      rounds,
      bodies.map(([, body]) => () => {
        for (let i = 0; i < STEPS; i++) body();
      }),
    );
    return bodies.map(([row], i) => {
      const seconds = (times[i] as number) / STEPS;
      return { row, us: Math.round(seconds * 1e6), 's per epoch': rounded((seconds * 60_000) / 128, 2) };
    });
  },
};

export const suites: { readonly [name: string]: Suite } = { gemm, overhead, training };
