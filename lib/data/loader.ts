import { setImmediate } from 'node:timers/promises';
import { ArgumentError } from '../errors.js';
import { tensor } from '../ops/create.js';
import { stack } from '../ops/join.js';
import type { Generator } from '../random/generator.js';
import { checkBoolean, checkFunction, checkOptions, shown } from '../support/check.js';
import { counted, Printed } from '../support/print.js';
import type { AnyTypedArray } from '../tensor/dtype.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import { isPlainObject } from '../trace/shape-pass.js';
import type { BatchedDataset, Dataset } from './dataset.js';
import { BatchSampler, type LastBatch, RandomSampler, type Sampler, SequentialSampler } from './sampler.js';

export interface DataLoaderOptions {
  /** Samples in a batch. */
  batchSize: number;
  /** Whether each epoch has an order of its own; false by default. */
  shuffle?: boolean | undefined;
  /** 'keep' by default. */
  lastBatch?: LastBatch | undefined;
  /** The order of samples, in place of `shuffle`. */
  sampler?: Sampler | undefined;
  /** What orders are drawn from; the program's generator by default. */
  generator?: Generator | undefined;
  /** Makes a batch of samples; by default tensors, numbers and typed arrays are stacked, in tuples and objects one by one. */
  batchify?: ((samples: any[]) => any) | undefined;
}

/** Samples joined entry by entry. */
function stackSamples(samples: readonly unknown[]): unknown {
  const first = samples[0];
  if (isTensor(first)) return stack(samples as readonly Tensor[]);
  if (ArrayBuffer.isView(first)) return stack((samples as readonly AnyTypedArray[]).map(sample => tensor(sample)));
  if (typeof first === 'number' || typeof first === 'boolean') return tensor(samples as number[]);
  if (Array.isArray(first)) return first.map((_, i) => stackSamples(samples.map(sample => (sample as unknown[])[i])));
  if (isPlainObject(first))
    return Object.fromEntries(
      Object.keys(first).map(key => [
        key,
        stackSamples(samples.map(sample => (sample as Record<string, unknown>)[key])),
      ]),
    );
  return samples;
}

function canBatch(dataset: Dataset): dataset is BatchedDataset {
  return typeof (dataset as Partial<BatchedDataset>).batch === 'function';
}

/**
 * Goes through a dataset in batches: `for await (const [x, y] of loader)`. Each epoch is a new iteration. The event loop
 * turns between batches. The type of a batch is that of `batchify`'s result, or else of the dataset's own batches.
 */
export class DataLoader<Batch = any> extends Printed implements AsyncIterable<Batch> {
  readonly dataset: Dataset;
  readonly #order: string;
  readonly #batches: BatchSampler;
  readonly #batchify: ((samples: any[]) => any) | undefined;

  constructor(dataset: Dataset, options: DataLoaderOptions & { batchify: (samples: any[]) => Batch });
  constructor(dataset: BatchedDataset<Batch>, options: DataLoaderOptions & { batchify?: undefined });
  constructor(dataset: Dataset, options: DataLoaderOptions);
  constructor(dataset: Dataset, options: DataLoaderOptions) {
    super();
    if (
      typeof dataset !== 'object' ||
      dataset === null ||
      typeof dataset.length !== 'number' ||
      typeof dataset.get !== 'function'
    ) {
      throw new ArgumentError(`DataLoader takes a dataset with length and get(index), but got ${shown(dataset)}`);
    }
    const {
      batchSize,
      shuffle = false,
      lastBatch,
      sampler,
      generator,
      batchify,
    } = checkOptions('DataLoader', options, ['batchSize', 'shuffle', 'lastBatch', 'sampler', 'generator', 'batchify']);
    checkBoolean('DataLoader: shuffle', shuffle);
    if (sampler !== undefined && shuffle) throw new ArgumentError('DataLoader takes shuffle or a sampler, not both');
    const order =
      sampler !== undefined
        ? sampler
        : shuffle
          ? new RandomSampler(dataset.length, { generator })
          : new SequentialSampler(dataset.length);
    this.dataset = dataset;
    this.#order = sampler !== undefined ? ', own sampler' : shuffle ? ', shuffled' : '';
    this.#batches = new BatchSampler(order, batchSize, lastBatch);
    this.#batchify = batchify === undefined ? undefined : checkFunction('DataLoader: batchify', batchify);
  }

  /** The number of batches in the next epoch. */
  get length(): number {
    return this.#batches.length;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    for (const indices of this.#batches) {
      yield this.#make(indices) as Batch;
      await setImmediate();
    }
  }

  protected override describe(): string {
    return `${counted(this.dataset.length, 'sample')}, batches of ${this.#batches.batchSize}${this.#order}`;
  }

  static {
    // Not declared: without it in the type, the compiler refuses `for (… of loader)` before it runs.
    Object.defineProperty(DataLoader.prototype, Symbol.iterator, {
      value(): never {
        throw new ArgumentError(
          'DataLoader takes asynchronous iteration, but got a plain for, a spread or the like; write for await (const batch of loader)',
        );
      },
      configurable: true,
      writable: true,
    });
  }

  #make(indices: Int32Array): unknown {
    const { dataset } = this;
    if (this.#batchify === undefined && canBatch(dataset)) return dataset.batch(indices);
    const samples = Array.from(indices, i => dataset.get(i) as unknown);
    return this.#batchify === undefined ? stackSamples(samples) : this.#batchify(samples);
  }
}
