import {
  AutogradError,
  autograd,
  compileStep,
  concat,
  loss,
  memory,
  nn,
  OutOfMemoryError,
  optim,
  random,
  type Tensor,
  Trainer,
  type TrainerSettings,
  tensor,
} from '../../lib/index.js';
import { session } from '../../lib/native/register.js';
import { parameterInternals } from '../../lib/parameter/parameter.js';
import { type Entry, inputOf, layers } from '../support/layers.js';
import { whatStays } from '../support/memory.js';
import { allBits, bits, thrown, values } from '../support/nn-helpers.js';

const outputsOf = (output: unknown): Tensor[] =>
  Array.isArray(output) ? output.flatMap(outputsOf) : [output as Tensor];

/** Something of each element of what a layer gives, for each sample. */
function lossOf(output: unknown): Tensor {
  return outputsOf(output)
    .map(y => y.mul(y.add(0.5)).mean() as Tensor)
    .reduce((a, b) => a.add(b) as Tensor);
}

function make(entry: Entry): { net: nn.Block; trainer: Trainer } {
  random.seed(3);
  // Something to train in front of layers without parameters, where they take floats.
  const layer = entry.make() as nn.Block;
  const net = entry.ids === undefined ? (new nn.Sequential(new nn.PReLU(), layer) as nn.Block) : layer;
  net.initialize({ init: 'uniform' });
  return { net, trainer: new Trainer(net.collectParams(), 'adam', { learningRate: 0.05, clipNorm: 3 }) };
}

const gradients = (net: nn.Block): Record<string, string> =>
  Object.fromEntries(
    [...net.collectParams()].flatMap(([path, p]) => (p.gradReq === 'null' ? [] : [[path, bits(p.grad())]])),
  );

function train(entry: Entry, compiled: boolean): unknown[] {
  const { net, trainer } = make(entry);
  const seen: unknown[] = [];
  random.seed(5);
  const step = compileStep(net, lossOf, trainer);
  for (let i = 0; i < 50; i++) {
    const n = [4, 4, 6, 4, 1, 4][i % 6] as number;
    const x = inputOf(entry, [n, ...entry.input.slice(1)]);
    let l: Tensor;
    if (compiled) {
      l = step(x);
    } else {
      l = autograd.record(() => lossOf(net(x)));
      l.backward();
      trainer.step(n);
    }
    seen.push(bits(l), trainer.gradientNorm);
    if (i < 6 || i === 49) seen.push(allBits(net), gradients(net));
  }
  return [...seen, bits(random.uniform([2]))];
}

describe.each(Object.entries(layers))('%s', (_, entry) => {
  test('trains for 50 compiled steps as by record, backward and step', () => {
    expect(train(entry, true)).toEqual(train(entry, false));
  });
});

const batch = (n: number, width = 5, salt = n): Tensor => tensor(values(n * width, salt), { shape: [n, width] });
const labels = (n: number, classes = 3): Tensor => tensor(Int32Array.from({ length: n }, (_, i) => (i * 7) % classes));

type Loss = (output: Tensor, ...rest: Tensor[]) => Tensor;

function mlp(): nn.Sequential {
  random.seed(1);
  const net = new nn.Sequential(
    new nn.Dense(6, { activation: 'tanh' }),
    new nn.Dropout(0.2),
    new nn.Dense(4, { activation: 'gelu' }),
    new nn.Dense(3),
  ) as nn.Sequential;
  net.initialize({ init: 'xavier' });
  return net;
}

