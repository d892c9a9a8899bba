import { ArgumentError, autograd, metric, ShapeError, tensor, ValueError, zeros } from '../../lib/index.js';
import { thrown } from '../support/nn-helpers.js';

const predictions = tensor([
  [0.1, 0.7, 0.2],
  [0.5, 0.2, 0.3],
  [0.3, 0.3, 0.4],
  [0.2, 0.5, 0.3],
]);

describe('Accuracy', () => {
  it('is the share of right classes over all batches', () => {
    const accuracy = new metric.Accuracy();
    expect(accuracy.value).toBeNaN();
    accuracy.update(tensor([1, 0, 1, 1]), predictions);
    expect(accuracy.get()).toEqual(['accuracy', 0.75]);
    accuracy.update(tensor(new Int32Array([2])), predictions.slice([0, 1]));
    expect(accuracy.value).toBeCloseTo(3 / 5, 12);
    accuracy.reset();
    expect(accuracy.value).toBeNaN();
  });

  it('takes predicted classes, labels of any dtype, and another axis', () => {
    const accuracy = new metric.Accuracy({ name: 'top' });
    accuracy.update(tensor(new Uint8Array([1, 2, 0])), tensor([1, 2, 1]));
    expect(accuracy.get()).toEqual(['top', 2 / 3]);
    const last = new metric.Accuracy({ axis: -1 });
    last.update(
      tensor([
        [1, 0],
        [2, 0],
      ]),
      predictions.reshape([2, 2, 3]),
    );
    expect(last.value).toBe(0.75);
    const first = new metric.Accuracy({ axis: 0 });
    first.update(tensor([1, 0, 2, 1]), predictions.transpose());
    expect(first.value).toBe(1);
  });

  it('records nothing', () => {
    const x = predictions.clone().attachGrad();
    const accuracy = new metric.Accuracy();
    autograd.record(() => accuracy.update(tensor([1, 0, 2, 1]), x.mul(2)));
    expect(accuracy.value).toBe(1);
  });

  it('refuses what does not fit, and counts nothing of it', () => {
    const accuracy = new metric.Accuracy();
    expect(thrown(() => accuracy.update(tensor([1, 2]), predictions))).toBeInstanceOf(ShapeError);
    expect(thrown(() => accuracy.update([1] as never, predictions))).toBeInstanceOf(ArgumentError);
    expect(accuracy.value).toBeNaN();
    expect(() => new metric.Accuracy({ axes: 1 } as never)).toThrow(/did you mean 'axis'/);
    expect(() => accuracy.update(zeros([4, 3]), zeros([4]))).toThrow(
      /Accuracy takes labels and then predictions, but got labels of shape \[4, 3\] and predictions of shape \[4\]/,
    );
  });
});

it('Loss is the mean over samples, not over batches', () => {
  const figure = new metric.Loss();
  figure.update(null, tensor([1, 2, 4]));
  figure.update(tensor([9]));
  expect(figure.get()).toEqual(['loss', 4]);
  expect(() => figure.update(null)).toThrow(ArgumentError);
  const many = new metric.Loss({ name: 'sum' });
  many.update(null, tensor(new Float32Array(10_000).fill(0.1)));
  expect(Math.abs(many.value - Math.fround(0.1))).toBeLessThan(1e-12);
});

it('options that are undefined are absent', () => {
  const accuracy = new metric.Accuracy({ axis: undefined, name: undefined });
  expect([accuracy.axis, accuracy.name]).toEqual([1, 'accuracy']);
  expect(new metric.Loss({ name: undefined }).name).toBe('loss');
  for (const Class of [metric.Accuracy, metric.Loss])
    expect(() => new Class({ name: null as never })).toThrow(/takes a string, but got null/);
});

it('a metric of your own extends Metric', () => {
  class Largest extends metric.Metric {
    override update(labels: import('../../lib/index.js').Tensor): void {
      this.add(labels.max().item() as number, 1);
    }
  }
  const largest = new Largest('largest');
  largest.update(tensor([1, 5]));
  largest.update(tensor([3]));
  expect(largest.get()).toEqual(['largest', 4]);
});

it('Accuracy refuses scores and one-hot rows in the place of class numbers', () => {
  const accuracy = new metric.Accuracy();
  const scores = tensor([[0.1], [0.9], [0.8], [0.7]]);
  const labels = tensor([0, 1, 1, 1]);
  expect(() => accuracy.update(labels, scores)).toThrow(/predictions of shape \[4, 1\].*pred\.greater\(0\)/);
  expect(() => accuracy.update(labels, tensor([-1, 2, 3, 4]))).toThrow(/predictions of shape \[4\]/);
  expect(() =>
    accuracy.update(
      tensor([0, 0.5]),
      tensor([
        [1, 2],
        [3, 4],
      ]),
    ),
  ).toThrow(/labels of shape \[2\]/);
  expect(() =>
    accuracy.update(
      tensor([
        [1, 0],
        [0, 1],
      ]),
      tensor([
        [5, 1],
        [-2, 8],
      ]),
    ),
  ).toThrow(/as class numbers/);
  accuracy.update(labels, scores.greater(0.5));
  expect(accuracy.value).toBe(1);
});

