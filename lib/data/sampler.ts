import { ArgumentError } from '../errors.js';
import { checkGenerator, type Generator } from '../random/generator.js';
import { permutation } from '../random/index.js';
import { checkInteger, checkOneOf, checkOptions, checkSize, shown } from '../support/check.js';
import { checkHeap } from '../support/heap.js';
import { counted, Printed } from '../support/print.js';

/** The order in which samples come, anew for each epoch. */
export interface Sampler extends Iterable<number> {
  /** The number of indices in an epoch. */
  readonly length: number;
}

/** 0, 1, 2, … */
export class SequentialSampler extends Printed implements Sampler {
  /** The number of indices in an epoch. */
  readonly length: number;
  constructor(length: number) {
    super();
    this.length = checkInteger('SequentialSampler', length, 0);
  }
  protected override describe(): string {
    return counted(this.length, 'sample');
  }

  *[Symbol.iterator](): Iterator<number> {
    for (let i = 0; i < this.length; i++) yield i;
  }
}

/** Every number once, in an order drawn anew for each epoch. */
export class RandomSampler extends Printed implements Sampler {
  /** The number of indices in an epoch. */
  readonly length: number;
  readonly #generator: Generator | undefined;
  constructor(length: number, options?: { generator?: Generator | undefined }) {
    super();
    this.length = checkInteger('RandomSampler', length, 0);
    const { generator } = checkOptions('RandomSampler', options, ['generator']);
    if (generator !== undefined) checkGenerator('RandomSampler: generator', generator);
    this.#generator = generator;
  }
  protected override describe(): string {
    return counted(this.length, 'sample');
  }

  [Symbol.iterator](): Iterator<number> {
    return permutation(this.length, { generator: this.#generator })
      .toTypedArray()
      [Symbol.iterator]() as Iterator<number>;
  }
}

/** How samples that do not fill a batch are treated: they make a smaller batch, are left out, or begin the next epoch. */
export type LastBatch = 'keep' | 'discard' | 'rollover';

/** Batches of a sampler's numbers. */
export class BatchSampler extends Printed implements Iterable<Int32Array> {
  #held: number[] = [];
  constructor(
    readonly sampler: Sampler,
    readonly batchSize: number,
    readonly lastBatch: LastBatch = 'keep',
  ) {
    super();
    if (typeof sampler !== 'object' || sampler === null || !(Symbol.iterator in sampler))
      throw new ArgumentError(`BatchSampler takes a sampler, but got ${shown(sampler)}`);
    checkInteger("BatchSampler: the sampler's length", sampler.length, 0);
    checkSize('BatchSampler: batchSize', batchSize);
    checkOneOf('BatchSampler: lastBatch', lastBatch, ['keep', 'discard', 'rollover'] as const);
  }

  protected override describe(): string {
    return `${counted(this.sampler.length, 'sample')}, batches of ${this.batchSize}`;
  }

  /** The number of batches in the next epoch. */
  get length(): number {
    const samples = this.sampler.length + this.#held.length;
    return this.lastBatch === 'keep' ? Math.ceil(samples / this.batchSize) : Math.floor(samples / this.batchSize);
  }

  *[Symbol.iterator](): Iterator<Int32Array> {
    // The numbers of a batch, and then its samples, are in arrays.
    const most = Math.min(this.batchSize, this.sampler.length);
    if (most > 0) checkHeap(`BatchSampler: a batch of ${most} samples`, 24 * most, 'take a smaller batchSize');
    let batch = this.#held;
    this.#held = [];
    for (const i of this.sampler) {
      batch.push(i);
      if (batch.length === this.batchSize) {
        yield Int32Array.from(batch);
        batch = [];
      }
    }
    if (batch.length === 0) return;
    if (this.lastBatch === 'keep') yield Int32Array.from(batch);
    if (this.lastBatch === 'rollover') this.#held = batch;
  }
}
