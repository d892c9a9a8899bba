import fc from 'fast-check';
import type { Leaf } from '../../lib/autograd/tape.js';
import {
  ArgumentError,
  add,
  autograd,
  getNumThreads,
  matmul,
  mul,
  nn,
  OutOfMemoryError,
  oneHot,
  ones,
  optim,
  setNumThreads,
  sum,
  type Tensor,
  Trainer,
  take,
  tensor,
  zeros,
} from '../../lib/index.js';
import { session } from '../../lib/native/register.js';
import { internals } from '../../lib/tensor/tensor.js';
import { runFile } from '../support/child.js';
import { expectClose } from '../support/close.js';
import { bits, thrown, warningsOf } from '../support/nn-helpers.js';
import { seed } from '../support/random.js';

const WIDTH = 3;

/** A table whose gradient may flow to its rows, and one of the same values that is only ever multiplied with. */
function twins(rows: number, gradReq: 'write' | 'add', build: () => optim.Optimizer, clipNorm: number) {
  return [0, 1].map(() => {
    const net = new nn.Embedding(rows, WIDTH, { dtype: 'float64' });
    const values = Float64Array.from({ length: rows * WIDTH }, (_, i) => Math.sin(i + 1));
    net.initialize();
    net.weight.setData(tensor(values, { shape: [rows, WIDTH] }) as Tensor);
    net.weight.gradReq = gradReq;
    const trainer = new Trainer(net.collectParams(), build(), { clipNorm });
    return { weight: net.weight, trainer };
  }) as [Twin, Twin];
}

interface Twin {
  readonly weight: nn.Parameter;
  readonly trainer: Trainer;
}

const leafOf = ({ weight }: Twin) => internals.gradState(weight.data()) as Leaf;

/** The sum of looked-up rows, each with its factor; the other way is a product with one-hot rows. */
function score(weight: Tensor, indices: readonly number[], inRows: boolean): Tensor {
  const rows = weight.shape[0]!;
  const factors = tensor(
    indices.flatMap((at, i) => Array.from({ length: WIDTH }, (_, j) => Math.cos(3 * i + at + j))),
    {
      shape: [indices.length, WIDTH],
      dtype: 'float64',
    },
  ) as Tensor;
  const list = tensor(indices, { shape: [indices.length], dtype: 'int32' }) as Tensor;
  const fromStart = tensor(
    indices.map(at => (at < 0 ? at + rows : at)),
    { shape: [indices.length], dtype: 'int32' },
  );
  const picked = inRows ? take(weight, list) : matmul(oneHot(fromStart as Tensor, rows, { dtype: 'float64' }), weight);
  return sum(mul(picked, factors)) as Tensor;
}

type Use = { readonly kind: 'rows'; readonly indices: readonly number[] } | { readonly kind: 'whole' };
type Action =
  | { readonly kind: 'backward'; readonly uses: readonly Use[] }
  | { readonly kind: 'zeroGrad' | 'write' | 'step' | 'writeView' | 'halve' };

const tables = fc.integer({ min: 1, max: 9 }).chain(rows => {
  const lookUp = fc.record({
    kind: fc.constant('rows' as const),
    indices: fc.array(fc.integer({ min: -rows, max: rows - 1 }), { maxLength: 5 }),
  });
  const use: fc.Arbitrary<Use> = fc.oneof(
    { weight: 5, arbitrary: lookUp },
    fc.record({ kind: fc.constant('whole' as const) }),
  );
  const action: fc.Arbitrary<Action> = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('backward' as const),
        uses: fc.array(use, { minLength: 1, maxLength: 3 }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('step' as const) }) },
    fc.record({ kind: fc.constantFrom('zeroGrad' as const, 'write' as const, 'writeView' as const, 'halve' as const) }),
  );
  return fc.record({
    rows: fc.constant(rows),
    actions: fc.array(action, { maxLength: 12 }),
    adds: fc.boolean(),
    clips: fc.boolean(),
  });
});

const optimizers: Record<string, () => optim.Optimizer> = {
  SGD: () => new optim.SGD({ learningRate: 0.1 }),
  'SGD with clipped gradients': () => new optim.SGD({ learningRate: 0.1, clipGradient: 0.3 }),
  'SGD with decay': () => new optim.SGD({ learningRate: 0.1, weightDecay: 0.1 }),
  'SGD with momentum': () => new optim.SGD({ learningRate: 0.1, momentum: 0.9 }),
  Adagrad: () => new optim.Adagrad({ learningRate: 0.1 }),
  'Adagrad with decay': () => new optim.Adagrad({ learningRate: 0.1, weightDecay: 0.1 }),
  Adam: () => new optim.Adam({ learningRate: 0.01 }),
  AdamW: () => new optim.AdamW({ learningRate: 0.01 }),
  Adamax: () => new optim.Adamax({ learningRate: 0.01 }),
  RMSProp: () => new optim.RMSProp({ learningRate: 0.01 }),
  Adadelta: () => new optim.Adadelta({ learningRate: 0.1 }),
  LAMB: () => new optim.LAMB({ learningRate: 0.01 }),
};