/** One training by compiled steps or by hand: `prepare` sets the net up, `between` is done after each step. */
function both(
  options: {
    prepare?: (net: nn.Sequential) => void;
    between?: (net: nn.Sequential, trainer: Trainer, i: number) => void;
    optimizer?: () => optim.Optimizer;
    settings?: TrainerSettings;
    loss?: Loss;
    rest?: (n: number) => Tensor[];
    micro?: number;
  } = {},
): void {
  const { prepare, between, settings, rest = n => [labels(n)], micro = 1 } = options;
  const lossFn = options.loss ?? (new loss.SoftmaxCrossEntropy() as unknown as Loss);
  const run = (compiled: boolean): unknown[] => {
    const net = mlp();
    prepare?.(net);
    const trainer = new Trainer(
      net.collectParams(),
      options.optimizer?.() ?? new optim.Adam({ learningRate: 0.02 }),
      settings,
    );
    const step = compileStep(net, lossFn, trainer, micro > 1 ? { batchSize: 4 * micro } : {});
    random.seed(8);
    const seen: unknown[] = [];
    for (let i = 0; i < 50; i++) {
      for (let j = 0; j < micro; j++) {
        const x = batch(4, 5, 10 * i + j);
        const last = j === micro - 1;
        if (compiled) {
          seen.push(bits((last ? step : step.backward)(x, ...rest(4))));
        } else {
          const l = autograd.record(() => lossFn(net(x) as Tensor, ...rest(4)));
          l.backward();
          if (last) trainer.step(4 * micro);
          seen.push(bits(l));
        }
      }
      if (i % 10 === 0) seen.push(allBits(net), gradients(net));
      between?.(net, trainer, i);
    }
    return [...seen, allBits(net)];
  };
  expect(run(true)).toEqual(run(false));
}

describe('a compiled step trains as by hand', () => {
  test.each([
    ['SoftmaxCrossEntropy', new loss.SoftmaxCrossEntropy(), (n: number) => [labels(n)]],
    [
      'SoftmaxCrossEntropy of probabilities',
      new loss.SoftmaxCrossEntropy({ sparseLabel: false }),
      (n: number) => [batch(n, 3).softmax()],
    ],
    [
      'SigmoidBinaryCrossEntropy',
      new loss.SigmoidBinaryCrossEntropy(),
      (n: number) => [batch(n, 3).greater(0).cast('float32')],
    ],
    ['L1', new loss.L1(), (n: number) => [batch(n, 3)]],
    ['L2 with weights of samples', new loss.L2(), (n: number) => [batch(n, 3), batch(n, 1).square()]],
    ['Huber', new loss.Huber(), (n: number) => [batch(n, 3)]],
    ['Hinge', new loss.Hinge(), (n: number) => [batch(n, 3).sign()]],
    ['SquaredHinge', new loss.SquaredHinge(), (n: number) => [batch(n, 3).sign()]],
    ['Logistic', new loss.Logistic(), (n: number) => [batch(n, 3).sign()]],
    ['KLDiv', new loss.KLDiv({ fromLogits: false }), (n: number) => [batch(n, 3).softmax()]],
    ['PoissonNLL', new loss.PoissonNLL(), (n: number) => [batch(n, 3).abs()]],
  ] as [string, unknown, (n: number) => Tensor[]][])('with %s', (_, lossFn, rest) => {
    both({ loss: lossFn as Loss, rest });
  });
  test.each([
    ['SGD', () => new optim.SGD({ learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 })],
    ['AdamW', () => new optim.AdamW({ learningRate: 0.01 })],
    ['Adamax', () => new optim.Adamax()],
    ['RMSProp', () => new optim.RMSProp({ momentum: 0.5 })],
    ['Adagrad', () => new optim.Adagrad()],
    ['Adadelta', () => new optim.Adadelta()],
    ['LAMB', () => new optim.LAMB()],
  ] as [string, () => optim.Optimizer][])('by %s, with a scheduler, clipped', (_, optimizer) => {
    both({ optimizer, settings: { clipNorm: 0.2 } });
    both({
      optimizer: () => {
        const made = optimizer();
        return Object.assign(made, { scheduler: new optim.CosineScheduler({ maxUpdate: 40, warmupSteps: 5 }) });
      },
    });
  });
  test('with frozen parameters, and rates and decay of their own', () => {
    both({
      prepare: net => {
        net.collectParams(/^0/).setAttr('lrMult', 0);
        net.collectParams(/^2/).setAttr('wdMult', 0);
        net.collectParams(/bias/).setAttr('gradReq', 'null');
      },
      optimizer: () => new optim.SGD({ learningRate: 0.1, weightDecay: 0.1 }),
    });
  });
  test('where gradients that are wanted, weights, rates and types change on the way', () => {
    both({
      between: (net, trainer, i) => {
        if (i === 5) net.collectParams(/^0/).setAttr('gradReq', 'null');
        if (i === 10) net.collectParams(/^0/).setAttr('gradReq', 'write');
        if (i === 15) net.get(0, nn.Dense).weight.setData(batch(6, 5));
        if (i === 20) trainer.learningRate = 0.2;
        if (i === 25) net.initialize({ forceReinit: true });
        if (i === 30) net.fromBytes(net.toBytes());
      },
    });
  });
  test('over batches that add up', () => {
    both({
      prepare: net => net.collectParams().setAttr('gradReq', 'add'),
      between: net => net.zeroGrad(),
      micro: 3,
    });
  });
  test('amid steps by hand', () => {
    const run = (compiled: boolean) => {
      const net = mlp();
      const trainer = new Trainer(net.collectParams(), 'adam');
      const lossFn = new loss.SoftmaxCrossEntropy();
      const step = compileStep(net, lossFn, trainer);
      for (let i = 0; i < 10; i++) {
        if (compiled && i % 2 === 0) {
          step(batch(4), labels(4));
          continue;
        }
        autograd.record(() => lossFn(net(batch(4)), labels(4))).backward();
        trainer.step(4);
      }
      return allBits(net);
    };
    expect(run(true)).toEqual(run(false));
  });
});

