import { ArgumentError, autograd, metric, ShapeError, tensor } from '../../lib/index.js';
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
