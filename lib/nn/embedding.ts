import { DTypeError } from '../errors.js';
import type { InitializerLike } from '../init/named.js';
import { lookUp } from '../ops/pick.js';
import type { ParameterDict } from '../parameter/dict.js';
import type { Parameter } from '../parameter/parameter.js';
import { checkOptions, checkSize } from '../support/check.js';
import type { Sh } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { Block } from './block.js';
import type { BlockBase } from './block-base.js';
import { describeBlock } from './call.js';
import type { TableFn, TableOut } from './layer-types.js';
import { checkParams, parameterOf } from './shared.js';
import { nameOwn } from './structure.js';
import type { fn } from './types.js';

export interface EmbeddingOptions {
  /** 'float32' by default. */
  dtype?: 'float32' | 'float64' | undefined;
  /** Wins over what `initialize` is given. */
  weightInitializer?: InitializerLike | undefined;
  /** Another Embedding's `params`, to share its weight. */
  params?: ParameterDict | undefined;
}

/**
 * A vector for each index: x[…] of whole numbers from 0 to inputDim - 1 → y[…, outputDim], rows of W[inputDim, outputDim].
 * An index outside raises ValueError, which names it.
 *
 * A backward writes the rows of the gradient that were looked up and clears those of the one before; a step changes no
 * others either, where the optimizer allows it: SGD without momentum and decay, Adagrad without decay, and with
 * `lazyUpdate` any SGD or Adam. A weight that is used as a whole as well (tied to an output layer) has a whole gradient.
 */
export interface Embedding<U extends number = number> extends BlockBase {
  <T extends Tensor>(x: T): Tensor<TableOut<Sh<T>, U>>;
  readonly [fn]?: TableFn<U>;
  readonly inputDim: number;
  readonly outputDim: U;
  /** [inputDim, outputDim] */
  readonly weight: Parameter;
  forward(x: Tensor): Tensor;
}

class EmbeddingClass extends Block {
  readonly inputDim: number;
  readonly outputDim: number;
  readonly weight: Parameter;

  constructor(inputDim: number, outputDim: number, options?: EmbeddingOptions) {
    super();
    const given = checkOptions(
      'Embedding',
      options,
      ['dtype', 'weightInitializer', 'params'],
      'new Embedding(inputDim, outputDim)',
    );
    this.inputDim = checkSize('Embedding: inputDim', inputDim);
    this.outputDim = checkSize('Embedding: outputDim', outputDim);
    this.weight = parameterOf('Embedding', checkParams('Embedding', given.params), 'weight', {
      shape: [this.inputDim, this.outputDim],
      role: 'weight',
      dtype: given.dtype,
      init: given.weightInitializer,
    });
    nameOwn(this as unknown as BlockBase);
  }

  override forward(x: Tensor): Tensor {
    checkTensor('Embedding', x);
    if (x.dtype !== 'int32' && x.dtype !== 'uint8') {
      throw new DTypeError(
        `${describeBlock(this as unknown as BlockBase)} takes int32 or uint8 indices, but got ${x.dtype}; cast('int32') them`,
      );
    }
    const who = () => describeBlock(this as unknown as BlockBase);
    return lookUp(this.weight.data(), x.cast('int32') as Tensor, who);
  }

  describe(): string {
    return `${this.inputDim} -> ${this.outputDim}, ${this.weight.dtype}`;
  }
}

Object.defineProperty(EmbeddingClass, 'name', { value: 'Embedding' });

export const Embedding = EmbeddingClass as unknown as {
  new <U extends number>(inputDim: number, outputDim: U, options?: EmbeddingOptions): Embedding<U>;
  new (inputDim: number, outputDim: number, options?: EmbeddingOptions): Embedding;
};