function perform(twin: Twin, action: Action, inRows: boolean): void {
  const { weight, trainer } = twin;
  const grad = () => weight.grad();
  switch (action.kind) {
    case 'backward':
      autograd
        .record(() =>
          action.uses
            .map(use => (use.kind === 'rows' ? score(weight.data(), use.indices, inRows) : sum(weight.data().square())))
            .reduce((a, b) => a.add(b) as Tensor),
        )
        .backward();
      return;
    case 'zeroGrad':
      weight.zeroGrad();
      return;
    case 'write':
      grad().copyFrom(tensor(Float64Array.from({ length: weight.data().size }, (_, i) => i / 7)) as Tensor);
      return;
    case 'writeView':
      grad()
        .slice([0, 1])
        .copyFrom(tensor(Float64Array.of(1, 2, 3)) as Tensor);
      return;
    case 'halve':
      grad().copyFrom(grad().mul(0.5) as Tensor);
      return;
    default:
      trainer.step(2);
  }
}

/** Which rows may be other than 0, where that is known; and that it is no lie. */
function knownRows(twin: Twin): number[] | null {
  const { grad, rows } = leafOf(twin);
  if (grad === null || rows === null) return null;
  const marks = [...rows.marks.toTypedArray()];
  const elements = [...grad.toTypedArray()];
  expect(marks.filter(mark => mark !== 0 && mark !== 1)).toEqual([]);
  expect(elements.filter((g, i) => g !== 0 && marks[Math.floor(i / WIDTH)] === 0)).toEqual([]);
  return marks.flatMap((mark, i) => (mark === 1 ? [i] : []));
}

const weights = (twin: Twin) => twin.weight.data();
const lookUps = (...indices: number[]): Action => ({ kind: 'backward', uses: [{ kind: 'rows', indices }] });

