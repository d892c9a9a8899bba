import {
  ArgumentError,
  autograd,
  memory,
  nn,
  OutOfMemoryError,
  optim,
  setNumThreads,
  type Tensor,
  Trainer,
  tensor,
  zeros,
} from '../../lib/index.js';
import { expectError } from '../support/errors.js';
import { bits, values } from '../support/nn-helpers.js';

interface Plain {
  lr: number;
  wd: number;
}
type Rule = (w: number[], g: number[], p: Plain) => void;

/** The formulas in plain numbers, each with its own state. */
const rules: Record<string, { make: () => Rule; build: (lr: number, wd: number) => optim.Optimizer }> = {
  SGD: {
    make:
      () =>
      (w, g, { lr, wd }) => {
        w.forEach((v, i) => {
          w[i] = v - lr * (g[i]! + wd * v);
        });
      },
    build: (learningRate, weightDecay) => new optim.SGD({ learningRate, weightDecay }),
  },
  'SGD with momentum': {
    make: () => {
      let buffer: number[] | null = null;
      return (w, g, { lr, wd }) => {
        const d = g.map((v, i) => v + wd * w[i]!);
        buffer = buffer === null ? d : buffer.map((b, i) => 0.9 * b + d[i]!);
        w.forEach((v, i) => {
          w[i] = v - lr * buffer![i]!;
        });
      };
    },
    build: (learningRate, weightDecay) => new optim.SGD({ learningRate, weightDecay, momentum: 0.9 }),
  },
  'SGD with Nesterov': {
    make: () => {
      let buffer: number[] | null = null;
      return (w, g, { lr, wd }) => {
        const d = g.map((v, i) => v + wd * w[i]!);
        buffer = buffer === null ? d : buffer.map((b, i) => 0.7 * b + d[i]!);
        w.forEach((v, i) => {
          w[i] = v - lr * (d[i]! + 0.7 * buffer![i]!);
        });
      };
    },
    build: (learningRate, weightDecay) => new optim.SGD({ learningRate, weightDecay, momentum: 0.7, nesterov: true }),
  },
  ...Object.fromEntries(
    [false, true].map(decoupled => [
      decoupled ? 'AdamW' : 'Adam',
      {
        make: () => {
          const [m, v]: number[][] = [[], []];
          let t = 0;
          return (w: number[], g: number[], { lr, wd }: Plain) => {
            t++;
            w.forEach((_, i) => {
              if (decoupled) w[i]! -= lr * wd * w[i]!;
              const d = decoupled ? g[i]! : g[i]! + wd * w[i]!;
              m![i] = 0.8 * (m![i] ?? 0) + 0.2 * d;
              v![i] = 0.95 * (v![i] ?? 0) + 0.05 * d * d;
              w[i]! -= (lr * (m![i]! / (1 - 0.8 ** t))) / (Math.sqrt(v![i]! / (1 - 0.95 ** t)) + 1e-6);
            });
          };
        },
        build: (learningRate: number, weightDecay: number) =>
          new (decoupled ? optim.AdamW : optim.Adam)({
            learningRate,
            weightDecay,
            beta1: 0.8,
            beta2: 0.95,
            epsilon: 1e-6,
          }),
      },
    ]),
  ),
  Adamax: {
    make: () => {
      const [m, u]: number[][] = [[], []];
      let t = 0;
      return (w, g, { lr, wd }) => {
        t++;
        w.forEach((v, i) => {
          const d = g[i]! + wd * v;
          m![i] = 0.8 * (m![i] ?? 0) + 0.2 * d;
          u![i] = Math.max(0.95 * (u![i] ?? 0), Math.abs(d) + 1e-6);
          w[i] = v - ((lr / (1 - 0.8 ** t)) * m![i]!) / u![i]!;
        });
      };
    },
    build: (learningRate, weightDecay) =>
      new optim.Adamax({ learningRate, weightDecay, beta1: 0.8, beta2: 0.95, epsilon: 1e-6 }),
  },
  ...Object.fromEntries(
    [
      [0, false],
      [0.6, false],
      [0, true],
      [0.6, true],
    ].map(([momentum, centered]) => [
      `RMSProp with momentum ${momentum}${centered ? ', centered' : ''}`,
      {
        make: () => {
          const [v, a, b]: number[][] = [[], [], []];
          return (w: number[], g: number[], { lr, wd }: Plain) => {
            w.forEach((weight, i) => {
              const d = g[i]! + wd * weight;
              v![i] = 0.7 * (v![i] ?? 0) + 0.3 * d * d;
              a![i] = 0.7 * (a![i] ?? 0) + 0.3 * d;
              const size = Math.sqrt(v![i]! - (centered ? a![i]! ** 2 : 0)) + 0.01;
              b![i] = (momentum as number) * (b![i] ?? 0) + d / size;
              w[i] = weight - lr * b![i]!;
            });
          };
        },
        build: (learningRate: number, weightDecay: number) =>
          new optim.RMSProp({
            learningRate,
            weightDecay,
            rho: 0.7,
            epsilon: 0.01,
            momentum: momentum as number,
            centered: centered as boolean,
          }),
      },
    ]),
  ),
  Adagrad: {
    make: () => {
      const s: number[] = [];
      let t = 0;
      return (w, g, { lr, wd }) => {
        w.forEach((v, i) => {
          const d = g[i]! + wd * v;
          s[i] = (s[i] ?? 0.3) + d * d;
          w[i] = v - ((lr / (1 + 0.1 * t)) * d) / (Math.sqrt(s[i]!) + 1e-6);
        });
        t++;
      };
    },
    build: (learningRate, weightDecay) =>
      new optim.Adagrad({ learningRate, weightDecay, rateDecay: 0.1, initialSum: 0.3, epsilon: 1e-6 }),
  },
  Adadelta: {
    make: () => {
      const [v, u]: number[][] = [[], []];
      return (w, g, { lr, wd }) => {
        w.forEach((weight, i) => {
          const d = g[i]! + wd * weight;
          v![i] = 0.7 * (v![i] ?? 0) + 0.3 * d * d;
          const step = (Math.sqrt((u![i] ?? 0) + 0.01) / Math.sqrt(v![i]! + 0.01)) * d;
          u![i] = 0.7 * (u![i] ?? 0) + 0.3 * step * step;
          w[i] = weight - lr * step;
        });
      };
    },
    build: (learningRate, weightDecay) => new optim.Adadelta({ learningRate, weightDecay, rho: 0.7, epsilon: 0.01 }),
  },
  ...Object.fromEntries(
    [
      [0, Infinity],
      [0, 0.5],
      [3, 9],
    ].map(([least, most]) => [
      `LAMB with lengths from ${least} to ${most}`,
      {
        make: () => {
          const [m, v]: number[][] = [[], []];
          let t = 0;
          return (w: number[], g: number[], { lr, wd }: Plain) => {
            t++;
            const direction = w.map((weight, i) => {
              m![i] = 0.8 * (m![i] ?? 0) + 0.2 * g[i]!;
              v![i] = 0.95 * (v![i] ?? 0) + 0.05 * g[i]! ** 2;
              return m![i]! / (1 - 0.8 ** t) / (Math.sqrt(v![i]! / (1 - 0.95 ** t)) + 1e-3) + wd * weight;
            });
            const length = Math.min(Math.max(Math.hypot(...w), least!), most!);
            const ratio = length / Math.hypot(...direction);
            w.forEach((weight, i) => {
              w[i] = weight - lr * ratio * direction[i]!;
            });
          };
        },
        build: (learningRate: number, weightDecay: number) =>
          new optim.LAMB({
            learningRate,
            weightDecay,
            beta1: 0.8,
            beta2: 0.95,
            epsilon: 1e-3,
            lowerBound: least!,
            upperBound: most!,
          }),
      },
    ]),
  ),
};

