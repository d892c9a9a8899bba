import { setImmediate } from 'node:timers/promises';
import { ArgumentError } from '../errors.js';
import type { Generator } from '../random/generator.js';
import { checkBoolean, checkFunction, checkOptions, checkSize, isThenable, shown } from '../support/check.js';
import { counted, Printed } from '../support/print.js';
import { isPlainObject } from '../trace/shape-pass.js';
import { ColumnGatherer, isNumeric } from './column.js';
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
  /** The generator from which orders are drawn; the program's by default. */
  generator?: Generator | undefined;
  /**
   * Makes a batch of samples; by default tuples and objects are joined entry by entry, and an entry's tensors, numbers or
   * rows of numbers stacked.
   */
  batchify?: ((samples: any[]) => any) | undefined;
}

/**
 * Samples joined: tuples and objects entry by entry, and each entry's tensors, numbers or rows of numbers into a tensor.
 */
function stackSamples(samples: readonly unknown[], who = 'DataLoader: samples', entry = false): unknown {
  const first = samples[0];
  if (Array.isArray(first) && !(entry && isNumeric(first))) {
    const odd = samples.findIndex(sample => !Array.isArray(sample) || sample.length !== first.length);
    if (odd >= 0) throw unlike(who, `arrays of ${first.length} entries`, odd, samples[odd]);
    return first.map((_, i) =>
      stackSamples(
        (samples as unknown[][]).map(sample => sample[i]),
        `${who}[${i}]`,
        true,
      ),
    );
  }
  if (isPlainObject(first)) {
    const keys = Object.keys(first);
    const odd = samples.findIndex(
      sample =>
        !isPlainObject(sample) ||
        Object.keys(sample).length !== keys.length ||
        keys.some(key => !Object.hasOwn(sample, key)),
    );
    if (odd >= 0) throw unlike(who, `objects of ${keys.join(', ')}`, odd, samples[odd]);
    const at = (key: string) => (samples as Record<string, unknown>[]).map(sample => sample[key]);
    return Object.fromEntries(keys.map(key => [key, stackSamples(at(key), `${who}.${key}`, true)]));
  }
  return new ColumnGatherer(samples, who).gather(Int32Array.from(samples.keys()));
}

function unlike(who: string, expected: string, index: number, value: unknown): ArgumentError {
  return new ArgumentError(
    `${who} are ${expected}, as sample 0 of the batch is, but sample ${index} is ${shown(value)}; give DataLoader a batchify that joins them`,
  );
}

function canBatch(dataset: Dataset): dataset is BatchedDataset {
  return typeof (dataset as Partial<BatchedDataset>).batch === 'function';
}

/**
 * Goes through a dataset in batches: `for await (const [x, y] of loader)`. Each epoch is a new iteration. The event loop
 * turns between batches. Where `get`, `batch` or `batchify` answer with promises, these are awaited, those of a batch's
 * samples together. The type of a batch is that of `batchify`'s result, or else of the dataset's own batches.
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
    checkSize('DataLoader: batchSize', batchSize);
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
      // A promise is awaited by the yield itself.
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
    const samples: unknown[] = [];
    try {
      for (const i of indices) samples.push(dataset.get(i) as unknown);
    } catch (error) {
      // A Promise that rejects later would end the process, since nobody handles it any more.
      void Promise.allSettled(samples);
      throw error;
    }
    return samples.some(isThenable) ? Promise.all(samples).then(all => this.#join(all)) : this.#join(samples);
  }

  #join(samples: unknown[]): unknown {
    return this.#batchify === undefined ? stackSamples(samples) : this.#batchify(samples);
  }
}