describe('gradients of rows that were looked up', () => {
  it.each(Object.entries(optimizers))(
    'are those of a product with one-hot rows, whatever happens to them, with %s',
    (_, build) => {
      let known = 0;
      fc.assert(
        fc.property(tables, ({ rows, actions, adds, clips }) => {
          const [one, other] = twins(rows, adds ? 'add' : 'write', build, clips ? 0.5 : Number.POSITIVE_INFINITY);
          warningsOf(() => {
            for (const action of actions) {
              perform(one, action, true);
              perform(other, action, false);
              const [a, b] = [leafOf(one).grad, leafOf(other).grad];
              expect(a === null).toBe(b === null);
              if (a !== null) expectClose(a, b!.toTypedArray() as Float64Array);
              expectClose(weights(one), weights(other).toTypedArray() as Float64Array, { tolerance64: 1e-10 });
              if (knownRows(one) !== null) known++;
              expect(knownRows(other)).toBeNull();
            }
          });
        }),
        { numRuns: 100, seed },
      );
      expect(known).toBeGreaterThan(50);
    },
  );

  it('are known as long as nothing else writes them', () => {
    const [twin] = twins(6, 'write', optimizers.SGD!, Number.POSITIVE_INFINITY);
    const run = (action: Action) => perform(twin, action, true);
    const states: (number[] | null)[] = [];
    warningsOf(() => {
      for (const action of [
        lookUps(1, -1, 1),
        lookUps(),
        lookUps(2),
        { kind: 'zeroGrad' } as const,
        lookUps(3),
        { kind: 'writeView' } as const,
        { kind: 'zeroGrad' } as const,
        lookUps(4),
        { kind: 'backward', uses: [{ kind: 'rows', indices: [0] }, { kind: 'whole' }] } as const,
        lookUps(0),
      ]) {
        run(action);
        states.push(knownRows(twin));
      }
    });
    expect(states).toEqual([[1, 5], [], [2], [], [3], null, null, [4], null, [0]]);
  });

  it('are not added to what flows elsewhere too', () => {
    const w = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]).attachGrad();
    const x = tensor([0, 0, 0, 0, 0, 0]).attachGrad();
    // What flows back to x is a view of what flows back to w.
    autograd
      .record(() => {
        const picked = take(w as Tensor, tensor([1], { dtype: 'int32' }) as Tensor);
        const whole = add(w, x.reshape([2, 3])).mul(2);
        return sum(picked).add(sum(whole));
      })
      .backward();
    expect(w.grad?.toArray()).toEqual([
      [2, 2, 2],
      [3, 3, 3],
    ]);
    expect(x.grad?.toArray()).toEqual([2, 2, 2, 2, 2, 2]);
  });

  it('of a tied output layer come with its own, without another tensor of its size', () => {
    expect(runFile('test/train/tied-memory.ts', ['1.8']).output).toMatch(/^enough$/m);
    expect(runFile('test/train/tied-memory.ts', ['0.9']).output).toContain('OutOfMemoryError');
  });

  it.each(['write', 'add'] as const)('are all written or none when memory runs out, with gradReq %s', gradReq => {
    const [twin] = twins(5, gradReq, optimizers.SGD!, Number.POSITIVE_INFINITY);
    const other = tensor([1, 2, 3], { dtype: 'float64' }).attachGrad();
    const prepare = () =>
      autograd.record(() =>
        sum(mul(take(twin.weight.data(), tensor([[4], [2]], { dtype: 'int32' }) as Tensor), other as Tensor)),
      );
    const state = () =>
      [leafOf(twin), internals.gradState(other as Tensor) as Leaf].map(({ grad }) => grad && bits(grad));
    warningsOf(() => {
      for (const first of [true, false]) {
        let failures = 0;
        for (let k = 1; ; k++) {
          const loss = prepare();
          const before = state();
          session.refuseAllocation(k, 1);
          try {
            loss.backward();
          } catch (error) {
            session.refuseAllocation(0, 0);
            expect(error).toBeInstanceOf(OutOfMemoryError);
            expect(state()).toEqual(before);
            expect(first ? knownRows(twin) : knownRows(twin)?.length).toEqual(first ? null : 1);
            failures++;
            continue;
          }
          session.refuseAllocation(0, 0);
          break;
        }
        expect(failures).toBeGreaterThan(1);
        expect(knownRows(twin)).toEqual(gradReq === 'add' && !first ? [1, 2, 4] : [2, 4]);
        if (!first) return;
        twin.weight.zeroGrad();
        perform(twin, lookUps(1), true);
      }
    });
  });

  it("gather with gradReq 'add'", () => {
    const [twin] = twins(6, 'add', optimizers.SGD!, Number.POSITIVE_INFINITY);
    perform(twin, lookUps(1), true);
    perform(twin, lookUps(4, 2), true);
    expect(knownRows(twin)).toEqual([1, 2, 4]);
  });
});