const n = 11;
function parameter(dtype: 'float32' | 'float64', start: Float32Array): nn.Parameter {
  const p = new nn.Parameter({ shape: [n], dtype });
  p.setData(tensor(start).cast(dtype));
  return p;
}

/** Leaves g as the gradient. */
function give(p: nn.Parameter, g: Float32Array): void {
  autograd.record(() => p.data().mul(tensor(g).cast(p.dtype)).sum()).backward();
}

describe.each(Object.keys(rules))('%s', name => {
  it.each(['float32', 'float64'] as const)('follows its formula over 8 steps in %s', dtype => {
    for (const [wd, lrMult, wdMult, batchSize] of [
      [0, 1, 1, 1],
      [0.1, 1, 1, 4],
      [0.1, 0.5, 2, 3],
      [0.1, 2, 0, 1],
    ] as const) {
      const start = values(n, 3);
      const p = parameter(dtype, start);
      p.lrMult = lrMult;
      p.wdMult = wdMult;
      const trainer = new Trainer([p], rules[name]!.build(0.05, wd));
      const plain = Array.from(start);
      const rule = rules[name]!.make();
      for (let step = 0; step < 8; step++) {
        const g = values(n, 10 + step);
        if (step === 4) trainer.learningRate = 0.02;
        give(p, g);
        trainer.step(batchSize);
        rule(
          plain,
          Array.from(g, v => v / batchSize),
          { lr: trainer.learningRate * lrMult, wd: wd * wdMult },
        );
        const got = p.data().toTypedArray();
        const worst = Math.max(...plain.map((v, i) => Math.abs(v - (got[i] as number))));
        expect(worst).toBeLessThan(dtype === 'float32' ? 2e-6 : 1e-12);
      }
      expect(Math.max(...plain.map((v, i) => Math.abs(v - start[i]!)))).toBeGreaterThan(1e-3);
    }
  });
});

