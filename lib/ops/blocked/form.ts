import type { Tensor } from '../../tensor/tensor.js';
import { type AnyOp, apply, type Operand, type Signature } from '../op.js';
import type { Blocked } from './value.js';

/** The frame of a value, the rows and columns around its planes: still zeros, some finite number, or anything. */
export type Frame = 'zero' | 'finite' | 'any';

/** How an operation is computed on values whose channels lie in blocks. */
export interface BlockedForm {
  /** The places of the operands that lie in blocks. */
  readonly blocks: readonly number[];
  /** Whether it takes the first of them as it is, too, at no cost. */
  readonly takesPlain?: boolean;
  /** How many rows and columns of zeros it reads around them. */
  readonly halo: number;
  /** Whether its result lies in blocks; else it is a tensor as ever. */
  readonly gives: 'blocks' | 'plain';
  /** Whether it is computed element by element, so that all have the same halo. */
  readonly isElementwise?: boolean;
  /** How many multiply-adds it saves. */
  readonly gain: number;
  /** The frame of its result, from those of its operands; zeros where it isn't told. */
  readonly frame?: (frames: readonly Frame[]) => Frame;
  /** Computes it, for operands as it takes them and a result with such a halo. */
  compute(operands: readonly (Blocked | Operand)[], halo: number): Blocked | Tensor;
}

/** The sides of the tiles of outputs that Winograd's algorithm computes together. */
export type WinogradTile = 2 | 4;

/** The choices that a plan leaves to its user. */
export interface BlockedOptions {
  /** The largest tiles of outputs in which 3 × 3 taps are computed by Winograd's algorithm; 0 for none. */
  readonly winograd: 0 | WinogradTile;
}

/** The costs by which layouts are chosen, in multiply-adds. Tests change them, to have all in blocks that can be. */
export const costs = {
  /** To bring an element into blocks or back. */
  reorder: 50,
  /** The part of a convolution's products that blocks save. */
  saved: 0.12,
  /** The saving for each element of its result, since what follows is done in registers. */
  pass: 20,
  /** A product for filters that fill up the last block. */
  filling: 1,
  /** To read a filter's element for the products of an image, and one of the factors of Winograd's algorithm. */
  element: 10,
  /** To transform an element for them, and a sum of products back. */
  transform: 12,
};

/** Whether there is a form in blocks of such a value. */
export function isBlockable({ shape, dtype }: Signature): boolean {
  return dtype === 'float32' && shape.length === 4 && !shape.includes(0);
}

/** The frame of the result of a function that keeps zeros, or makes some finite number of them. */
export const frameAtZero =
  (made: 'zero' | 'finite') =>
  ([frame]: readonly Frame[]): Frame =>
    frame === 'zero' ? made : 'any';

/** The form of an operation that is computed element by element, of operands that all have its result's shape. */
export function elementwiseForm(
  op: AnyOp,
  inputs: readonly Operand[],
  attrs: unknown,
  output: Signature,
  frame: (frames: readonly Frame[]) => Frame,
): BlockedForm | null {
  const isWhole = (t: Operand): boolean =>
    typeof t === 'number' || (isBlockable(t) && t.shape.every((size, d) => size === output.shape[d]));
  if (!isBlockable(output) || !inputs.every(isWhole)) return null;
  const places = inputs.flatMap((t, i) => (typeof t === 'number' ? [] : [i]));
  return {
    blocks: places,
    halo: 0,
    gives: 'blocks',
    isElementwise: true,
    gain: 0,
    frame,
    compute: (operands, halo) => ({
      tensor: apply(
        op,
        operands.map(t => (typeof t === 'number' ? t : (t as Blocked).tensor)),
        attrs,
      ),
      channels: output.shape[1] as number,
      halo,
    }),
  };
}