it.each(['CrossEntropy', 'Perplexity'] as const)('%s refuses what is no probability', name => {
  const figure = new metric[name]();
  const error = thrown(() =>
    figure.update(
      tensor([0, 1], { dtype: 'int32' }),
      tensor([
        [2, -1],
        [0.5, 0.5],
      ]),
    ),
  );
  expect(error).toBeInstanceOf(ValueError);
  expect(error.message).toMatch(new RegExp(`^${name} takes probabilities from 0 to 1`));
});

it.each(['CrossEntropy', 'Perplexity'] as const)(
  '%s refuses logits whose labelled ones might be probabilities',
  name => {
    const logits = tensor([
      [0.5, 3],
      [-1, 0.25],
    ]);
    const error = thrown(() => new metric[name]().update(tensor([0, 1]), logits));
    expect(error).toBeInstanceOf(ValueError);
    expect(error.message).toMatch(
      /takes probabilities from 0 to 1, but got predictions from -1 to 3; .*pred\.softmax\(\)/,
    );
  },
);

it('F1 refuses single scores that are no probabilities, unless a threshold says where they part', () => {
  const [labels, logits] = [tensor([1, 0, 1]), tensor([3.1, -2, 0.2])];
  const f1 = new metric.F1();
  const error = thrown(() => f1.update(labels, logits));
  expect(error).toBeInstanceOf(ValueError);
  expect(error.message).toMatch(
    /^F1 takes probabilities from 0 to 1, but got predictions from -2 to .*sigmoid.*threshold: 0/,
  );
  expect(f1.value).toBeNaN();
  const ofLogits = new metric.F1({ threshold: 0 });
  ofLogits.update(labels, logits);
  expect(ofLogits.value).toBe(1);
  f1.update(labels, logits.sigmoid());
  expect(f1.value).toBe(1);
  // Class numbers in floats would all but 0 stand for class 1.
  const macro = new metric.F1({ average: 'macro' });
  expect(() => macro.update(tensor([0, 1, 2]), tensor([0, 2, 2]))).toThrow(
    /for class numbers pass pred\.cast\('int32'\)/,
  );
});

it.each(['Accuracy', 'TopKAccuracy', 'CrossEntropy', 'Perplexity'] as const)(
  '%s refuses a label that is none of the classes',
  name => {
    const figure = new metric[name]();
    const error = thrown(() => figure.update(tensor([0, 3, 1, 1]), predictions));
    expect(error).toBeInstanceOf(ValueError);
    expect(error.message).toBe(`${name} takes labels from 0 to 2 for predictions of 3 classes, but got 3`);
    expect(figure.value).toBeNaN();
  },
);

