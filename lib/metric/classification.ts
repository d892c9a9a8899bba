import { unrecorded } from '../autograd/modes.js';
import { ShapeError, ValueError } from '../errors.js';
import { add } from '../ops/binary.js';
import { equal, notEqual } from '../ops/compare.js';
import { gather } from '../ops/pick.js';
import { checkedProbabilities } from '../ops/range.js';
import { argmax, sum } from '../ops/reduce.js';
import { clip, where } from '../ops/select.js';
import { topk } from '../ops/sort.js';
import { log, neg } from '../ops/unary.js';
import { expandDims, reshape } from '../ops/view.js';
import { checkInteger, checkOneOf, checkOptions, checkRange, shownShape } from '../support/check.js';
import { isFloat } from '../tensor/dtype.js';
import { checkAxis, sameShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { Metric, type MetricOptions } from './metric.js';

const number = (t: Tensor): number => Number(t.item());

export interface AccuracyOptions {
  /** The axis of the classes; 1 by default. */
  axis?: number | undefined;
  /** The name of the figure; 'accuracy' by default, of TopKAccuracy 'top_k_accuracy'. */
  name?: string | undefined;
}

/**
 * Class numbers are whole, not negative, and below the number of classes where that is known: scores in their place would
 * be counted as something, and a class that nothing can predict as a miss.
 */
export function checkClasses(who: string, what: string, t: Tensor, hint: string, classes = 2 ** 31): void {
  const odd = Number(sum(notEqual(t, clip(t.cast('int32') as Tensor, 0, classes - 1))).item());
  if (odd === 0) return;
  const beyond = (t.toTypedArray() as Float64Array).find(label => Number.isInteger(label) && label >= classes);
  if (beyond !== undefined) {
    throw new ValueError(
      `${who} takes ${what} from 0 to ${classes - 1} for predictions of ${classes} classes, but got ${beyond}`,
    );
  }
  throw new ValueError(
    `${who} takes ${what} of shape ${shownShape(t.shape)} as class numbers, but they are not all whole numbers from 0; ${hint}`,
  );
}

/** The axis of the classes in scores. */
function checkClassAxis(who: string, axis: number, labels: Tensor, predictions: Tensor): number {
  if (predictions.ndim < labels.ndim) {
    throw new ShapeError(
      `${who} takes labels and then predictions, but got labels of shape ${shownShape(labels.shape)} and predictions of shape ${shownShape(predictions.shape)}`,
    );
  }
  return checkAxis(who, axis, predictions.ndim);
}

/** The share of samples whose label is the class with the largest prediction, or the predicted class itself. */
export class Accuracy extends Metric {
  readonly axis: number;

  constructor(options?: AccuracyOptions) {
    const { axis = 1, name = 'accuracy' } = checkOptions('Accuracy', options, ['axis', 'name']);
    super(name);
    this.axis = checkInteger('Accuracy: axis', axis);
  }

  override update(labels: Tensor, predictions: Tensor): void {
    checkTensor('Accuracy: labels', labels);
    checkTensor('Accuracy: predictions', predictions);
    unrecorded(() => {
      const given = predictions.size === labels.size;
      const axis = given ? null : checkClassAxis('Accuracy', this.axis, labels, predictions);
      const count = axis === null ? undefined : predictions.shape[axis];
      checkClasses('Accuracy', 'labels', labels, 'for one-hot labels pass labels.argmax({ axis: 1 })', count);
      if (given)
        checkClasses(
          'Accuracy',
          'predictions',
          predictions,
          'for scores of two classes pass pred.greater(0), or greater(0.5), and for one-hot labels of more labels.argmax({ axis: 1 })',
        );
      const classes: Tensor = axis === null ? predictions : argmax(predictions, { axis });
      if (classes.size !== labels.size) {
        throw new ShapeError(
          `Accuracy: labels of shape ${shownShape(labels.shape)} for predictions of shape ${shownShape(predictions.shape)}`,
        );
      }
      const found = sameShape(classes.shape, labels.shape) ? classes : reshape(classes, labels.shape);
      this.add(Number(sum(equal(found.cast('int32'), labels.cast('int32'))).item()), labels.size);
    });
  }
}

/** Labels without a last dimension of size 1, and scores with the classes along one axis, put last. */
function scored(who: string, labels: Tensor, predictions: Tensor, axis: number): readonly [Tensor, Tensor] {
  checkTensor(`${who}: labels`, labels);
  checkTensor(`${who}: predictions`, predictions);
  const at = checkAxis(who, axis, predictions.ndim);
  const order = predictions.shape.map((_, d) => d).filter(d => d !== at);
  const scores: Tensor = predictions.transpose([...order, at]);
  const expected = scores.shape.slice(0, -1);
  if (labels.size !== expected.reduce((a, b) => a * b, 1)) {
    throw new ShapeError(
      `${who}: labels of shape ${shownShape(labels.shape)} for predictions of shape ${shownShape(predictions.shape)}`,
    );
  }
  checkClasses(who, 'labels', labels, 'for one-hot labels pass labels.argmax({ axis: 1 })', scores.shape.at(-1));
  return [reshape(labels.cast('int32') as Tensor, expected), scores];
}

export interface TopKAccuracyOptions extends AccuracyOptions {
  /** How many of the largest predictions count; 5 by default. */
  topK?: number | undefined;
}

/** The share of samples whose label is among the classes with the largest predictions. */
export class TopKAccuracy extends Metric {
  readonly axis: number;
  readonly topK: number;

  constructor(options?: TopKAccuracyOptions) {
    const given = checkOptions('TopKAccuracy', options, ['axis', 'name', 'topK']);
    const topK = checkInteger('TopKAccuracy: topK', given.topK ?? 5, 1);
    super(given.name === undefined ? `top_${topK}_accuracy` : given.name);
    this.topK = topK;
    this.axis = checkInteger('TopKAccuracy: axis', given.axis ?? -1);
  }

  override update(labels: Tensor, predictions: Tensor): void {
    unrecorded(() => {
      const [classes, scores] = scored('TopKAccuracy', labels, predictions, this.axis);
      const { indices } = topk(scores, Math.min(this.topK, scores.shape.at(-1) as number));
      this.add(number(sum(equal(indices, expandDims(classes, -1)))), classes.size);
    });
  }
}

export interface F1Options extends MetricOptions {
  /**
   * 'binary' (default): of class 1 of two; 'macro': the mean over the classes that occur; 'micro': of all classes
   * together, which is the accuracy.
   */
  average?: 'binary' | 'macro' | 'micro' | undefined;
  /**
   * From where on a single score stands for class 1. By default scores are probabilities, and it is 0.5; of what goes into
   * a sigmoid give 0.
   */
  threshold?: number | undefined;
}

/** How often a class was, was predicted, and both. */
interface Counts {
  labelled: number;
  predicted: number;
  hits: number;
}

/**
 * 2·hits/(2·hits + misses + false alarms). Predictions are scores of each class along the last axis, or one for each
 * sample, of class 1; or, when they are integers, the classes themselves. A single score that is no probability raises
 * ValueError where no threshold was given.
 */
export class F1 extends Metric {
  readonly average: 'binary' | 'macro' | 'micro';
  readonly threshold: number;
  readonly #ofProbabilities: boolean;
  #counts = new Map<number, Counts>();

  constructor(options?: F1Options) {
    const given = checkOptions('F1', options, ['name', 'average', 'threshold']);
    super(given.name === undefined ? 'f1' : given.name);
    this.average = checkOneOf('F1: average', given.average ?? 'binary', ['binary', 'macro', 'micro']);
    this.#ofProbabilities = given.threshold === undefined;
    this.threshold = checkRange('F1: threshold', given.threshold ?? 0.5, -Number.MAX_VALUE, Number.MAX_VALUE);
  }

  #classesOf(labels: Tensor, predictions: Tensor): Tensor {
    if (!isFloat(checkTensor('F1: predictions', predictions).dtype)) return predictions;
    if (predictions.size === labels.size) {
      const hint =
        "for what goes into a sigmoid pass pred.sigmoid(), or give F1 { threshold: 0 }; for class numbers pass pred.cast('int32')";
      const scores = this.#ofProbabilities ? checkedProbabilities('F1', predictions, hint) : predictions;
      return scores.greater(this.threshold);
    }
    return argmax(predictions, { axis: -1 });
  }

  override update(labels: Tensor, predictions: Tensor): void {
    checkTensor('F1: labels', labels);
    const found = unrecorded(() => this.#classesOf(labels, predictions));
    if (found.size !== labels.size) {
      throw new ShapeError(
        `F1: labels of shape ${shownShape(labels.shape)} for predictions of shape ${shownShape(predictions.shape)}`,
      );
    }
    const [wanted, got] = [labels.toTypedArray(), found.toTypedArray()];
    const isOdd = (c: number) => !Number.isInteger(c) || c < 0 || (this.average === 'binary' && c > 1);
    const odd = (wanted as Float64Array).find(isOdd) ?? (got as Float64Array).find(isOdd);
    if (odd !== undefined) {
      const range =
        this.average === 'binary' ? "classes 0 and 1 where average is 'binary'" : 'whole class numbers from 0';
      throw new ValueError(`F1 takes ${range}, but got ${odd}`);
    }
    const of = (c: number) => {
      const counts = this.#counts.get(c) ?? { labelled: 0, predicted: 0, hits: 0 };
      this.#counts.set(c, counts);
      return counts;
    };
    wanted.forEach((label, i) => {
      const [right, guess] = [Number(label), Number(got[i])];
      of(right).labelled++;
      of(guess).predicted++;
      if (right === guess) of(right).hits++;
    });
    this.add(0, labels.size);
  }

  protected override mark(): () => void {
    const counts = new Map([...this.#counts].map(([c, one]) => [c, { ...one }]));
    const base = super.mark();
    return () => {
      base();
      this.#counts = counts;
    };
  }

  override get value(): number {
    if (Number.isNaN(this.mean)) return Number.NaN;
    const figure = (list: readonly Counts[]) => {
      const hits = list.reduce((sum, c) => sum + c.hits, 0);
      const both = list.reduce((sum, c) => sum + c.labelled + c.predicted, 0);
      return both === 0 ? 0 : (2 * hits) / both;
    };
    const all = [...this.#counts.values()];
    if (this.average === 'micro') return figure(all);
    if (this.average === 'macro') return all.reduce((total, one) => total + figure([one]), 0) / all.length;
    const one = this.#counts.get(1);
    return figure(one === undefined ? [] : [one]);
  }

  override reset(): void {
    super.reset();
    this.#counts = new Map();
  }
}

export interface CrossEntropyOptions extends MetricOptions {
  /** Keeps the logarithm of 0 finite; 1e-12 by default. */
  epsilon?: number | undefined;
}

/** -ln of the probability that predictions, along the last axis, give to the label; the mean over all. */
export class CrossEntropy extends Metric {
  /** Keeps the logarithm of 0 finite. */
  readonly epsilon: number;

  constructor(options?: CrossEntropyOptions) {
    const given = checkOptions('CrossEntropy', options, ['name', 'epsilon']);
    super(given.name === undefined ? 'cross-entropy' : given.name);
    this.epsilon = checkRange('CrossEntropy: epsilon', given.epsilon ?? 1e-12, 0, 1);
  }

  override update(labels: Tensor, predictions: Tensor): void {
    unrecorded(() => {
      const [classes, scores] = scored('CrossEntropy', labels, predictions, -1);
      this.add(surprise('CrossEntropy', classes, scores, this.epsilon), classes.size);
    });
  }
}

/** Σ -ln(p + ε) of the labels' probabilities. */
function surprise(who: string, classes: Tensor, scores: Tensor, epsilon: number): number {
  const hint = 'for what goes into a softmax pass pred.softmax()';
  // All of them: among the labels' alone a batch of logits may have none that tells.
  const all: Tensor = checkedProbabilities(
    who,
    isFloat(scores.dtype) ? scores : (scores.cast('float32') as Tensor),
    hint,
  );
  const p: Tensor = gather(all, expandDims(classes, -1)).cast('float64') as Tensor;
  return number(sum(neg(log(add(p, epsilon)))));
}

export interface PerplexityOptions extends MetricOptions {
  /** Samples with this label, such as padding, don't count. */
  ignoreLabel?: number | undefined;
  /** The axis of the classes; -1 by default. */
  axis?: number | undefined;
}

/** e to the mean of -ln of the labels' probabilities. */
export class Perplexity extends Metric {
  readonly ignoreLabel: number | null;
  readonly axis: number;

  constructor(options?: PerplexityOptions) {
    const given = checkOptions('Perplexity', options, ['name', 'ignoreLabel', 'axis']);
    super(given.name === undefined ? 'perplexity' : given.name);
    this.ignoreLabel =
      given.ignoreLabel === undefined ? null : checkInteger('Perplexity: ignoreLabel', given.ignoreLabel);
    this.axis = checkInteger('Perplexity: axis', given.axis ?? -1);
  }

  override update(labels: Tensor, predictions: Tensor): void {
    unrecorded(() => {
      const ignored =
        this.ignoreLabel === null ? null : equal(checkTensor('Perplexity: labels', labels), this.ignoreLabel);
      const kept: Tensor = ignored === null ? labels : where(ignored, 0, labels);
      const [classes, scores] = scored('Perplexity', kept, predictions, this.axis);
      const left = ignored === null ? 0 : number(sum(ignored));
      const sure: Tensor =
        ignored === null ? scores : where(expandDims(reshape(ignored, classes.shape) as Tensor, -1), 1, scores);
      this.add(surprise('Perplexity', classes, sure, 1e-12), classes.size - left);
    });
  }

  override get value(): number {
    return Math.exp(this.mean);
  }
}