/** A table that is looked up and multiplied with, in that order of sums which says in what order its gradients arrive. */
class UsedTwice extends nn.Block {
  readonly table = new nn.Embedding(30, 4);
  readonly toScores = new nn.Dense(30, { params: this.table.params, useBias: false });
  readonly hidden = new nn.Dense(4, { activation: 'tanh' });
  readonly fromRows = new nn.Dense(3);
  readonly fromScores = new nn.Dense(3);
  constructor(private readonly parts: readonly ('rows' | 'product')[]) {
    super();
  }
  override forward(ids: Tensor): Tensor {
    const made = {
      rows: () => this.fromRows(this.table(concat([ids, ids, ids], { axis: 1 }))),
      product: () => this.fromScores(this.toScores(this.hidden(ids.cast('float32').mul(0.1) as Tensor))),
    };
    return this.parts.map(part => made[part]() as Tensor).reduce((a, b) => a.add(b) as Tensor);
  }
}

describe('tables of which a batch looks up some rows', () => {
  const ids = (n: number, salt: number) =>
    tensor(
      Int32Array.from({ length: 3 * n }, (_, i) => (i * 7 + salt * 5) % 23),
      { shape: [n, 3] },
    );
  const run = (
    compiled: boolean,
    make: () => nn.Sequential,
    optimizer: () => optim.Optimizer,
    between?: (net: nn.Sequential, i: number) => void,
  ) => {
    random.seed(2);
    const net = make();
    net.initialize({ init: 'xavier' });
    const trainer = new Trainer(net.collectParams(), optimizer());
    const lossFn = new loss.SoftmaxCrossEntropy();
    const step = compileStep(net, lossFn, trainer);
    const seen: unknown[] = [];
    for (let i = 0; i < 20; i++) {
      const n = [4, 4, 2, 5][i % 4] as number;
      const [x, t] = [ids(n, i % 6), labels(n)];
      if (compiled && i % 7 !== 3) {
        seen.push(bits(step(x, t)));
      } else {
        const l = autograd.record(() => lossFn(net(x) as Tensor, t));
        l.backward();
        trainer.step(n);
        seen.push(bits(l));
      }
      if (i % 5 === 0) seen.push(allBits(net), gradients(net));
      between?.(net, i);
    }
    return [...seen, allBits(net), gradients(net)];
  };
  const table = () => new nn.Sequential(new nn.Embedding(30, 4), new nn.Flatten(), new nn.Dense(3)) as nn.Sequential;
  test.each([
    ['SGD', () => new optim.SGD({ learningRate: 0.1, momentum: 0.9 })],
    ['lazy SGD', () => new optim.SGD({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.01, lazyUpdate: true })],
    ['lazy Adam', () => new optim.Adam({ learningRate: 0.1, lazyUpdate: true })],
  ] as [string, () => optim.Optimizer][])('train by %s as by hand, and amid steps by hand', (_, optimizer) => {
    expect(run(true, table, optimizer)).toEqual(run(false, table, optimizer));
  });
  test('and where gradients are cleared, written or thrown away in between', () => {
    const between = (net: nn.Sequential, i: number) => {
      const { weight } = net.get(0, nn.Embedding);
      if (i === 4) net.zeroGrad();
      if (i === 8) weight.grad().copyFrom(weight.grad().add(1));
      if (i === 12) weight.gradReq = 'null';
      if (i === 13) weight.gradReq = 'write';
    };
    const optimizer = () => new optim.Adam({ learningRate: 0.1, lazyUpdate: true });
    expect(run(true, table, optimizer, between)).toEqual(run(false, table, optimizer, between));
  });
  test('that two layers look up', () => {
    const two = () => {
      const first = new nn.Embedding(30, 4);
      const second = new nn.Embedding(30, 4, { params: first.params });
      return new nn.Sequential(new nn.Concurrent(first, second), new nn.Flatten(), new nn.Dense(3)) as nn.Sequential;
    };
    const optimizer = () => new optim.SGD({ learningRate: 0.1, lazyUpdate: true });
    expect(run(true, two, optimizer)).toEqual(run(false, two, optimizer));
  });
  const orders = [
    ['rows', 'product'],
    ['product', 'rows'],
    ['rows', 'product', 'rows'],
    ['product', 'rows', 'rows'],
    ['rows', 'rows', 'product'],
  ] as const;
  test.each(
    orders.flatMap(parts => (['write', 'add'] as const).map(gradReq => [parts.join(', '), gradReq, parts] as const)),
  )('and that are multiplied with: %s, gradReq %s', (_, gradReq, parts) => {
    const used = () => {
      const net = new nn.Sequential(new UsedTwice(parts)) as nn.Sequential;
      net.collectParams().setAttr('gradReq', gradReq);
      return net;
    };
    const between = (net: nn.Sequential, i: number) => {
      if (i % 3 === 2) net.zeroGrad();
    };
    const optimizer = () => new optim.SGD({ learningRate: 0.1 });
    expect(run(true, used, optimizer, between)).toEqual(run(false, used, optimizer, between));
  });
});

