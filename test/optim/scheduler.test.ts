import { ArgumentError, autograd, nn, optim, Trainer, tensor } from '../../lib/index.js';
import { expectError } from '../support/errors.js';

const rates = (scheduler: optim.Scheduler, base: number, count: number) =>
  Array.from({ length: count }, (_, t) => scheduler.rateAt(t, base));
const close = (got: number[], want: number[]) => {
  expect(got.length).toBe(want.length);
  got.forEach((rate, i) => {
    expect(rate).toBeCloseTo(want[i]!, 12);
  });
};

test('factor', () => {
  close(rates(new optim.FactorScheduler({ step: 2, factor: 0.5 }), 1, 6), [1, 1, 0.5, 0.5, 0.25, 0.25]);
  close(rates(new optim.FactorScheduler({ step: 1, factor: 0.1, stopRate: 0.05 }), 1, 4), [1, 0.1, 0.05, 0.05]);
  close(rates(new optim.FactorScheduler({ step: 1 }), 1e-9, 2), [1e-9, 1e-9]);
});

test('multi-factor', () => {
  const scheduler = new optim.MultiFactorScheduler({ steps: [2, 3, 5], factor: 0.1 });
  close(rates(scheduler, 1, 7), [1, 1, 0.1, 0.01, 0.01, 0.001, 0.001]);
});

test('polynomial', () => {
  close(rates(new optim.PolynomialScheduler({ maxUpdate: 4 }), 2, 6), [2, 9 / 8, 0.5, 1 / 8, 0, 0]);
  const line = new optim.PolynomialScheduler({ maxUpdate: 4, power: 1, finalRate: 1 });
  close(rates(line, 3, 6), [3, 2.5, 2, 1.5, 1, 1]);
});

test('cosine', () => {
  const half = Math.SQRT1_2;
  const scheduler = new optim.CosineScheduler({ maxUpdate: 4, finalRate: 0.2 });
  close(
    rates(scheduler, 1, 6),
    [1, (1 + half) / 2, 0.5, (1 - half) / 2, 0, 0].map(share => 0.2 + 0.8 * share),
  );
});

test('warm-up, even or at once', () => {
  const even = new optim.CosineScheduler({ maxUpdate: 6, warmupSteps: 4, warmupRate: 0.2 });
  close(rates(even, 1, 7), [0.2, 0.4, 0.6, 0.8, 1, 0.5, 0]);
  const sudden = new optim.FactorScheduler({ step: 100, warmupSteps: 2, warmupRate: 0.1, warmupMode: 'constant' });
  close(rates(sudden, 1, 4), [0.1, 0.1, 1, 1]);
});

test('one cycle, as in PyTorch', () => {
  // torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=10, cycle_momentum=False)
  const want = [
    0.04, 0.52, 1, 0.9504846320134737, 0.8117456539497631, 0.6112620219362893, 0.38874197806371075, 0.18825834605023697,
    0.049519367986526286, 4e-6,
  ];
  const scheduler = new optim.OneCycleScheduler({ maxUpdate: 10 });
  const got = rates(scheduler, 1, 12);
  close(got, [...want, 4e-6, 4e-6]);
});

test('an optimizer takes its rate from it, step by step', () => {
  const p = new nn.Parameter({ shape: [1] });
  p.setData(tensor([0]));
  const scheduler = new optim.MultiFactorScheduler({ steps: [1, 2], factor: 0.5 });
  const trainer = new Trainer([p], 'sgd', { learningRate: 1, scheduler });
  const seen: number[] = [];
  for (let i = 0; i < 3; i++) {
    seen.push(trainer.learningRate);
    autograd.record(() => p.data().mul(1).sum()).backward();
    trainer.step();
  }
  expect(seen).toEqual([1, 0.5, 0.25]);
  expect(p.data().item()).toBe(-1.75);
  trainer.learningRate = 4;
  expect(trainer.learningRate).toBe(1);
  expect(String(trainer.optimizer)).toBe(
    'SGD(learningRate=4, momentum=0, nesterov=false, weightDecay=0, scheduler=MultiFactorScheduler(steps=[1, 2], factor=0.5))',
  );
});

test("a scheduler of a user's own", () => {
  class Halved extends optim.Scheduler {
    protected rate(step: number, base: number): number {
      return step % 2 === 0 ? base : base / 2;
    }
  }
  close(rates(new Halved('Halved', { warmupSteps: 1 }), 1, 3), [0, 0.5, 1]);
  close(rates(new Halved(), 1, 3), [1, 0.5, 1]);
  expect(String(new Halved())).toBe('Halved()');
});

test('misuse', () => {
  const { CosineScheduler, FactorScheduler, MultiFactorScheduler, OneCycleScheduler } = optim;
  expectError(() => new FactorScheduler({ step: 0 }), ArgumentError, 'FactorScheduler: step takes an integer from 1');
  expectError(() => new FactorScheduler({} as never), ArgumentError, 'FactorScheduler: step takes an integer from 1');
  expectError(() => new MultiFactorScheduler({ steps: [3, 3] }), ArgumentError, 'steps must grow, but are [3, 3]');
  expectError(() => new MultiFactorScheduler({ steps: [] }), ArgumentError, 'takes an array of steps');
  expectError(
    () => new CosineScheduler({ maxUpdate: 5, warmupSteps: 5 }),
    ArgumentError,
    'CosineScheduler: maxUpdate takes an integer from 6, but got 5',
  );
  expectError(() => new CosineScheduler({ max: 5 } as never), ArgumentError, "did you mean 'maxUpdate'?");
  expectError(() => new OneCycleScheduler({ maxUpdate: 1 }), ArgumentError, 'maxUpdate takes an integer from 2');
  expectError(
    () => new CosineScheduler({ maxUpdate: 5, warmupMode: 'cubic' as never }),
    ArgumentError,
    "warmupMode takes one of 'linear', 'constant'",
  );
});
