import { types } from 'node:util';
import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { checkInteger, shown } from '../support/check.js';
import { counted, Printed } from '../support/print.js';
import { sameShape } from '../tensor/shape.js';
import { isTensor } from '../tensor/tensor.js';
import { type Column, ColumnGatherer, entryOf, lengthOf } from './column.js';
import type { BatchOf, SampleOf } from './column-types.js';

/** Samples by number. */
export interface Dataset<Sample = any> {
  /** The number of samples. */
  readonly length: number;
  /** The sample, or a promise of it, which a DataLoader awaits. */
  get(index: number): Sample;
}

/** A dataset that can gather a batch faster than sample by sample. */
export interface BatchedDataset<Batch = any> extends Dataset {
  /** The samples of such numbers as one batch. */
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
 * Refuses columns that came in one array, as `new ArrayDataset([X, Y])`. Tensors of one shape may be samples when they
 * are many, but two of them are far more likely the features and the labels.
 */
function refuseList(column: unknown): void {
  if (!Array.isArray(column) || column.length < 2 || !column.some(isTensor)) return;
  const lengths = column.map(lengthOf);
  if (lengths[0] === undefined || lengths.some(length => length !== lengths[0])) return;
  const [first] = column;
  const alike = column.every(item => isTensor(item) && isTensor(first) && sameShape(item.shape, first.shape));
  if (alike && column.length > 2) return;
  throw new ArgumentError(
    `ArrayDataset takes its columns one by one, but got an array of ${column.length} with ${lengths[0]} samples each; write new ArrayDataset(X, Y) instead of new ArrayDataset([X, Y])${alike ? ', or stack([a, b]) where these are the samples' : ''}`,
  );
}

/**
 * Arrays or tensors of one length, side by side: sample i is the i-th entry of each. In a batch, a column of tensors,
 * numbers, or equally long rows of numbers is one tensor [batch, …]; plain numbers are float32, booleans bool, and typed
 * arrays keep their type. Columns of anything else stay arrays.
 */
export class ArrayDataset<Columns extends readonly Column[] = readonly Column[]>
  extends Printed
  implements BatchedDataset<BatchOf<Columns>>, Dataset<SampleOf<Columns>>
{
  readonly columns: Columns;
  /** The number of samples. */
  readonly length: number;
  readonly #gatherers: readonly ColumnGatherer[];

  constructor(...columns: Columns) {
    super();
    if (columns.length === 0) throw new ArgumentError('ArrayDataset takes at least one array or tensor');
    if (columns.length === 1) refuseList(columns[0]);
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
  get(index: number): SampleOf<Columns> {
    const at = this.#checkIndex('ArrayDataset.get', index);
    return this.#join(this.columns.map(column => entryOf(column, at))) as SampleOf<Columns>;
  }

  /** The samples with these numbers, gathered column by column. */
  batch(indices: Int32Array): BatchOf<Columns> {
    if (!types.isInt32Array(indices))
      throw new ArgumentError(
        `ArrayDataset.batch takes an Int32Array of numbers of samples, but got ${shown(indices)}`,
      );
    for (const index of indices) this.#checkIndex('ArrayDataset.batch', index);
    return this.#join(this.#gatherers.map(gatherer => gatherer.gather(indices))) as BatchOf<Columns>;
  }

  protected override describe(): string {
    return `${counted(this.length, 'sample')}, ${counted(this.columns.length, 'column')}`;
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