describe('steps over rows', () => {
  // So small a batch that a gradient of 0, divided by it, is NaN: only what a step passes by stays as it was.
  const TINY = 5e-324;
  const passedBy = (build: () => optim.Optimizer) => {
    const [twin] = twins(5, 'write', build, Number.POSITIVE_INFINITY);
    perform(twin, lookUps(1, 3), true);
    twin.trainer.step(TINY);
    const w = [...weights(twin).toTypedArray()];
    return [0, 1, 2, 3, 4].filter(row => w.slice(row * WIDTH, (row + 1) * WIDTH).every(v => Number.isFinite(v)));
  };

  it.each([
    ['SGD', () => new optim.SGD(), [0, 2, 4]],
    ['SGD with decay', () => new optim.SGD({ weightDecay: 0.1 }), []],
    ['SGD with momentum', () => new optim.SGD({ momentum: 0.9 }), []],
    [
      'lazy SGD with momentum and decay',
      () => new optim.SGD({ momentum: 0.9, weightDecay: 0.1, lazyUpdate: true }),
      [0, 2, 4],
    ],
    ['Adagrad', () => new optim.Adagrad(), [0, 2, 4]],
    ['Adagrad with decay', () => new optim.Adagrad({ weightDecay: 0.1 }), []],
    ['Adagrad with epsilon 0', () => new optim.Adagrad({ epsilon: 0 }), []],
    ['Adam', () => new optim.Adam(), []],
    ['lazy Adam', () => new optim.Adam({ lazyUpdate: true }), [0, 2, 4]],
    ['AdamW', () => new optim.AdamW(), []],
    ['Adamax', () => new optim.Adamax(), []],
    ['RMSProp', () => new optim.RMSProp(), []],
    ['Adadelta', () => new optim.Adadelta(), []],
    ['LAMB', () => new optim.LAMB(), []],
  ] as const)('pass by those that none looked up where that changes nothing: %s', (_, build, rows) => {
    expect(passedBy(build)).toEqual(rows);
  });

  it('pass none by where the decay of one parameter is 0 only', () => {
    const [twin] = twins(5, 'write', () => new optim.SGD({ weightDecay: 0.5 }), Number.POSITIVE_INFINITY);
    twin.weight.wdMult = 0;
    perform(twin, lookUps(2), true);
    twin.trainer.step(TINY);
    expect([...weights(twin).toTypedArray()].filter(v => Number.isFinite(v))).toHaveLength(4 * WIDTH);
  });

  it.each([true, false])('keep momentum and averages of untouched rows with lazyUpdate %s', lazyUpdate => {
    const batches = [[0, 2], [2, 2, 1], [3], [0]];
    const runs: [optim.Optimizer, (rows: PlainRow[], t: number) => void][] = [
      [
        new optim.SGD({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.2, lazyUpdate }),
        rows => {
          for (const row of rows) {
            row.first = 0.9 * row.first + row.g + 0.2 * row.w;
            row.w -= 0.1 * row.first;
          }
        },
      ],
      [
        new optim.Adam({ learningRate: 0.1, beta1: 0.8, beta2: 0.9, lazyUpdate }),
        (rows, t) => {
          for (const row of rows) {
            row.first = 0.8 * row.first + 0.2 * row.g;
            row.second = 0.9 * row.second + 0.1 * row.g ** 2;
            row.w -= (0.1 * row.first) / (1 - 0.8 ** t) / (Math.sqrt(row.second / (1 - 0.9 ** t)) + 1e-8);
          }
        },
      ],
    ];
    for (const [optimizer, rule] of runs) {
      const net = new nn.Embedding(4, 1, { dtype: 'float64' });
      net.initialize();
      net.weight.setData(tensor(Float64Array.of(1, -2, 3, -4), { shape: [4, 1] }) as Tensor);
      const trainer = new Trainer(net.collectParams(), optimizer);
      const plain: PlainRow[] = [1, -2, 3, -4].map(w => ({ w, g: 0, first: 0, second: 0 }));
      batches.forEach((batch, step) => {
        autograd.record(() => sum(net(tensor(batch, { dtype: 'int32' }) as Tensor))).backward();
        trainer.step(1);
        plain.forEach((row, i) => {
          row.g = batch.filter(at => at === i).length;
        });
        rule(
          plain.filter((_, i) => !lazyUpdate || batch.includes(i)),
          step + 1,
        );
      });
      expectClose(
        net.weight.data(),
        plain.map(row => row.w),
      );
    }
  });

  it('scale down to clipNorm by the rows that were looked up', () => {
    const [twin] = twins(4, 'write', () => new optim.SGD({ learningRate: 1 }), 0.25);
    const before = [...weights(twin).toTypedArray()] as number[];
    perform(twin, lookUps(2), true);
    const g = [...twin.weight.grad().toTypedArray()] as number[];
    const length = Math.hypot(...g);
    twin.trainer.step(1);
    expect(twin.trainer.gradientNorm).toBeCloseTo(length, 12);
    expectClose(
      weights(twin),
      before.map((w, i) => w - (g[i]! * 0.25) / length),
    );
  });

  it('count with threads as with one', () => {
    const results = [1, 2].map(threads => {
      const count = getNumThreads();
      setNumThreads(threads);
      try {
        const [twin] = twins(30000, 'write', () => new optim.Adam({ lazyUpdate: true }), 0.5);
        const indices = Array.from({ length: 20000 }, (_, i) => (i * 7919) % 30000);
        for (let step = 0; step < 2; step++) {
          perform(twin, lookUps(...indices), true);
          twin.trainer.step(1);
        }
        return bits(weights(twin));
      } finally {
        setNumThreads(count);
      }
    });
    expect(results[1]).toBe(results[0]);
  });

  it('refuse a lazyUpdate that is no boolean', () => {
    expect(thrown(() => new optim.Adam({ lazyUpdate: 1 as never }))).toBeInstanceOf(ArgumentError);
    expect(thrown(() => new optim.SGD({ lazyUpdate: 'yes' as never })).message).toMatch(/SGD: lazyUpdate/);
    expect(thrown(() => new optim.AdamW({ lazyUpdate: true } as never)).message).toMatch(/lazyUpdate/);
  });
});

interface PlainRow {
  w: number;
  g: number;
  first: number;
  second: number;
}

