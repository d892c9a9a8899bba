import {
  ArgumentError,
  autograd,
  compileStep,
  DTypeError,
  full,
  loss,
  nn,
  ones,
  ShapeError,
  type Tensor,
  Trainer,
  tensor,
  ValueError,
  zeros,
} from '../../lib/index.js';
import { expectClose } from '../support/close.js';
import { thrown, values } from '../support/nn-helpers.js';

const [rows, columns] = [4, 3];
const pred = tensor(
  values(rows * columns, 1).map(v => 3 * v),
  { shape: [rows, columns] },
);
const label = tensor(
  values(rows * columns, 2).map(v => 3 * v),
  { shape: [rows, columns] },
);
const p = Array.from(pred.toTypedArray());
const all = p;
const z = Array.from(label.toTypedArray());
const sampleWeight = tensor([0.5, 2, 0, 1.25], { shape: [rows, 1] });

const sigma = (v: number) => 1 / (1 + Math.exp(-v));

type Elementwise = (x: number, z: number) => number;
interface Criterion {
  readonly make: (o?: loss.LossOptions) => loss.Loss;
  readonly each: Elementwise;
  readonly label: number[];
  /** Where not every number is a prediction. */
  readonly pred?: number[];
}

const losses: Record<string, Criterion> = {
  L1: { make: o => new loss.L1(o), each: (a, b) => Math.abs(a - b), label: z },
  L2: { make: o => new loss.L2(o), each: (a, b) => (a - b) ** 2 / 2, label: z },
  Huber: {
    make: o => new loss.Huber({ rho: 0.8, ...o }),
    each: (a, b) => (Math.abs(a - b) > 0.8 ? Math.abs(a - b) - 0.4 : (a - b) ** 2 / 1.6),
    label: z,
  },
  Hinge: {
    make: o => new loss.Hinge({ margin: 0.7, ...o }),
    each: (a, b) => Math.max(0, 0.7 - a * b),
    label: z.map(Math.sign),
  },
  SquaredHinge: {
    make: o => new loss.SquaredHinge({ margin: 0.7, ...o }),
    each: (a, b) => Math.max(0, 0.7 - a * b) ** 2,
    label: z.map(Math.sign),
  },
  Logistic: {
    make: o => new loss.Logistic(o),
    each: (a, b) => Math.log1p(Math.exp(-a * b)),
    label: z.map(Math.sign),
  },
  'Logistic of binary labels': {
    make: o => new loss.Logistic({ labelFormat: 'binary', ...o }),
    each: (a, b) => Math.log1p(Math.exp(-a * (2 * b - 1))),
    label: z.map(v => Number(v > 0)),
  },
  KLDiv: {
    make: o => new loss.KLDiv(o),
    each: (a, b) => (b === 0 ? 0 : b * (Math.log(b) - a)),
    label: z.map(v => Math.max(v, 0) / 3),
    pred: p.map(v => -Math.abs(v)),
  },
  PoissonNLL: {
    make: o => new loss.PoissonNLL(o),
    each: (a, b) => Math.exp(a) - b * a,
    label: z.map(v => Math.round(Math.abs(v))),
  },
  'PoissonNLL in full': {
    make: o => new loss.PoissonNLL({ computeFull: true, ...o }),
    each: (a, b) => Math.exp(a) - b * a + (b > 1 ? b * Math.log(b) - b + 0.5 * Math.log(2 * Math.PI * b) : 0),
    label: z.map(v => Math.round(3 * Math.abs(v))),
  },
  SigmoidBinaryCrossEntropy: {
    make: o => new loss.SigmoidBinaryCrossEntropy(o),
    each: (a, b) => -(b * Math.log(sigma(a)) + (1 - b) * Math.log(1 - sigma(a))),
    label: z.map(sigma),
  },
};

const mean = (list: number[]) => list.reduce((a, b) => a + b, 0) / list.length;
const row = (list: number[], i: number) => list.slice(i * columns, (i + 1) * columns);

