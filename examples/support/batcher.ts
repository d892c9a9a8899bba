import { BusyError, type nn, type Tensor, tensor } from 'latent';

interface Waiting {
  readonly row: Float32Array;
  resolve(result: Float32Array): void;
  reject(error: unknown): void;
}

export interface BatcherOptions {
  /** The most requests that are predicted together. */
  readonly maxBatch?: number;
  /** Predictions that run at once. */
  readonly atOnce?: number;
  /** The most requests that wait; those that come then are turned away at once. */
  readonly maxQueue?: number;
}

/**
 * Predicts rows that are asked for one by one in batches: what comes while predictions run waits, and goes into the next one
 * together. A request that comes alone waits for nobody.
 */
export class Batcher {
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #scheduled = false;
  readonly #maxBatch: number;
  readonly #atOnce: number;
  readonly #maxQueue: number;

  constructor(
    private readonly net: nn.Block,
    /** How many numbers a row has. */
    private readonly width: number,
    { maxBatch = 64, atOnce = 1, maxQueue = 1024 }: BatcherOptions = {},
  ) {
    if (!Number.isInteger(maxBatch) || maxBatch < 1)
      throw new RangeError(`maxBatch takes a whole number from 1, not ${maxBatch}`);
    this.#maxBatch = maxBatch;
    this.#atOnce = atOnce;
    this.#maxQueue = maxQueue;
  }

  predict(row: Float32Array): Promise<Float32Array> {
    // One row of another width would shift the rows of all others.
    if (row.length !== this.width)
      return Promise.reject(new RangeError(`a row has ${this.width} numbers, not ${row.length}`));
    if (this.#waiting.length >= this.#maxQueue)
      return Promise.reject(new BusyError(`${this.#waiting.length} requests wait already`));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ row, resolve, reject });
      this.#schedule();
    });
  }

  /** Requests that are read in one turn of the event loop go together. */
  #schedule(): void {
    if (this.#scheduled || this.#running >= this.#atOnce) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#running < this.#atOnce && this.#waiting.length > 0)
        void this.#run(this.#waiting.splice(0, this.#maxBatch));
    });
  }

  async #run(batch: readonly Waiting[]): Promise<void> {
    this.#running++;
    try {
      const { width } = this;
      const rows = new Float32Array(batch.length * width);
      batch.forEach(({ row }, i) => {
        rows.set(row, i * width);
      });
      const result: Tensor = await this.net.predict(tensor(rows, { shape: [batch.length, width] }));
      const values = result.toTypedArray() as Float32Array;
      const size = values.length / batch.length;
      batch.forEach(({ resolve }, i) => {
        resolve(values.slice(i * size, (i + 1) * size));
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.#running--;
      if (this.#waiting.length > 0) this.#schedule();
    }
  }
}
