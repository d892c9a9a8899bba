import { unrecorded } from '../autograd/modes.js';
import { ArgumentError } from '../errors.js';
import { sum } from '../ops/reduce.js';
import { checkFunction, shown } from '../support/check.js';
import { Printed } from '../support/print.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { Metric, type MetricOptions, markOf, nameOf } from './metric.js';

/** The mean of losses: `update(null, losses)`, or `update(losses)`. */
export class Loss extends Metric {
  constructor(options?: MetricOptions) {
    super(nameOf('Loss', options, 'loss'));
  }

  override update(labels: Tensor | null, losses?: Tensor): void {
    const values = checkTensor('Loss.update', losses ?? labels);
    unrecorded(() => this.add(Number(sum(values.cast('float64')).item()), values.size));
  }
}

/** A figure of a batch: its mean, which counts once, or its sum and what that is over. */
export type Figure = number | readonly [total: number, count: number];

/** The mean of what a function of a user's own answers for each batch. */
export class Custom extends Metric {
  readonly #figure: (labels: Tensor, predictions: Tensor) => Figure;

  constructor(figure: (labels: Tensor, predictions: Tensor) => Figure, options?: MetricOptions) {
    checkFunction('Custom', figure);
    super(nameOf('Custom', options, figure.name === '' ? 'custom' : figure.name));
    this.#figure = figure;
  }

  override update(labels: Tensor, predictions: Tensor): void {
    const figure: unknown = unrecorded(() => this.#figure(labels, predictions));
    const [total, count] = Array.isArray(figure) ? (figure as unknown[]) : [figure, 1];
    if (typeof total !== 'number' || typeof count !== 'number') {
      throw new ArgumentError(
        `Custom takes a function that returns a number or [total, count], but got ${shown(figure)}`,
      );
    }
    this.add(total, count);
  }
}

/** Several metrics as one. */
export class Composite extends Printed {
  /** The metrics that are updated together. */
  readonly metrics: readonly Metric[];

  constructor(metrics: readonly Metric[]) {
    super();
    // Spread first: the holes of an array are passed over by some().
    const isMetric = (one: unknown) => one instanceof Metric && typeof one.update === 'function';
    if (!Array.isArray(metrics) || ![...metrics].every(isMetric))
      throw new ArgumentError(`Composite takes an array of metrics, but got ${shown(metrics)}`);
    this.metrics = [...metrics];
  }

  /** Takes a batch into each, or, where one raises, into none. */
  update(labels: Tensor, predictions: Tensor): void {
    const marks = this.metrics.map(markOf);
    try {
      for (const one of this.metrics) one.update(labels, predictions);
    } catch (error) {
      for (const takeBack of marks) takeBack();
      throw error;
    }
  }

  /** The names and the figures, in order. */
  get(): [name: string, value: number][] {
    return this.metrics.map(one => one.get());
  }

  /** Resets each metric. */
  reset(): void {
    for (const one of this.metrics) one.reset();
  }

  protected describe(): string {
    return this.metrics.join(', ');
  }
}