describe.each(Object.keys(losses))('%s', name => {
  const { make, each, label: numbers, pred: p = all } = losses[name]!;
  const target = tensor(numbers, { shape: [rows, columns] });
  const pred = tensor(p, { shape: [rows, columns] });
  const plain = p.map((v, i) => each(v, Array.from(target.toTypedArray())[i]!));

  it('is the mean over all axes but the batch', () => {
    expectClose(
      make()(pred, target) as Tensor,
      Array.from({ length: rows }, (_, i) => mean(row(plain, i))),
      { terms: 12 },
    );
    expectClose(
      make({ batchAxis: 1 })(pred, target) as Tensor,
      Array.from({ length: columns }, (_, j) => mean(plain.filter((_, k) => k % columns === j))),
      { terms: 12 },
    );
    const deep = [pred.reshape([2, 2, 3]), target.reshape([2, 2, 3])];
    expectClose(make()(...(deep as [Tensor, Tensor])) as Tensor, [mean(plain.slice(0, 6)), mean(plain.slice(6))], {
      terms: 12,
    });
  });

  it('is multiplied by its weight and by those of the samples', () => {
    const weights = Array.from(sampleWeight.toTypedArray());
    expectClose(
      make({ weight: 1.5 })(pred, target, sampleWeight) as Tensor,
      weights.map((w, i) => 1.5 * w * mean(row(plain, i))),
      { terms: 12 },
    );
  });

  it('takes a label whose shape differs by sizes of 1, and of another dtype', () => {
    const wider = target.reshape([rows, 1, columns]);
    expect((make()(pred, wider) as Tensor).toArray()).toEqual((make()(pred, target) as Tensor).toArray());
    expect(() => make()(pred, target.transpose())).toThrow(/takes labels of the predictions' shape/);
    const low = numbers.includes(-1) ? -1 : 0;
    const ints = tensor(
      new Int32Array(rows * columns).map((_, i) => (i % 2 === 0 ? 1 : low)),
      { shape: [rows, columns] },
    );
    expect((make()(pred, ints) as Tensor).toArray()).toEqual((make()(pred, ints.cast('float32')) as Tensor).toArray());
  });

  it('has the gradient of its formula', () => {
    const x = pred.cast('float64').attachGrad();
    autograd.record(() => make()(x, target.cast('float64')) as Tensor).backward();
    const numbers64 = target.toTypedArray();
    const got = (x.grad as Tensor).toTypedArray();
    p.forEach((v, i) => {
      const h = 1e-6;
      const slope = (each(v + h, numbers64[i]!) - each(v - h, numbers64[i]!)) / (2 * h) / columns;
      expect(Math.abs(got[i]! - slope)).toBeLessThan(1e-5);
    });
  });

  it('refuses labels of another size, integer predictions, scalars and misspelt options', () => {
    expect(thrown(() => make()(pred, tensor([1, 2])))).toBeInstanceOf(ShapeError);
    expect(() => make()(pred, tensor([1, 2]))).toThrow(
      `${name.split(' ')[0]} takes labels of the predictions' shape [4, 3], sizes of 1 aside, but got [2]`,
    );
    expect(thrown(() => make()(pred.cast('int32'), target))).toBeInstanceOf(DTypeError);
    expect(thrown(() => make()(tensor(-1.5), tensor(1)))).toBeInstanceOf(ShapeError);
    expect(thrown(() => make()(pred, 3 as never))).toBeInstanceOf(ArgumentError);
    expect(() => make({ wieght: 2 } as never)).toThrow(/did you mean 'weight'/);
    expect(() => make({ batchAxis: 0.5 })).toThrow(ArgumentError);
    expect(thrown(() => make({ batchAxis: 2 })(pred, target))).toBeInstanceOf(ShapeError);
  });
});

it.each([
  ['SigmoidBinaryCrossEntropy', new loss.SigmoidBinaryCrossEntropy(), [0, 1, 0.25]],
  ['Logistic', new loss.Logistic({ labelFormat: 'binary' }), [0, 1, 0.25]],
  ['signed Logistic', new loss.Logistic(), [-1, 1, 1]],
])('%s has the slope σ(x) - z at 0, where its parts bend', (_, criterion, labels) => {
  const x = tensor([0, 0, -0]).attachGrad();
  autograd.record(() => criterion(x, tensor(labels as number[])) as Tensor).backward();
  expect(x.grad?.toArray()).toEqual(labels.map(v => 0.5 - (labels.includes(-1) ? (v + 1) / 2 : v)));
});

describe('labels and predictions that are none', () => {
  const inside = (v: number) => tensor([[0.5, 0.25, v]]);
  const cases: readonly [string, () => unknown, RegExp][] = [
    [
      'binary cross-entropy',
      () => new loss.SigmoidBinaryCrossEntropy()(zeros([1, 3]), inside(5)),
      /^SigmoidBinaryCrossEntropy takes labels from 0 to 1, but got 5 at \[0, 2\]; .*SoftmaxCrossEntropy/,
    ],
    [
      'its labels of integers',
      () => new loss.SigmoidBinaryCrossEntropy()(zeros([2]), tensor([0, -1], { dtype: 'int32' })),
      /labels from 0 to 1, but got -1 at \[1\]/,
    ],
    [
      'its transposed labels',
      () =>
        new loss.SigmoidBinaryCrossEntropy()(
          zeros([2, 3]),
          zeros([3, 2])
            .add(tensor([0, 2]))
            .transpose(),
        ),
      /labels from 0 to 1, but got 2 at \[1, 0\]/,
    ],
    [
      'binary cross-entropy of probabilities',
      () => new loss.SigmoidBinaryCrossEntropy({ fromSigmoid: true })(inside(1), inside(1.5)),
      /labels from 0 to 1, but got 1.5 at \[0, 2\]/,
    ],
    [
      'hinge',
      () => new loss.Hinge()(zeros([3]), tensor([1, -1, 0])),
      /Hinge takes labels -1 and 1, but got 0 at \[2\].*mul/,
    ],
    [
      'squared hinge',
      () => new loss.SquaredHinge()(zeros([1]), tensor([2])),
      /SquaredHinge takes labels -1 and 1, but got 2/,
    ],
    ['logistic', () => new loss.Logistic()(zeros([1]), tensor([0])), /labels -1 and 1, but got 0 at \[0\].*'binary'/],
    [
      'binary logistic',
      () => new loss.Logistic({ labelFormat: 'binary' })(zeros([1]), tensor([-1])),
      /labels from 0 to 1, but got -1 at \[0\].*'signed'/,
    ],
    [
      'divergence',
      () => new loss.KLDiv()(zeros([1, 2]), tensor([[0.5, -0.5]])),
      /KLDiv takes labels from 0 to 1, but got -0.5/,
    ],
    [
      'divergence of what are no logarithms',
      () => new loss.KLDiv()(tensor([[0.25, 0.75]]), tensor([[0.5, 0.5]])),
      /KLDiv takes logarithms of probabilities, at most 0, but got predictions from 0.25 to 0.75; .*fromLogits: false/,
    ],
    [
      'counts',
      () => new loss.PoissonNLL()(zeros([2]), tensor([1, -1])),
      /PoissonNLL takes labels from 0, but got -1 at \[1\]/,
    ],
    [
      'rates',
      () => new loss.PoissonNLL({ fromLogits: false })(tensor([1, -2]), tensor([1, 1])),
      /PoissonNLL takes rates from 0, but got predictions from -2 to 1/,
    ],
    [
      'dense classes',
      () => new loss.SoftmaxCrossEntropy({ sparseLabel: false })(zeros([1, 2]), tensor([[3, -2]])),
      /SoftmaxCrossEntropy with sparseLabel: false takes labels from 0 to 1, but got 3 at \[0, 0\]/,
    ],
    [
      'logits that are said to be logarithms, by class numbers',
      () => new loss.SoftmaxCrossEntropy({ fromLogits: true })(tensor([[-1, 3]]), tensor([1])),
      /takes logarithms of probabilities, at most 0, but got predictions from 3 to 3; .*leave fromLogits out/,
    ],
    [
      'logits that are said to be logarithms, by shares',
      () => new loss.SoftmaxCrossEntropy({ fromLogits: true, sparseLabel: false })(tensor([[-1, 3]]), tensor([[1, 0]])),
      /takes logarithms of probabilities, at most 0, but got predictions from -1 to 3/,
    ],
    [
      'cosines',
      () => new loss.CosineEmbedding()(ones([2, 3]), ones([2, 3]), tensor([1, 0])),
      /CosineEmbedding takes labels -1 and 1, but got 0 at \[1, 0\]/,
    ],
  ];
  it.each(cases)('%s', (_, call, message) => {
    const error = thrown(call);
    expect(error).toBeInstanceOf(ValueError);
    expect(error.message).toMatch(message);
  });

  it('NaN is seen in the loss, and the ends are labels', () => {
    const criterion = new loss.SigmoidBinaryCrossEntropy();
    expect(criterion(zeros([2]), tensor([NaN, 1])).toArray()).toEqual([NaN, expect.closeTo(Math.LN2)]);
    expect(new loss.Hinge()(zeros([2]), tensor([NaN, -1])).toArray()).toEqual([NaN, 1]);
    expect(criterion(zeros([0]), zeros([0])).shape).toEqual([0]);
  });

  it('are found in compiled steps too', () => {
    const net = new nn.Dense(1, { inUnits: 2 });
    net.initialize();
    const step = compileStep(net, new loss.SigmoidBinaryCrossEntropy(), new Trainer(net.collectParams(), 'sgd'));
    step(ones([4, 2]), zeros([4, 1]));
    const before = net.weight.data().toArray();
    expect(thrown(() => step(ones([4, 2]), full([4, 1], 5))).message).toMatch(
      /labels from 0 to 1, but got 5 at \[0, 0\]/,
    );
    expect(net.weight.data().toArray()).toEqual(before);
  });
});

it('SigmoidBinaryCrossEntropy survives large inputs, and takes probabilities', () => {
  const far = tensor([-200, 200, -200, 200], { shape: [4, 1] });
  const classes = tensor([0, 1, 1, 0], { shape: [4, 1] });
  expect((new loss.SigmoidBinaryCrossEntropy()(far, classes) as Tensor).toArray()).toEqual([0, 0, 200, 200]);
  const chances = tensor(p.map(sigma), { shape: [rows, columns] });
  const target = tensor(z.map(sigma), { shape: [rows, columns] });
  expectClose(
    new loss.SigmoidBinaryCrossEntropy({ fromSigmoid: true })(chances, target) as Tensor,
    (new loss.SigmoidBinaryCrossEntropy()(pred, target) as Tensor).toTypedArray(),
    { terms: 64 },
  );
});

it('SigmoidBinaryCrossEntropy refuses what is no probability, but for shapes alone', () => {
  const criterion = new loss.SigmoidBinaryCrossEntropy({ fromSigmoid: true });
  const error = thrown(() => criterion(tensor([0.5, 1.25]), tensor([0, 1])));
  expect(error).toBeInstanceOf(ValueError);
  expect(error.message).toBe(
    'SigmoidBinaryCrossEntropy takes probabilities from 0 to 1, but got predictions from 0.5 to 1.25',
  );
  expect(thrown(() => criterion(tensor([-0.5, 1]), tensor([0, 1])))).toBeInstanceOf(ValueError);
  expect(criterion(tensor([0, 1]), tensor([0, 1])).toArray()).toEqual([expect.closeTo(0), expect.closeTo(0)]);
  expect(criterion(zeros([0]), zeros([0])).shape).toEqual([0]);
  expect(criterion.outputShape([-1, 3], [-1, 3])).toEqual([-1]);
});

it("a loss of a user's own is named by its class, and weighs", () => {
  class Quartic extends loss.Loss {
    override forward(p: Tensor, l: Tensor, sampleWeight?: Tensor): Tensor {
      return this.reduce(p.sub(l).pow(4) as Tensor, sampleWeight);
    }
  }
  expect(new Quartic()(tensor([[1, 2]]) as Tensor, tensor([[0, 0]]) as Tensor).toArray()).toEqual([8.5]);
  const [p, l, w] = [tensor([1, 2]), tensor([0, 0]), tensor([1, 0])] as unknown as Tensor[];
  expect(new Quartic(undefined, { weight: 2 })(p!, l!, w!).toArray()).toEqual([2, 0]);
  expect(thrown(() => new Quartic()(tensor(1) as Tensor, tensor(1) as Tensor)).message).toMatch(/^Quartic takes/);
});

it('Huber takes a rho above 0', () => {
  expect(() => new loss.Huber({ rho: 0 })).toThrow(ArgumentError);
  expect(() => new loss.Huber({ rho: -1 })).toThrow(ArgumentError);
});

describe('SoftmaxCrossEntropy', () => {
  const classes = [2, 0, 1, 2];
  const logs = Array.from({ length: rows }, (_, i) => {
    const r = row(p, i);
    const total = Math.log(r.reduce((a, b) => a + Math.exp(b), 0));
    return r.map(v => v - total);
  });
  const sparse = logs.map((r, i) => -r[classes[i]!]!);

  it('is the negative log of the probability of the class', () => {
    const criterion = new loss.SoftmaxCrossEntropy();
    for (const labels of [
      tensor(Int32Array.from(classes)),
      tensor(classes),
      tensor(Uint8Array.from(classes)),
      tensor(Int32Array.from(classes), { shape: [rows, 1] }),
    ]) {
      const y = criterion(pred, labels) as Tensor;
      expect(y.shape).toEqual([rows]);
      expectClose(y, sparse, { terms: 12 });
    }
    const flat = sampleWeight.reshape([rows, 1]);
    expectClose(
      new loss.SoftmaxCrossEntropy({ weight: 3 })(pred, tensor(classes), flat) as Tensor,
      sparse.map((v, i) => 3 * v * sampleWeight.toTypedArray()[i]!),
      { terms: 12 },
    );
  });

  it('takes probabilities with sparseLabel: false, and logs with fromLogits', () => {
    const shares = tensor(
      Array.from({ length: rows }, (_, i) =>
        row(z, i).map(v => Math.exp(v) / row(z, i).reduce((a, b) => a + Math.exp(b), 0)),
      ),
    );
    const dense = logs.map((r, i) => -r.reduce((a, v, j) => a + v * (shares.toArray() as number[][])[i]![j]!, 0));
    expectClose(new loss.SoftmaxCrossEntropy({ sparseLabel: false })(pred, shares) as Tensor, dense, { terms: 12 });
    expectClose(new loss.SoftmaxCrossEntropy({ fromLogits: true })(tensor(logs), tensor(classes)) as Tensor, sparse, {
      terms: 12,
    });
  });

  it('takes the classes from another axis', () => {
    const deep = pred.reshape([2, 2, 3]).transpose([0, 2, 1]);
    expectClose(
      new loss.SoftmaxCrossEntropy({ axis: 1 })(deep, tensor(Int32Array.from(classes), { shape: [2, 2] })) as Tensor,
      [mean(sparse.slice(0, 2)), mean(sparse.slice(2))],
      { terms: 12 },
    );
  });

  it('has softmax minus one-hot for its gradient, also far out', () => {
    const x = pred.clone().attachGrad();
    autograd.record(() => new loss.SoftmaxCrossEntropy()(x, tensor(classes)) as Tensor).backward();
    expectClose(
      x.grad as Tensor,
      logs.flatMap((r, i) => r.map((v, j) => Math.exp(v) - Number(j === classes[i]))),
      { terms: 12 },
    );
    const far = tensor([1000, 0, -1000], { shape: [1, 3] });
    expect((new loss.SoftmaxCrossEntropy()(far, tensor([0])) as Tensor).toArray()).toEqual([0]);
    expect((new loss.SoftmaxCrossEntropy()(far, tensor([2])) as Tensor).toArray()).toEqual([2000]);
  });

  it('refuses labels of another shape, outside the classes, and bad axes', () => {
    const criterion = new loss.SoftmaxCrossEntropy();
    expect(thrown(() => criterion(pred, tensor([1, 2])))).toBeInstanceOf(ShapeError);
    expect(() => criterion(pred, label)).toThrow(/sparseLabel: false/);
    for (const fromLogits of [false, true]) {
      const strict = new loss.SoftmaxCrossEntropy({ fromLogits });
      const message = (labels: Tensor, batch: Tensor = pred) => {
        const error = thrown(() => strict(batch, labels));
        expect(error).toBeInstanceOf(ValueError);
        return error.message;
      };
      expect(message(tensor([0, 1, 2, 3]))).toMatch(/label 3 of sample 3 is none of the 3 classes .* from 0 to 2/);
      expect(message(tensor([0, -1, 2, 0]))).toMatch(/label -1 of sample 1/);
      expect(message(tensor([0, 1, 1.5, 0]))).toMatch(/label 1.5 of sample 2/);
      expect(message(tensor([0, NaN, 1.5, 0], { dtype: 'float64' }))).toMatch(/label NaN of sample 1/);
      expect(
        message(
          tensor(
            [
              [0, 1],
              [2, 9],
            ],
            { dtype: 'uint8' },
          ),
          pred.reshape([2, 2, 3]) as Tensor,
        ),
      ).toMatch(/label 9 of \[1, 1\]/);
    }
    expect(thrown(() => new loss.SoftmaxCrossEntropy({ axis: 2 })(pred, tensor(classes)))).toBeInstanceOf(ShapeError);
    expect(thrown(() => criterion(pred.cast('int32'), tensor(classes)))).toBeInstanceOf(DTypeError);
    expect(() => new loss.SoftmaxCrossEntropy({ sparseLabels: true } as never)).toThrow(/did you mean 'sparseLabel'/);
  });
});

describe('sample weights', () => {
  const four = tensor([[1], [2], [3], [4]]);
  const first = tensor([1, 0, 0, 0]);

  it('of one dimension are one for each sample, whatever the shape of the loss', () => {
    expect(new loss.L2()(four, four.mul(0) as Tensor, first).toArray()).toEqual([0.5, 0, 0, 0]);
    expect(new loss.L2()(four.flatten(0), tensor([0, 0, 0, 0]), first).toArray()).toEqual([0.5, 0, 0, 0]);
    const square = tensor([
      [1, 1, 1, 1],
      [2, 2, 2, 2],
      [3, 3, 3, 3],
      [4, 4, 4, 4],
    ]);
    expect(new loss.L1()(square, square.mul(0) as Tensor, first).toArray()).toEqual([1, 0, 0, 0]);
    expect(new loss.L1({ batchAxis: 1 })(square, square.mul(0) as Tensor, first).toArray()).toEqual([2.5, 0, 0, 0]);
    const entropy = new loss.SoftmaxCrossEntropy()(square, tensor([0, 0, 0, 0]), first);
    expectClose(entropy as Tensor, [Math.log(4), 0, 0, 0]);
  });

  const three = (list: number[]) => tensor(list.map(v => [v, v, v])) as Tensor;
  type Weighed = (x: Tensor, z: Tensor, w: Tensor) => unknown;
  const weighed: Readonly<Record<string, readonly [Weighed, good: number, bad: number]>> = {
    L1: [(x, z, w) => new loss.L1()(x, z, w), 2, Number.NaN],
    L2: [(x, z, w) => new loss.L2()(x, z, w), 2, Number.POSITIVE_INFINITY],
    Huber: [(x, z, w) => new loss.Huber()(x, z, w), 2, Number.NaN],
    Hinge: [(x, z, w) => new loss.Hinge()(x, z, w), 1, 0],
    SquaredHinge: [(x, z, w) => new loss.SquaredHinge()(x, z, w), -1, 0],
    Logistic: [(x, z, w) => new loss.Logistic()(x, z, w), 1, -100],
    KLDiv: [(x, z, w) => new loss.KLDiv({ fromLogits: false })(x, z, w), 0.5, -1],
    PoissonNLL: [(x, z, w) => new loss.PoissonNLL()(x, z, w), 3, -1],
    binary: [(x, z, w) => new loss.SigmoidBinaryCrossEntropy()(x, z, w), 1, -1],
    classes: [(x, z, w) => new loss.SoftmaxCrossEntropy()(x, z.slice(null, 0), w), 2, -1],
    shares: [(x, z, w) => new loss.SoftmaxCrossEntropy({ sparseLabel: false })(x, z, w), 0.25, Number.NaN],
    Triplet: [(x, z, w) => new loss.Triplet()(x, z, z.neg(), w), 2, Number.NaN],
    CosineEmbedding: [(x, z, w) => new loss.CosineEmbedding()(x, ones([2, 3]), z.slice(null, 0), w), -1, 0],
  };
  it.each(Object.keys(weighed))('of 0 let nothing of a sample through, whatever it holds: %s', name => {
    const [criterion, good, bad] = weighed[name]!;
    const run = (at: number, label: number) => {
      const x = three([0.5, at]).attachGrad() as Tensor;
      const y = autograd.record(() => criterion(x, three([good, label]), tensor([1, 0]))) as Tensor;
      y.backward();
      return [y.toArray(), x.grad?.toArray()];
    };
    const [losses, slopes] = run(Number.NaN, bad);
    expect([losses, slopes]).toEqual(run(0.25, good));
    expect((losses as number[])[1]).toBe(0);
    expect((slopes as number[][])[1]!.map(Math.abs)).toEqual([0, 0, 0]);
  });

  it('of 0 that have a gradient get the loss of their sample', () => {
    const w = tensor([1, 0]).attachGrad() as Tensor;
    autograd.record(() => new loss.L2()(tensor([3, 4]), tensor([1, 1]), w)).backward();
    expect(w.grad?.toArray()).toEqual([2, 4.5]);
  });

  it('never make a loss larger', () => {
    const criterion = new loss.L2();
    for (const shape of [[5], [4, 4], [7, 4, 1], [1]]) {
      const error = thrown(() => criterion(four, four, ones(shape)));
      expect(error).toBeInstanceOf(ShapeError);
      expect(error.message).toMatch(/sample weights of shape \[4\] or \[4, 1\] for a loss of shape \[4, 1\]/);
    }
  });
});

it('SoftmaxCrossEntropy keeps the differences of logits that are all large', () => {
  for (const base of [1e4, 1e6, 1e8, -1e8]) {
    const losses = new loss.SoftmaxCrossEntropy()(tensor([[base, base]]), tensor([0])) as Tensor;
    expectClose(losses, [Math.log(2)]);
  }
  const near = new loss.SoftmaxCrossEntropy()(tensor([[300, 290]]), tensor([0])) as Tensor;
  expect(Math.abs(near.item() - Math.log1p(Math.exp(-10)))).toBeLessThan(2e-7);
});

describe('losses of other forms', () => {
  const at = (t: Tensor) => t.toArray() as number[];

  test('KLDiv of what goes into a softmax is that of its logarithm', () => {
    const probabilities = pred.softmax();
    const target = label.softmax();
    const logits = new loss.KLDiv({ fromLogits: false });
    expectClose(logits(pred, target) as Tensor, at(new loss.KLDiv()(pred.logSoftmax(), target) as Tensor), {
      terms: 12,
    });
    expect(Math.max(...at(logits(pred, probabilities) as Tensor).map(Math.abs))).toBeLessThan(1e-6);
    const byColumn = new loss.KLDiv({ fromLogits: false, axis: 0, batchAxis: 1 });
    expectClose(
      byColumn(pred, label.softmax({ axis: 0 })) as Tensor,
      at(new loss.KLDiv({ batchAxis: 1 })(pred.logSoftmax({ axis: 0 }), label.softmax({ axis: 0 })) as Tensor),
      { terms: 12 },
    );
  });

  test('PoissonNLL of rates', () => {
    const rates = pred.exp() as Tensor;
    const counts = label.abs().round() as Tensor;
    const ofRates = new loss.PoissonNLL({ fromLogits: false })(rates, counts) as Tensor;
    expectClose(ofRates, at(new loss.PoissonNLL()(pred, counts) as Tensor), { terms: 12 });
  });

  test('Triplet sums distances, per sample', () => {
    const far = tensor(values(rows * columns, 5), { shape: [rows, columns] });
    const f = Array.from(far.toTypedArray());
    const plain = Array.from({ length: rows }, (_, i) => {
      const distance = (other: number[]) => row(p, i).reduce((sum, v, j) => sum + (v - row(other, i)[j]!) ** 2, 0);
      return Math.max(0, distance(z) - distance(f) + 2);
    });
    expectClose(new loss.Triplet({ margin: 2 })(pred, label, far) as Tensor, plain, { terms: 12 });
    expectClose(
      new loss.Triplet({ margin: 2, weight: 3 })(pred, label, far, tensor([1, 0, 2, 1])) as Tensor,
      plain.map((v, i) => 3 * v * [1, 0, 2, 1][i]!),
      { terms: 12 },
    );
  });

  test('CosineEmbedding', () => {
    const signs = [1, -1, -1, 1];
    const plain = Array.from({ length: rows }, (_, i) => {
      const dot = row(p, i).reduce((sum, v, j) => sum + v * row(z, i)[j]!, 0);
      const cosine = dot / (Math.hypot(...row(p, i)) * Math.hypot(...row(z, i)));
      return signs[i] === 1 ? 1 - cosine : Math.max(0, cosine - 0.1);
    });
    const criterion = new loss.CosineEmbedding({ margin: 0.1 });
    expectClose(criterion(pred, label, tensor(signs)) as Tensor, plain, { terms: 12 });
    expectClose(criterion(pred, label, tensor(signs, { dtype: 'int32', shape: [rows, 1] })) as Tensor, plain, {
      terms: 12,
    });
    const zero = criterion(pred.mul(0), label, tensor(signs)) as Tensor;
    expect(at(zero)).toEqual([1, 0, 0, 1]);
    expect(thrown(() => criterion(pred, label, tensor([1, 1])))).toBeInstanceOf(ShapeError);
  });

  test('the gradients of all, and none is NaN where something is 0', () => {
    const point = (t: Tensor) => t.cast('float64') as Tensor;
    const signs = label.sign() as Tensor;
    const criteria: readonly [(x: Tensor) => unknown, Tensor][] = [
      [x => new loss.SquaredHinge()(x, signs), pred],
      [x => new loss.Logistic()(x, signs), pred],
      [x => new loss.KLDiv({ fromLogits: false })(x, label.softmax()), pred],
      [
        x => new loss.PoissonNLL({ fromLogits: false, computeFull: true })(x, label.abs()),
        pred.abs().add(0.1) as Tensor,
      ],
      [x => new loss.Triplet({ margin: 9 })(x, label, label.mul(-0.5)), pred],
      [x => new loss.CosineEmbedding()(x, label, tensor([1, -1, -1, 1])), pred],
    ];
    for (const [f, x] of criteria) autograd.gradCheck(f as (x: Tensor) => Tensor, [point(x)]);
    const x = pred.mul(0).attachGrad() as Tensor;
    autograd
      .record(() => new loss.CosineEmbedding()(x, label, tensor([1, 1, 1, 1])).add(new loss.KLDiv()(x, label.mul(0))))
      .backward();
    expect(at(x.grad!.flatten()).every(Number.isFinite)).toBe(true);
  });

  test('misuse', () => {
    expect(thrown(() => new loss.Logistic({ labelFormat: 'multi' as never }))).toBeInstanceOf(ArgumentError);
    expect(thrown(() => new loss.Hinge({ margins: 1 } as never)).message).toContain("did you mean 'margin'?");
    expect(thrown(() => new loss.Triplet()(pred, label, tensor([1])))).toBeInstanceOf(ShapeError);
    expect(thrown(() => new loss.Hinge()(tensor([1], { dtype: 'int32' }), tensor([1])))).toBeInstanceOf(DTypeError);
  });
});