/** A parameter of some size with values of its own, and a gradient. */
function prepared(size: number, seed: number, dtype: 'float32' | 'float64' = 'float32'): nn.Parameter {
  const p = new nn.Parameter({ shape: [size], dtype });
  p.setData(tensor(values(size, seed)).cast(dtype));
  autograd
    .record(() =>
      p
        .data()
        .mul(tensor(values(size, seed + 1)).cast(dtype))
        .sum(),
    )
    .backward();
  return p;
}

const makers: Record<string, () => optim.Optimizer> = {
  SGD: () => new optim.SGD({ learningRate: 0.1, momentum: 0.9 }),
  Adam: () => new optim.Adam(),
  AdamW: () => new optim.AdamW(),
  Adamax: () => new optim.Adamax(),
  RMSProp: () => new optim.RMSProp({ momentum: 0.5, centered: true }),
  Adagrad: () => new optim.Adagrad(),
  Adadelta: () => new optim.Adadelta(),
  LAMB: () => new optim.LAMB({ weightDecay: 0.1 }),
};

describe.each(Object.entries(makers))('%s', (_, make) => {
  test('does the same on any number of threads', () => {
    const run = (threads: number) => {
      setNumThreads(threads);
      const parameters = [prepared(100_003, 5), prepared(7, 6), prepared(33_000, 7, 'float64')];
      const trainer = new Trainer(parameters, make(), { clipNorm: 1 });
      for (let i = 0; i < 2; i++) {
        for (const p of parameters) autograd.record(() => p.data().square().sum()).backward();
        trainer.step();
      }
      return [trainer.gradientNorm, ...parameters.map(p => bits(p.data()))];
    };
    try {
      const alone = run(1);
      expect(run(3)).toEqual(alone);
    } finally {
      setNumThreads(2);
    }
  });

  test('changes nothing when there is no memory for what it needs', () => {
    const p = prepared(100_000, 8);
    const before = bits(p.data());
    const trainer = new Trainer([p], make(), { clipNorm: 1 });
    p.grad();
    memory.collect();
    memory.setLimit(memory.info().liveBytes + 2e5);
    try {
      expectError(() => trainer.step(), OutOfMemoryError, /./);
    } finally {
      memory.setLimit(2 ** 40);
    }
    expect(bits(p.data())).toBe(before);
    expect(trainer.optimizer.updates).toBe(0);
    trainer.step();
    expect(bits(p.data())).not.toBe(before);
  });
});

