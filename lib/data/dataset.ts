import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { checkInteger, shown } from '../support/check.js';
import { type Column, ColumnGatherer, entryOf, lengthOf } from './column.js';

/** Samples by number. */
export interface Dataset<Sample = any> {
  readonly length: number;
  get(index: number): Sample;
}

/** A dataset that can gather a batch faster than sample by sample. */
export interface BatchedDataset<Batch = any> extends Dataset {
  batch(indices: Int32Array): Batch;
}

function checkColumn(column: unknown, i: number): number {
  const length = lengthOf(column);
  if (length !== undefined) return length;
  if (ArrayBuffer.isView(column)) {
    throw new DTypeError(
      `ArrayDataset takes arrays, and typed arrays of a tensor's dtypes, but got ${shown(column)} as column ${i}; convert it to a Float32Array, Float64Array, Int32Array or Uint8Array`,
    );
  }
  throw new ArgumentError(
    `ArrayDataset takes arrays, and tensors of one dimension or more, but got ${shown(column)} as column ${i}`,
  );
}

/**
 * Arrays or tensors of one length, side by side: sample i is the i-th entry of each. In a batch, a column of tensors,
 * numbers, or equally long rows of numbers is one tensor [batch, …]; plain numbers are float32, booleans bool, and typed
 * arrays keep their type. Columns of anything else stay arrays.
 */
export class ArrayDataset<Columns extends readonly Column[]> implements BatchedDataset {
  readonly columns: Columns;
  readonly length: number;
  readonly #gatherers: readonly ColumnGatherer[];

  constructor(...columns: Columns) {
    if (columns.length === 0) throw new ArgumentError('ArrayDataset takes at least one array or tensor');
    const lengths = columns.map(checkColumn);
    const odd = lengths.findIndex(length => length !== lengths[0]);
    if (odd > 0) {
      throw new ShapeError(
        `ArrayDataset takes columns of one length, but got ${lengths[0]} samples in column 0 and ${lengths[odd]} in column ${odd}`,
      );
    }
    this.columns = columns;
    this.length = lengths[0] as number;
    this.#gatherers = columns.map((column, i) => new ColumnGatherer(column, `ArrayDataset: column ${i}`));
  }

  /** The entries of a sample; the entry itself when there is one column. */
  get(index: number): any {
    const at = this.#checkIndex('ArrayDataset.get', index);
    return this.#join(this.columns.map(column => entryOf(column, at)));
  }

  /** The samples with these numbers, gathered column by column. */
  batch(indices: Int32Array): any {
    for (const index of indices) this.#checkIndex('ArrayDataset.batch', index);
    return this.#join(this.#gatherers.map(gatherer => gatherer.gather(indices)));
  }

  #checkIndex(who: string, index: number): number {
    const at = checkInteger(who, index);
    if (at < 0 || at >= this.length) throw new ArgumentError(`${who}: there is no sample ${at} among ${this.length}`);
    return at;
  }

  #join(entries: readonly unknown[]): unknown {
    return entries.length === 1 ? entries[0] : entries;
  }
}
