import { ArgumentError, ShapeError } from '../errors.js';
import { fromTypedArray } from '../ops/create.js';
import { take } from '../ops/pick.js';
import { slice } from '../ops/view.js';
import { checkInteger, shown } from '../support/check.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';

/** Samples by number. */
export interface Dataset<Sample = any> {
  readonly length: number;
  get(index: number): Sample;
}

/** A dataset that can gather a batch faster than sample by sample. */
export interface BatchedDataset<Batch = any> extends Dataset {
  batch(indices: Int32Array): Batch;
}

/** Arrays or tensors of one length, side by side: sample i is the i-th entry of each. */
export class ArrayDataset<Columns extends readonly (Tensor | readonly unknown[])[]> implements BatchedDataset {
  readonly columns: Columns;
  readonly length: number;

  constructor(...columns: Columns) {
    if (columns.length === 0) throw new ArgumentError('ArrayDataset takes at least one array or tensor');
    const lengths = columns.map(column => {
      if (isTensor(column) && column.ndim > 0) return column.shape[0] as number;
      if (Array.isArray(column)) return column.length;
      throw new ArgumentError(
        `ArrayDataset takes arrays, and tensors of one dimension or more, but got ${shown(column)}`,
      );
    });
    if (lengths.some(length => length !== lengths[0]))
      throw new ShapeError(`ArrayDataset: columns have different lengths: ${lengths.join(', ')}`);
    this.columns = columns;
    this.length = lengths[0] as number;
  }

  /** The entries of a sample; the entry itself when there is one column. */
  get(index: number): any {
    const at = checkInteger('ArrayDataset.get', index);
    if (at < 0 || at >= this.length)
      throw new ArgumentError(`ArrayDataset.get: there is no sample ${at} among ${this.length}`);
    return this.#join(
      this.columns.map(column => (isTensor(column) ? slice(column, at) : (column as readonly unknown[])[at])),
    );
  }

  /** The samples with these numbers, tensors gathered into tensors and arrays into arrays. */
  batch(indices: Int32Array): any {
    const picks = fromTypedArray([indices.length], 'int32', indices);
    return this.#join(
      this.columns.map(column =>
        isTensor(column) ? take(column, picks) : Array.from(indices, i => (column as readonly unknown[])[i]),
      ),
    );
  }

  #join(entries: readonly unknown[]): unknown {
    return entries.length === 1 ? entries[0] : entries;
  }
}