describe('other metrics', () => {
  const labels = tensor([1, 0, 1, 1]);
  const sum = (list: number[]) => list.reduce((a, b) => a + b, 0);

  it('TopKAccuracy', () => {
    const top = new metric.TopKAccuracy({ topK: 2 });
    top.update(tensor([2, 2, 2, 0]), predictions);
    expect(top.get()).toEqual(['top_2_accuracy', 0.75]);
    top.update(tensor([[0]]), predictions.slice([0, 1]));
    expect(top.value).toBe(3 / 5);
    const all = new metric.TopKAccuracy();
    all.update(labels, predictions);
    expect(all.value).toBe(1);
    const columns = new metric.TopKAccuracy({ topK: 1, axis: 0 });
    columns.update(tensor([1, 0, 2, 1]), predictions.transpose());
    expect(columns.value).toBe(1);
  });

  it('F1 of two classes, from scores of both, of one, and from classes', () => {
    const wanted = [1, 0, 1, 1, 0, 0];
    const guessed = [1, 1, 0, 1, 0, 1];
    const value = (2 * 2) / (2 * 2 + 1 + 2);
    const forms = [
      tensor(guessed, { dtype: 'int32' }),
      tensor(guessed.map(g => 0.2 + 0.6 * g)),
      tensor(guessed.map(g => [1 - g, g])),
    ];
    for (const form of forms) {
      const f1 = new metric.F1();
      expect(f1.value).toBeNaN();
      f1.update(tensor(wanted.slice(0, 2)), form.slice([0, 2]));
      f1.update(tensor(wanted.slice(2)), form.slice([2, 6]));
      expect(f1.get()).toEqual(['f1', value]);
      f1.reset();
      expect(f1.value).toBeNaN();
      f1.update(tensor(wanted.slice(2, 5)), form.slice([2, 5]));
      expect(f1.value).toBe((2 * 1) / (2 * 1 + 1));
    }
    const none = new metric.F1();
    none.update(tensor([0, 0]), tensor([0.1, 0.2]));
    expect(none.value).toBe(0);
    const strict = new metric.F1({ threshold: 0.9 });
    strict.update(tensor([1, 0]), tensor([0.95, 0.8]));
    expect(strict.value).toBe(1);
  });

  it('F1 of many classes', () => {
    const wanted = [0, 1, 2, 2, 1, 0, 2];
    const guessed = [0, 2, 2, 1, 1, 0, 2];
    const macro = new metric.F1({ average: 'macro' });
    macro.update(tensor(wanted), tensor(guessed, { dtype: 'int32' }));
    expect(macro.value).toBeCloseTo((1 + 2 / 4 + 4 / 6) / 3, 12);
    const micro = new metric.F1({ average: 'micro' });
    micro.update(tensor(wanted), tensor(guessed, { dtype: 'int32' }));
    expect(micro.value).toBeCloseTo(5 / 7, 12);
    expect(() => new metric.F1().update(tensor([2]), tensor([1], { dtype: 'int32' }))).toThrow('classes 0 and 1');
    expect(() => macro.update(tensor([0.5]), tensor([1], { dtype: 'int32' }))).toThrow('whole class numbers from 0');
    expect(thrown(() => macro.update(tensor([0, 1, 2]), predictions))).toBeInstanceOf(ShapeError);
    expect(macro.value).toBeCloseTo((1 + 2 / 4 + 4 / 6) / 3, 12);
  });

  it('CrossEntropy and Perplexity', () => {
    const p = [0.7, 0.5, 0.3, 0.5];
    const entropy = sum(p.map(v => -Math.log(v))) / 4;
    const crossEntropy = new metric.CrossEntropy();
    crossEntropy.update(labels, predictions);
    expect(crossEntropy.name).toBe('cross-entropy');
    expect(crossEntropy.value).toBeCloseTo(entropy, 6);
    const perplexity = new metric.Perplexity();
    perplexity.update(labels.slice([0, 3]), predictions.slice([0, 3]));
    perplexity.update(labels.slice([3, 4]), predictions.slice([3, 4]));
    expect(perplexity.value).toBeCloseTo(Math.exp(entropy), 5);
    const padded = new metric.Perplexity({ ignoreLabel: -1 });
    padded.update(tensor([1, -1, 1, -1]), predictions);
    expect(padded.value).toBeCloseTo(1 / Math.sqrt(0.7 * 0.3), 5);
    expect(() => crossEntropy.update(tensor([3]), predictions.slice([0, 1]))).toThrow(
      'CrossEntropy takes labels from 0 to 2 for predictions of 3 classes, but got 3',
    );
    expect(() => crossEntropy.update(tensor([-1]), predictions.slice([0, 1]))).toThrow('not all whole numbers from 0');
    expect(thrown(() => crossEntropy.update(labels, predictions.slice([0, 3])))).toBeInstanceOf(ShapeError);
  });

  it('MAE, MSE and RMSE over all elements, not over batches', () => {
    const [mae, mse, rmse] = [new metric.MAE(), new metric.MSE(), new metric.RMSE()];
    for (const one of [mae, mse, rmse]) {
      one.update(tensor([1, 2, 3]), tensor([[2], [2], [5]]));
      one.update(tensor([[0]], { dtype: 'int32' }), tensor([4]));
    }
    expect([mae.value, mse.value, rmse.value]).toEqual([7 / 4, 21 / 4, Math.sqrt(21 / 4)]);
    expect([mae.name, mse.name, rmse.name]).toEqual(['mae', 'mse', 'rmse']);
    expect(thrown(() => mae.update(tensor([1, 2]), tensor([1, 2, 3])))).toBeInstanceOf(ShapeError);
    expect(mae.value).toBe(7 / 4);
  });

  it('Composite takes back what each metric counted where one fails', () => {
    const failing = new metric.Custom(() => {
      throw new Error('none');
    });
    const f1 = new metric.F1({ average: 'macro' });
    const labels = tensor([1, 0, 0, 1]);
    f1.update(labels, predictions);
    const before = f1.value;
    const both = new metric.Composite([f1, new metric.Accuracy(), failing]);
    expect(() => both.update(tensor([0, 1, 1, 0]), predictions)).toThrow('none');
    expect(f1.value).toBe(before);
    f1.update(labels, predictions);
    expect(f1.value).toBe(before);
  });

  it('Custom and Composite', () => {
    const ones = new metric.Custom((y, p) => [y.sum().item() as number, p.shape[0]!], { name: 'ones' });
    const largest = new metric.Custom(function largest(_, p) {
      return p.max().item() as number;
    });
    const both = new metric.Composite([ones, largest]);
    both.update(labels, predictions);
    both.update(labels.slice([0, 1]), predictions.slice([0, 1]));
    expect(both.get()[0]).toEqual(['ones', 4 / 5]);
    expect(both.get()[1]![0]).toBe('largest');
    expect(both.get()[1]![1]).toBeCloseTo(0.7, 6);
    both.reset();
    expect(ones.value).toBeNaN();
    expect(String(both)).toContain('ones: nothing yet');
    expect(thrown(() => new metric.Composite([1] as never))).toBeInstanceOf(ArgumentError);
    expect(thrown(() => new metric.Custom(1 as never))).toBeInstanceOf(ArgumentError);
    expect(() => new metric.Custom(() => 'a' as never).update(labels, predictions)).toThrow(
      'returns a number or [total, count]',
    );
  });
});
