import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { flatten } from '../ops/view.js';
import { checkFunction, checkRange, shownShape } from '../support/check.js';
import { isFloat } from '../tensor/dtype.js';
import type { Dt, Sh } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { type ActivationName, activationFunction, checkActivation } from './activations.js';
import { Block } from './block.js';
import type { BlockBase } from './block-base.js';
import { describeBlock } from './call.js';
import { drop } from './drop.js';
import { isBlock } from './structure.js';
import type { FlatFn, FlatOut, fn, SameFn } from './types.js';

/** A layer whose result has its input's shape. */
export interface SameShape extends BlockBase {
  <T extends Tensor>(x: T): Tensor<Sh<T>, Dt<T>>;
  readonly [fn]?: SameFn;
  forward(x: Tensor): Tensor;
}

/** An activation as a layer: `new nn.Activation('relu')`. */
export interface Activation extends SameShape {
  readonly kind: ActivationName;
}

class ActivationClass extends Block {
  readonly kind: ActivationName;
  constructor(kind: ActivationName) {
    super();
    this.kind = checkActivation('Activation', kind);
  }
  override forward(x: Tensor): Tensor {
    return activationFunction(this.kind)(x);
  }
  describe(): string {
    return this.kind;
  }
}

/** The input itself. */
export interface Identity extends SameShape {}

class IdentityClass extends Block {
  override forward(x: Tensor): Tensor {
    return checkTensor('Identity', x);
  }
}

/**
 * In training, each element is 0 with probability `rate` and otherwise divided by 1 - rate; in prediction the input itself
 * (Srivastava et al. 2014). Each call takes the next numbers of the program's stream.
 */
export interface Dropout extends SameShape {
  readonly rate: number;
}

class DropoutClass extends Block {
  readonly rate: number;
  constructor(rate: number) {
    super();
    this.rate = checkRange('Dropout: rate', rate, 0, 1);
  }
  override forward(x: Tensor): Tensor {
    checkTensor('Dropout', x);
    if (!isFloat(x.dtype))
      throw new DTypeError(`${describeBlock(this)} takes float input, but got ${x.dtype}; cast it first`);
    return drop(x, this.rate);
  }
  describe(): string {
    return `p = ${this.rate}`;
  }
}

/** x[n, …] → [n, the rest as one]. */
export interface Flatten extends BlockBase {
  <T extends Tensor>(x: T): Tensor<FlatOut<Sh<T>>, Dt<T>>;
  readonly [fn]?: FlatFn;
  forward(x: Tensor): Tensor;
}

class FlattenClass extends Block {
  override forward(x: Tensor): Tensor {
    checkTensor('Flatten', x);
    if (x.ndim === 0)
      throw new ShapeError(
        `${describeBlock(this)} takes an input of one dimension or more, but its input has shape ${shownShape(x.shape)}`,
      );
    return flatten(x, 1);
  }
}

/** A function of tensors as a layer: `new nn.Lambda(x => x.reshape([-1, 2, 3]))`. */
export interface Lambda<X extends Tensor = any, R extends Tensor = Tensor> extends BlockBase {
  (x: X): R;
  forward(x: X): R;
}

class LambdaClass extends Block {
  readonly run: (...inputs: Tensor[]) => Tensor;
  constructor(run: (...inputs: Tensor[]) => Tensor) {
    super();
    if (isBlock(run))
      throw new ArgumentError('Lambda takes a function, but got a block; put the block in place of the Lambda');
    this.run = checkFunction('Lambda', run);
  }
  override forward(...inputs: Tensor[]): Tensor {
    return this.run(...inputs);
  }
  describe(): string {
    return this.run.name;
  }
}

for (const [cls, name] of [
  [ActivationClass, 'Activation'],
  [IdentityClass, 'Identity'],
  [DropoutClass, 'Dropout'],
  [FlattenClass, 'Flatten'],
  [LambdaClass, 'Lambda'],
] as const) {
  Object.defineProperty(cls, 'name', { value: name });
}

export const Activation = ActivationClass as unknown as { new (kind: ActivationName): Activation };
export const Identity = IdentityClass as unknown as { new (): Identity };
export const Dropout = DropoutClass as unknown as { new (rate: number): Dropout };
export const Flatten = FlattenClass as unknown as { new (): Flatten };
export const Lambda = LambdaClass as unknown as {
  new <R extends Tensor, X extends Tensor = Tensor>(run: (x: X) => R): Lambda<X, R>;
};
