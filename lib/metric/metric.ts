import { checkOptions, checkString } from '../support/check.js';
import { Printed } from '../support/print.js';
import type { Tensor } from '../tensor/tensor.js';

/** Returns a function that undoes every later update of the metric. */
export let markOf: (metric: Metric) => () => void;

/** A figure gathered over batches. */
export abstract class Metric extends Printed {
  /** The name of the figure. */
  readonly name: string;
  #total = 0;
  #count = 0;

  constructor(name: string) {
    super();
    this.name = checkString('Metric: name', name);
  }

  /** Takes a batch in. */
  abstract update(labels: Tensor, predictions: Tensor): void;

  /**
   * Returns a function that undoes every later update. A metric with fields of its own overrides it to restore them too.
   */
  protected mark(): () => void {
    const [total, count] = [this.#total, this.#count];
    return () => {
      this.#total = total;
      this.#count = count;
    };
  }

  static {
    markOf = metric => metric.mark();
  }

  protected add(total: number, count: number): void {
    this.#total += total;
    this.#count += count;
  }

  /** The sum so far, and the count that divides it. */
  protected get mean(): number {
    return this.#count === 0 ? Number.NaN : this.#total / this.#count;
  }

  /** The figure so far; NaN before the first batch. */
  get value(): number {
    return this.mean;
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

  /** Forgets what was gathered so far. */
  reset(): void {
    this.#total = 0;
    this.#count = 0;
  }
}

export interface MetricOptions {
  /** The name of the figure; by default that of its class. */
  name?: string | undefined;
}

/** The name that was given, or the one that a class has. */
export function nameOf(who: string, options: MetricOptions | undefined, fallback: string): string {
  const { name = fallback } = checkOptions(who, options, ['name']);
  return name;
}
