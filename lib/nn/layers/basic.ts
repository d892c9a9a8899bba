import { ArgumentError, DTypeError, ShapeError } from '../../errors.js';
import { type ActivationName, activate } from '../../ops/activations.js';
import { flatten } from '../../ops/view.js';
import { checkFunction, checkRange, shownShape } from '../../support/check.js';
import { isFloat } from '../../tensor/dtype.js';
import { checkTensor, type Tensor } from '../../tensor/tensor.js';
import { type BlockBase, CallableBlock, Layer } from '../block/block.js';
import { describeBlock } from '../block/run.js';
import type { FlatFn, SameFn } from '../block/shape-functions.js';
import { isBlock } from '../block/tree.js';
import { checkActivation } from './activation-option.js';
import { drop } from './drop.js';

/** An activation as a layer: `new nn.Activation('relu')`. */
export class Activation extends Layer<SameFn> {
  constructor(readonly kind: ActivationName) {
    super();
    checkActivation('Activation', kind);
  }
  override forward(x: Tensor): Tensor {
    return activate(this.kind, x);
  }
  override describe(): string {
    return this.kind;
  }
}

/** The input itself. */
export class Identity extends Layer<SameFn> {
  override forward(x: Tensor): Tensor {
    return checkTensor('Identity', x);
  }
}

/**
 * In training, each element is 0 with probability `rate` and otherwise divided by 1 - rate; in prediction the input itself
 * (Srivastava et al. 2014). Each call takes the next numbers of the program's stream.
 */
export class Dropout extends Layer<SameFn> {
  constructor(readonly rate: number) {
    super();
    checkRange('Dropout: rate', rate, 0, 1);
  }
  override forward(x: Tensor): Tensor {
    checkTensor('Dropout', x);
    if (!isFloat(x.dtype))
      throw new DTypeError(`${describeBlock(this)} takes float input, but got ${x.dtype}; cast it first`);
    return drop(x, this.rate);
  }
  override describe(): string {
    return `p = ${this.rate}`;
  }
}

/** x[n, …] → [n, the rest as one]. */
export class Flatten extends Layer<FlatFn> {
  override forward(x: Tensor): Tensor {
    checkTensor('Flatten', x);
    if (x.ndim === 0)
      throw new ShapeError(
        `${describeBlock(this)} takes an input of one dimension or more, but its input has shape ${shownShape(x.shape)}`,
      );
    return flatten(x, 1);
  }
}

/** How a Lambda is called: as its function. */
interface LambdaCall<X extends Tensor, R extends Tensor> extends BlockBase {
  (x: X): R;
}

class LambdaLayer<X extends Tensor, R extends Tensor> extends CallableBlock<LambdaCall<X, R>> {
  static override readonly name = 'Lambda';
  protected readonly run: (...inputs: any[]) => R;
  constructor(run: (x: X) => R) {
    super();
    if (isBlock(run))
      throw new ArgumentError('Lambda takes a function, but got a block; put the block in place of the Lambda');
    this.run = checkFunction('Lambda', run);
  }
  override forward(x: X, ...more: any[]): R {
    return this.run(x, ...more);
  }
  override describe(): string {
    return this.run.name;
  }
}

/** A function of tensors as a layer: `new nn.Lambda(x => x.reshape([-1, 2, 3]))`. */
export interface Lambda<X extends Tensor = any, R extends Tensor = Tensor> extends LambdaLayer<X, R> {}
export const Lambda: {
  new <R extends Tensor, X extends Tensor = Tensor>(run: (x: X) => R): Lambda<X, R>;
} = LambdaLayer;
