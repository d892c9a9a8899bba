import { unrecorded } from '../autograd/modes.js';
import { ShapeError, ValueError } from '../errors.js';
import { equal, notEqual } from '../ops/compare.js';
import { argmax, sum } from '../ops/reduce.js';
import { abs } from '../ops/unary.js';
import { reshape } from '../ops/view.js';
import { checkInteger, checkOptions, checkString, shownShape } from '../support/check.js';
import { Printed } from '../support/print.js';
import { checkAxis, sameShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';

/** A figure gathered over batches. */
export abstract class Metric extends Printed {
  readonly name: string;
  #total = 0;
  #count = 0;

  constructor(name: string) {
    super();
    this.name = checkString('Metric: name', name);
  }

  /** Takes a batch in. */
  abstract update(labels: Tensor, predictions: Tensor): void;

  protected add(total: number, count: number): void {
    this.#total += total;
    this.#count += count;
  }

  /** The figure so far; NaN before the first batch. */
  get value(): number {
    return this.#count === 0 ? Number.NaN : this.#total / this.#count;
  }

  /** The figure, and over how many; the name where the class does not say it. */
  protected override describe(): string {
    const name = this.name.toLowerCase() === this.constructor.name.toLowerCase() ? '' : `${this.name}: `;
    if (this.#count === 0) return `${name}nothing yet`;
    return `${name}${Number(this.value.toPrecision(6))} over ${this.#count}`;
  }

  /** The name and the figure. */
  get(): [name: string, value: number] {
    return [this.name, this.value];
  }

  reset(): void {
    this.#total = 0;
    this.#count = 0;
  }
}

export interface AccuracyOptions {
  /** The axis of the classes; 1 by default. */
  axis?: number | undefined;
  /** 'accuracy' by default. */
  name?: string | undefined;
}

/** Class numbers are whole and not negative: scores in their place would be counted as something. */
function checkClasses(what: string, t: Tensor, hint: string): void {
  const odd = Number(sum(notEqual(t, abs(t.cast('int32')))).item());
  if (odd > 0) {
    throw new ValueError(
      `Accuracy takes ${what} of shape ${shownShape(t.shape)} as class numbers, but they are not all whole numbers from 0; ${hint}`,
    );
  }
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
      checkClasses('labels', labels, 'for one-hot labels pass labels.argmax({ axis: 1 })');
      const given = predictions.size === labels.size;
      if (given)
        checkClasses('predictions', predictions, 'for scores of two classes pass pred.greater(0), or greater(0.5)');
      const classes: Tensor = given
        ? predictions
        : argmax(predictions, { axis: checkAxis('Accuracy', this.axis, predictions.ndim) });
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

/** The mean of losses: `update(null, losses)`, or `update(losses)`. */
export class Loss extends Metric {
  constructor(options?: { name?: string | undefined }) {
    const { name = 'loss' } = checkOptions('Loss', options, ['name']);
    super(name);
  }

  override update(labels: Tensor | null, losses?: Tensor): void {
    const values = checkTensor('Loss.update', losses ?? labels);
    unrecorded(() => this.add(Number(sum(values.cast('float64')).item()), values.size));
  }
}
