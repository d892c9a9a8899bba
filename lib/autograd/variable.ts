import { AutogradError, DTypeError } from '../errors.js';
import { zerosLike } from '../ops/create.js';
import { beforeWrite } from '../ops/op.js';
import { checkOneOf, checkOptions } from '../support/check.js';

import { type DType, isFloat } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape-types.js';
import { checkTensor, installMethods, internals, type Tensor } from '../tensor/tensor.js';
import { type BackwardOptions, backward } from './backward.js';
import { unrecorded } from './modes.js';
import { fillWithZeros } from './rows.js';
import { type GradReq, Leaf } from './tape.js';

export interface AttachGradOptions {
  /** 'write' (default) overwrites the gradient at each backward, 'add' adds to it, 'null' keeps none. */
  gradReq?: GradReq | undefined;
}

/** Makes a tensor a variable: what is recorded from now on has gradients for it. */
export function attachGrad(x: Tensor, options?: AttachGradOptions): Leaf {
  checkTensor('attachGrad', x);
  const { gradReq = 'write' } = checkOptions('attachGrad', options, ['gradReq']);
  checkOneOf('attachGrad: gradReq', gradReq, ['write', 'add', 'null'] as const);
  internals.idOf(x);
  const owner = internals.ownerOf(x);
  if (owner !== null)
    throw new AutogradError(
      `attachGrad: the tensor belongs to ${owner}, which has its gradient; set gradReq on the parameter, or detach() it first`,
    );
  if (!isFloat(x.dtype)) throw new DTypeError(`attachGrad takes a float tensor, but got ${x.dtype}; cast it first`);
  const leaf = new Leaf(x, gradReq);
  internals.setGradState(x, leaf);
  return leaf;
}

/** The gradient for reading: zeros before the first backward. */
export function readGrad(leaf: Leaf): Tensor {
  leaf.noteRead();
  if (leaf.grad === null) {
    leaf.grad = unrecorded(() => zerosLike(leaf.variable)) as Tensor;
    leaf.noteZeros();
  }
  return leaf.grad as Tensor;
}

/** Sets a gradient to zeros, in place, if there is one. */
export function zeroGrad(leaf: Leaf): void {
  leaf.unread = null;
  leaf.fresh = false;
  const { grad, rows } = leaf;
  if (grad === null) return;
  unrecorded(() => beforeWrite(grad));
  if (rows !== null) rows.clear();
  else fillWithZeros(grad);
  leaf.noteZeros();
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> {
    /** Makes the tensor a variable: what is recorded from now on has gradients for it. */
    attachGrad(options?: AttachGradOptions): this;
    /** The gradient of a variable, zeros before the first backward; null for a tensor that is none, or whose gradReq is 'null'. */
    readonly grad: Tensor | null;
    /** Writes the gradients of this tensor's variables, from `headGrad` or ones, and frees what was recorded. */
    backward(headGrad?: Tensor | null, options?: BackwardOptions): void;
  }
}

installMethods({
  attachGrad(this: Tensor, options?: AttachGradOptions) {
    attachGrad(this, options);
    return this;
  },
  get grad(): Tensor | null {
    const state = internals.gradState(checkTensor('grad', this));
    return state instanceof Leaf && state.gradReq !== 'null' ? readGrad(state) : null;
  },
  backward(this: Tensor, headGrad?: Tensor | null, options?: BackwardOptions) {
    backward(this, headGrad ?? null, options);
  },
});