test('a compiled step settles shapes, and is traced once for each batch size', () => {
  const net = mlp();
  const trainer = new Trainer(net.collectParams(), 'sgd');
  let calls = 0;
  const lossFn = new loss.SoftmaxCrossEntropy();
  const step = compileStep(
    net,
    (y: Tensor, t: Tensor) => {
      calls++;
      return lossFn(y, t) as Tensor;
    },
    trainer,
  );
  for (let round = 0; round < 3; round++)
    for (let n = 2; n < 40; n++) expect(step(batch(n), labels(n)).shape).toEqual([n]);
  // Whether a forward does the same each time is looked at once; and the first size is traced again, for a plan of one size
  // makes the loss's gradient of ones once.
  expect(calls).toBe(40);
  expect(net.get(0, nn.Dense).inUnits).toBe(5);
});

test('it needs what it takes', () => {
  const net = mlp();
  const trainer = new Trainer(net.collectParams(), 'sgd');
  const lossFn = new loss.SoftmaxCrossEntropy();
  expect(() => compileStep({} as never, lossFn, trainer)).toThrow('compileStep takes a net, but got {}');
  expect(() => compileStep(net, null as never, trainer)).toThrow(/compileStep: loss/);
  expect(() => compileStep(net, lossFn, {} as never)).toThrow('compileStep takes a Trainer, but got {}');
  expect(() => compileStep(net, lossFn, trainer, { batchSize: 0 })).toThrow(/above 0/);
  const step = compileStep(net, lossFn, trainer);
  expect(() => step(batch(0), labels(0))).toThrow(/the input's first size, but it is \[0, 5\]; pass \{ batchSize \}/);
  expect(() => step('x' as never, labels(2))).toThrow(/gradients are divided by/);
  expect(() => autograd.record(() => step(batch(2), labels(2)))).toThrow(AutogradError);
  expect(() => compileStep(net, () => 3 as never, trainer)(batch(2))).toThrow(
    'the loss must return a tensor, but returned 3',
  );
  expect(() => compileStep(net, (y: Tensor) => tensor([y.sum().item()]), trainer)(batch(2))).toThrow(
    /compileStep: a tensor's value was read while tracing/,
  );
  net.collectParams().setAttr('gradReq', 'null');
  expect(() => compileStep(net, lossFn, trainer)(batch(2), labels(2))).toThrow(/nothing to train/);
});

test('a step that fails changes nothing, and the next one works', () => {
  const net = mlp();
  const trainer = new Trainer(net.collectParams(), 'adam');
  const step = compileStep(net, new loss.SoftmaxCrossEntropy() as unknown as Loss, trainer);
  step(batch(4), labels(4));
  const before = allBits(net);
  expect(thrown(() => step(batch(4), tensor([0, 1, 2, 3], { dtype: 'int32' }))).message).toMatch(/label|index/);
  expect(allBits(net)).toEqual(before);
  const [x, t] = [batch(4000), labels(4000)];
  try {
    memory.setLimit(whatStays().liveBytes + 5000);
    expect(() => step(x, t)).toThrow(/no memory/);
  } finally {
    memory.setLimit();
  }
  expect(allBits(net)).toEqual(before);
  expect(trainer.optimizer.updates).toBe(1);
  step(batch(4), labels(4));
  expect(trainer.optimizer.updates).toBe(2);
});

describe('a step that fails after its forward', () => {
  const parts = () => {
    const net = new nn.Sequential(new nn.Dense(5), new nn.BatchNorm(), new nn.Dropout(0.5), new nn.Dense(3));
    net.initialize();
    const trainer = new Trainer(net.collectParams(), 'adam');
    return { net, step: compileStep(net, new loss.SoftmaxCrossEntropy() as unknown as Loss, trainer) };
  };
  const none = () => tensor([0, 1, 2, 3], { dtype: 'int32' });

  test('takes running statistics, gradients that add up and random streams back', () => {
    const { net, step } = parts();
    net(batch(2));
    net.collectParams().setAttr('gradReq', 'add');
    step.backward(batch(4), labels(4));
    random.seed(7);
    const before = [allBits(net), gradients(net)];
    for (const call of [step, step.backward]) {
      expect(thrown(() => call(batch(4), none())).message).toMatch(/label/);
      expect([allBits(net), gradients(net)]).toEqual(before);
    }
    const next = bits(random.uniform([3]));
    random.seed(7);
    expect(next).toBe(bits(random.uniform([3])));
  });
});

describe('a step that lacks memory amid its plan', () => {
  /** Refuses each request for memory of a step in turn until one is refused nothing; what is there after each refusal. */
  function refused(
    call: (net: nn.Block, step: (x: Tensor, y: Tensor) => Tensor) => void,
    seen: (net: nn.Block) => void,
  ) {
    for (let k = 1; ; k++) {
      random.seed(9);
      const net = new nn.Sequential(
        new nn.Conv2D(4, { kernelSize: 3, activation: 'relu' }),
        new nn.Conv2D(3, { kernelSize: 3 }),
        new nn.Dense(3),
      ) as unknown as nn.Block;
      net.initialize();
      net.inferShape([4, 2, 9, 9]);
      const step = compileStep(
        net,
        new loss.SoftmaxCrossEntropy() as unknown as Loss,
        new Trainer(net.collectParams(), 'adam'),
      );
      const [x, y] = [random.uniform([4, 2, 9, 9]), tensor([0, 1, 2, 0], { dtype: 'int32' })] as [Tensor, Tensor];
      call(net, step as never);
      session.refuseAllocation(k, 1);
      let error: unknown = null;
      try {
        step(x, y);
      } catch (caught) {
        error = caught;
      } finally {
        session.refuseAllocation(0, 0);
      }
      if (error === null) return k;
      expect(error).toBeInstanceOf(OutOfMemoryError);
      seen(net);
    }
  }
  const leaves = (net: nn.Block) => [...net.collectParams().values()].map(p => parameterInternals.variable(p));

  test('leaves no gradient where there was none', () => {
    const count = refused(
      () => undefined,
      net => expect(leaves(net).map(leaf => leaf?.grad ?? null)).toEqual(leaves(net).map(() => null)),
    );
    expect(count).toBeGreaterThan(3);
  });

  test('has each gradient as it was, or none at all of it', () => {
    let gone = 0;
    let before: Record<string, string> = {};
    refused(
      (net, step) => {
        step(random.uniform([4, 2, 9, 9]) as Tensor, tensor([2, 1, 0, 0], { dtype: 'int32' }) as Tensor);
        before = gradients(net);
      },
      net => {
        for (const [path, p] of net.collectParams()) {
          if (parameterInternals.variable(p)?.grad === null) gone++;
          else expect([path, bits(p.grad())]).toEqual([path, before[path]]);
        }
      },
    );
    // Some are overwritten in place by what computes them.
    expect(gone).toBeGreaterThan(0);
  });
});

test('two compiled steps over one set of parameters train as by hand', () => {
  const run = (compiled: boolean) => {
    const net = mlp();
    const trainer = new Trainer(net.collectParams(), 'adam');
    const [classes, squares] = [new loss.SoftmaxCrossEntropy(), new loss.L2()] as unknown as [Loss, Loss];
    const tasks = [
      { lossFn: classes, step: compileStep(net, classes, trainer), target: labels(4) },
      { lossFn: squares, step: compileStep(net, squares, trainer), target: batch(4, 3) },
    ];
    for (let i = 0; i < 6; i++) {
      for (const { lossFn, step, target } of tasks) {
        if (compiled) {
          step(batch(4), target);
          continue;
        }
        autograd.record(() => lossFn(net(batch(4)) as Tensor, target)).backward();
        trainer.step(4);
      }
    }
    return [allBits(net), gradients(net)];
  };
  expect(run(true)).toEqual(run(false));
});

test('each plan of a step writes the gradient that there is now, also once a failure threw one away', () => {
  const run = (fails: boolean) => {
    const net = mlp();
    const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 });
    const step = compileStep(net, new loss.SoftmaxCrossEntropy() as unknown as Loss, trainer);
    // One sample has a plan of its own.
    for (const n of [4, 1]) step(batch(n), labels(n));
    if (fails) expect(() => step(batch(4), tensor([0, 1, 2, 300], { dtype: 'int32' }))).toThrow(/label|index/);
    for (const n of [4, 1, 4]) step(batch(n), labels(n));
    return [allBits(net), gradients(net)];
  };
  expect(run(true)).toEqual(run(false));
});

test('a compiled step leaves nothing behind', () => {
  const net = mlp();
  const trainer = new Trainer(net.collectParams(), 'adam');
  const step = compileStep(net, new loss.SoftmaxCrossEntropy(), trainer);
  const run = (count: number) => {
    for (let i = 0; i < count; i++) step(batch(4), labels(4));
  };
  run(100);
  const before = whatStays();
  run(3000);
  expect(whatStays()).toEqual(before);
});