describe('rows that were looked up stay known', () => {
  const values = (twin: Twin) => [...weights(twin).toTypedArray()] as number[];
  const moved = (twin: Twin, act: () => void): number[] => {
    const before = values(twin);
    act();
    const after = values(twin);
    return [0, 1, 2, 3].filter(row =>
      after.slice(row * WIDTH, (row + 1) * WIDTH).some((v, i) => v !== before[row * WIDTH + i]),
    );
  };
  const lazy = () => new optim.SGD({ momentum: 0.9, weightDecay: 0.1, lazyUpdate: true });

  it('where clipGlobalNorm scales them', () => {
    const [twin] = twins(4, 'write', lazy, Number.POSITIVE_INFINITY);
    perform(twin, lookUps(1), true);
    expect(optim.clipGlobalNorm([twin.weight], 0.01)).toBeGreaterThan(0.01);
    expect(knownRows(twin)).toEqual([1]);
    expect(moved(twin, () => twin.trainer.step(1))).toEqual([1]);
  });

  it("where a function of a user's own lies on the way, whatever it does to the indices", () => {
    const [twin] = twins(4, 'write', lazy, Number.POSITIVE_INFINITY);
    const indices = tensor([1], { dtype: 'int32' });
    class Through extends autograd.Function {
      forward(x: Tensor): Tensor {
        return x.clone() as Tensor;
      }
      backward(g: Tensor): Tensor {
        return g;
      }
    }
    class Spoils extends Through {
      override backward(g: Tensor): Tensor {
        indices.copyFrom(Int32Array.of(2 ** 30));
        return g;
      }
    }
    const other = tensor([1], { dtype: 'float64' }).attachGrad();
    autograd
      .record(() => {
        const spoilt = new Spoils().apply(other as Tensor).sum();
        const looked = new Through().apply(take(twin.weight.data(), indices as Tensor)).sum();
        return spoilt.add(looked) as Tensor;
      })
      .backward();
    expect(knownRows(twin)).toEqual([1]);
    expect(moved(twin, () => twin.trainer.step(1))).toEqual([1]);
  });

  it("with gradReq 'add', once the gradient was zeros", () => {
    const [twin] = twins(4, 'add', lazy, Number.POSITIVE_INFINITY);
    twin.weight.grad();
    perform(twin, lookUps(1), true);
    expect(knownRows(twin)).toEqual([1]);
    twin.weight.grad().copyFrom(twin.weight.grad().mul(2) as Tensor);
    perform(twin, lookUps(2), true);
    expect(knownRows(twin)).toBeNull();
    twin.weight.zeroGrad();
    perform(twin, lookUps(3), true);
    expect(knownRows(twin)).toEqual([3]);
    expect(moved(twin, () => twin.trainer.step(1))).toEqual([3]);
  });

  it('but not where another gradient came in place of the zeros', () => {
    const [twin] = twins(4, 'add', lazy, Number.POSITIVE_INFINITY);
    const first = twin.weight.grad();
    twin.weight.gradReq = 'null';
    twin.weight.gradReq = 'add';
    perform(twin, { kind: 'backward', uses: [{ kind: 'whole' }] }, true);
    expect(leafOf(twin).grad).not.toBe(first);
    perform(twin, lookUps(3), true);
    expect(knownRows(twin)).toBeNull();
  });

  it('and are known anew when their gradient is gone', () => {
    const w = zeros([4, 2]).attachGrad();
    const run = (at: number) =>
      autograd.record(() => sum(take(w as Tensor, tensor([at], { dtype: 'int32' }) as Tensor))).backward();
    run(1);
    w.grad!.dispose();
    expect(w.grad!.abs().sum().item()).toBe(0);
    warningsOf(() => run(2));
    expect(w.grad!.sum({ axis: 1 }).toArray()).toEqual([0, 0, 2, 0]);
  });

  it('a gradient that is handed over is neither changed nor refused', () => {
    const w = zeros([2, 2]).attachGrad();
    const [at, h] = [tensor([1], { dtype: 'int32' }), ones([2, 2])];
    const picked = autograd.record(() => sum(take(w as Tensor, at as Tensor)));
    autograd.backward([w as Tensor, picked], [h as Tensor, null]);
    expect(h.toArray()).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(w.grad!.toArray()).toEqual([
      [1, 1],
      [2, 2],
    ]);
    const swapped = autograd.record(() => take(w as Tensor, tensor([1, 0], { dtype: 'int32' }) as Tensor));
    warningsOf(() => swapped.backward(w.grad));
    expect(w.grad!.toArray()).toEqual([
      [2, 2],
      [1, 1],
    ]);
  });
});
