import { opcode } from '../native/register.js';
import { convert } from '../ops/cast.js';
import { empty } from '../ops/create.js';
import { invokeInto, isContiguous, setInt, setReal } from '../ops/invoke.js';
import { internals, type Tensor } from '../tensor/tensor.js';

const ADD_SLICES = opcode('addSlices');
const MARK_ROWS = opcode('markRows');
const CLEAR_ROWS = opcode('clearRows');
const FILL = opcode('fill');

/** Tells a gradient that is 0 but at the rows that the indices name: `g` is added there, a slice for each index. */
export interface RowSlices {
  readonly indices: Tensor;
  readonly g: Tensor;
}

/** The same, for which writing needs no more memory. `own`: whether nothing else can see or change `g`. */
export function settleSlices({ indices, g }: RowSlices, own: boolean): RowSlices {
  return {
    indices: isContiguous(indices) ? indices : convert(indices, indices.dtype),
    g: own && isContiguous(g) ? g : convert(g, g.dtype),
  };
}

/** Adds slices to the rows of a gradient. */
export function addSlices(grad: Tensor, { indices, g }: RowSlices): void {
  setInt(0, 0);
  invokeInto('addSlices', ADD_SLICES, [g, indices], grad);
}

export function fillWithZeros(t: Tensor): void {
  setReal(0, 0);
  invokeInto('fill', FILL, [], t);
}

/**
 * Which rows of a gradient may be other than 0, so that only those need to be cleared and stepped. It holds as long as
 * nothing else writes the gradient.
 */
export class RowMarks {
  /** uint8: 1 for each row that may be other than 0, else 0. */
  readonly marks: Tensor;
  #version: number;

  /** Of a gradient that is zeros; one that isn't must be cleared first. */
  constructor(
    readonly grad: Tensor,
    isZero: boolean,
  ) {
    this.marks = empty([grad.shape[0] as number], 'uint8');
    this.#version = isZero ? internals.version(grad) : -1;
  }

  /** Whether it tells what is in the gradient now. */
  get holds(): boolean {
    return internals.version(this.grad) === this.#version;
  }

  /** Notes that the gradient was written in a way that leaves all rows 0 but those that are marked. */
  noteWrite(): void {
    this.#version = internals.version(this.grad);
  }

  /** Sets the gradient to zeros. */
  clear(): void {
    if (this.holds) invokeInto('clearRows', CLEAR_ROWS, [this.marks], this.grad);
    else fillWithZeros(this.grad);
    fillWithZeros(this.marks);
    this.#version = internals.version(this.grad);
  }

  /** Adds slices to rows of the gradient. */
  add(slices: RowSlices): void {
    addSlices(this.grad, slices);
    invokeInto('markRows', MARK_ROWS, [slices.indices], this.marks);
    this.#version = internals.version(this.grad);
  }
}