describe('clipping', () => {
  const given = (...gradients: number[][]): nn.Parameter[] =>
    gradients.map(g => {
      const p = new nn.Parameter({ shape: [g.length] });
      p.setData(zeros([g.length]) as Tensor);
      autograd.record(() => p.data().mul(tensor(g)).sum()).backward();
      return p;
    });
  const stepsOf = (parameters: readonly nn.Parameter[]) =>
    parameters.map(p => [...p.data().toTypedArray()].map(v => -v || 0));

  test('of each element, after the division by the batch size', () => {
    const parameters = given([3, -8, 1]);
    new Trainer(parameters, 'sgd', { learningRate: 1, clipGradient: 1 }).step(2);
    expect(stepsOf(parameters)).toEqual([[1, -1, 0.5]]);
  });

  test('of the length of all gradients together', () => {
    const parameters = given([6, 0], [0, 0, 8]);
    const trainer = new Trainer(parameters, 'sgd', { learningRate: 1, clipNorm: 1 });
    trainer.step(2);
    expect(trainer.gradientNorm).toBe(5);
    expect(stepsOf(parameters)).toEqual([
      [Math.fround(0.6), 0],
      [0, 0, Math.fround(0.8)],
    ]);
    const short = given([0.3], [0.4]);
    const other = new Trainer(short, 'sgd', { learningRate: 1, clipNorm: 1 });
    other.step();
    expect(other.gradientNorm).toBeCloseTo(0.5, 6);
    expect(stepsOf(short)).toEqual([[Math.fround(0.3)], [Math.fround(0.4)]]);
    expect(new Trainer(given([1]), 'sgd').gradientNorm).toBeNull();
  });

  test('a length that is not finite scales nothing', () => {
    const parameters = given([Infinity, 1], [2]);
    const trainer = new Trainer(parameters, 'sgd', { learningRate: 1, clipNorm: 1 });
    trainer.step();
    expect(trainer.gradientNorm).toBe(Infinity);
    expect(stepsOf(parameters)).toEqual([[Infinity, 1], [2]]);
  });

  test('clipGlobalNorm does it to the gradients themselves', () => {
    const parameters = given([6, 0], [0, 0, 8]);
    expect(optim.clipGlobalNorm([...parameters, parameters[0]!], 5)).toBe(10);
    expect(parameters.map(p => p.grad().toArray())).toEqual([
      [3, 0],
      [0, 0, 4],
    ]);
    expect(optim.clipGlobalNorm(parameters, 5)).toBe(5);
    expect(parameters.map(p => p.grad().toArray())).toEqual([
      [3, 0],
      [0, 0, 4],
    ]);
    const net = new nn.Dense(1, { inUnits: 1 });
    net.initialize();
    expect(optim.clipGlobalNorm(net.collectParams(), 1)).toBe(0);
    expectError(
      () => optim.clipGlobalNorm(parameters, 0),
      ArgumentError,
      'clipGlobalNorm: maxNorm takes a finite number above 0, but got 0',
    );
    expectError(
      () => optim.clipGlobalNorm([1] as never, 1),
      ArgumentError,
      'clipGlobalNorm takes parameters, but got 1',
    );
    expectError(() => optim.clipGlobalNorm(1 as never, 1), ArgumentError, 'clipGlobalNorm takes parameters, but got 1');
  });
});

test('misuse', () => {
  expectError(() => new optim.RMSProp({ rho: 1 }), ArgumentError, 'RMSProp: rho takes a number below 1');
  expectError(() => new optim.RMSProp({ alpha: 0.9 } as never), ArgumentError, "RMSProp has no option 'alpha'");
  expectError(
    () => new optim.Adagrad({ rateDecay: -1 }),
    ArgumentError,
    'Adagrad: rateDecay takes a finite number from 0',
  );
  expectError(
    () => new optim.LAMB({ lowerBound: 2, upperBound: 1 }),
    ArgumentError,
    'LAMB: upperBound takes a number from 2',
  );
  expectError(() => new optim.SGD({ clipGradient: -1 }), ArgumentError, 'SGD: clipGradient takes a number from 0');
  expectError(
    () => new optim.SGD({ scheduler: 1 as never }),
    ArgumentError,
    'SGD: scheduler takes an optim.Scheduler, but got 1',
  );
  const p = prepared(1, 9);
  expectError(
    () => new Trainer([p], 'sgd', { clipNorm: 0 }),
    ArgumentError,
    'Trainer: clipNorm takes a number above 0',
  );
  expectError(() => new Trainer([p], 'sdg' as never), ArgumentError, /'lamb'.*did you mean 'sgd'\?/);
});

describe('centered RMSProp', () => {
  it.each([0.1, 1e-3, 7, 1 / 3])('stays finite where the gradient is %p at every step', g => {
    // Widths around the vectors', so that each way of the kernel is gone.
    for (const width of [1, 7, 16, 33]) {
      const p = new nn.Parameter({ shape: [width] });
      p.setData(zeros([width]));
      const trainer = new Trainer([p], 'rmsprop', { centered: true, learningRate: 1e-9, epsilon: 1e-6 });
      for (let i = 0; i < 1500; i++) {
        autograd.record(() => p.data().mul(g).sum()).backward();
        trainer.step(1);
      }
      expect(p.data().toArray()).toEqual(new Array(width).fill(expect.any(Number)));
      expect(Number.isFinite(p.data().sum().item())).toBe(true);
    }
  });

  it('lets a gradient that is no number be seen', () => {
    const p = new nn.Parameter({ shape: [9] });
    p.setData(zeros([9]));
    const trainer = new Trainer([p], 'rmsprop', { centered: true });
    autograd.record(() => p.data().mul(Number.NaN).sum()).backward();
    trainer.step(1);
    expect(p.data().toArray()).toEqual(new Array(9).fill(Number.NaN));
  });
});
