import { ShapeError } from '../errors.js';
import { mul, sub } from '../ops/binary.js';
import { zeros } from '../ops/create.js';
import { matmul } from '../ops/matmul.js';
import { reshape, transpose } from '../ops/view.js';
import { normal } from '../random/index.js';
import { checkOptions, checkRange, shown, shownShape } from '../support/check.js';
import { sizeOf } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { Initializer } from './initializer.js';

/** Columns that are made orthogonal among themselves before products take them from those that follow. */
const BLOCK = 32;

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += (a[k] as number) * (b[k] as number);
  return sum;
}

/** Columns of a block, in place: each loses what it shares with those before it, twice, and gets the length 1. */
function orthonormalize(columns: readonly Float64Array[]): void {
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i] as Float64Array;
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j++) {
        const before = columns[j] as Float64Array;
        const shared = dot(before, column);
        for (let k = 0; k < column.length; k++) column[k] = (column[k] as number) - shared * (before[k] as number);
      }
    }
    const length = Math.sqrt(dot(column, column));
    for (let k = 0; k < column.length; k++) column[k] = (column[k] as number) / length;
  }
}

/** Normal numbers [rows, columns], rows at least as many, made into columns of length 1 at right angles to each other. */
function orthogonalColumns(rows: number, columns: number): Tensor {
  const result: Tensor = zeros([rows, columns], { dtype: 'float64' });
  for (let from = 0; from < columns; from += BLOCK) {
    const width = Math.min(BLOCK, columns - from);
    let block: Tensor = normal([rows, width], { dtype: 'float64' });
    const before = result.slice(null, [0, from]);
    for (let pass = 0; pass < 2 && from > 0; pass++) {
      block = sub(block, matmul(before, matmul(transpose(before), block)));
    }
    const values = transpose(block).toTypedArray() as Float64Array;
    const list = Array.from({ length: width }, (_, i) => values.subarray(i * rows, (i + 1) * rows));
    orthonormalize(list);
    const whole: Tensor = reshape(zeros([width * rows], { dtype: 'float64' }).copyFrom(values), [width, rows]);
    result.slice(null, [from, from + width]).copyFrom(transpose(whole));
  }
  return result;
}

export interface OrthogonalOptions {
  /** The factor of the matrix; √2 by default. */
  scale?: number | undefined;
}

/**
 * A weight [out, in, ...kernel], seen as a matrix [out, in·kernel], whose rows (or columns, where they are fewer) have the
 * length `scale` and are at right angles to each other (Saxe et al. 2014).
 */
export class Orthogonal extends Initializer {
  readonly scale: number;

  constructor(options?: OrthogonalOptions) {
    super();
    const { scale = Math.SQRT2 } = checkOptions('Orthogonal', options, ['scale']);
    this.scale = checkRange('Orthogonal: scale', scale, -Number.MAX_VALUE, Number.MAX_VALUE);
  }

  override initWeight(name: string, data: Tensor): void {
    if (checkTensor('Orthogonal', data).ndim < 2) {
      throw new ShapeError(
        `Orthogonal takes a weight of two dimensions or more, but ${shown(name)} has shape ${shownShape(data.shape)}`,
      );
    }
    const rows = data.shape[0] as number;
    const columns = sizeOf(data.shape.slice(1));
    const wide = rows < columns;
    const tall = orthogonalColumns(Math.max(rows, columns), Math.min(rows, columns));
    const matrix: Tensor = mul(wide ? transpose(tall) : tall, this.scale);
    data.copyFrom((reshape(matrix, data.shape) as Tensor).cast(data.dtype));
  }
}
