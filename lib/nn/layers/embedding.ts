import { DTypeError } from '../../errors.js';
import type { InitializerLike } from '../../init/named.js';
import { lookUp } from '../../ops/pick.js';
import type { ParameterDict } from '../../parameter/dict.js';
import type { Parameter } from '../../parameter/parameter.js';
import { checkOptions, checkSize } from '../../support/check.js';
import { checkTensor, type Tensor } from '../../tensor/tensor.js';
import { Layer } from '../block/block.js';
import { describeBlock } from '../block/run.js';
import { nameOwn } from '../block/tree.js';
import type { TableFn } from './layer-shapes.js';
import { checkParams, parameterOf } from './shared-parameters.js';

export interface EmbeddingOptions {
  /** 'float32' by default. */
  dtype?: 'float32' | 'float64' | undefined;
  /** Wins over what `initialize` is given. */
  weightInitializer?: InitializerLike | undefined;
  /** Another Embedding's `params`, to share its weight. */
  params?: ParameterDict | undefined;
}

class EmbeddingLayer<U extends number> extends Layer<TableFn<U>> {
  static override readonly name = 'Embedding';
  /** [inputDim, outputDim] */
  readonly weight: Parameter;

  constructor(
    readonly inputDim: number,
    readonly outputDim: U,
    options?: EmbeddingOptions,
  ) {
    super();
    const given = checkOptions(
      'Embedding',
      options,
      ['dtype', 'weightInitializer', 'params'],
      'new Embedding(inputDim, outputDim)',
    );
    checkSize('Embedding: inputDim', inputDim);
    checkSize('Embedding: outputDim', outputDim);
    this.weight = parameterOf('Embedding', checkParams('Embedding', given.params), 'weight', {
      shape: [this.inputDim, this.outputDim],
      role: 'weight',
      dtype: given.dtype,
      init: given.weightInitializer,
    });
    nameOwn(this);
  }

  override forward(x: Tensor): Tensor {
    checkTensor('Embedding', x);
    if (x.dtype !== 'int32' && x.dtype !== 'uint8') {
      throw new DTypeError(
        `${describeBlock(this)} takes int32 or uint8 indices, but got ${x.dtype}; cast('int32') them`,
      );
    }
    const who = () => describeBlock(this);
    return lookUp(this.weight.data(), x.cast('int32') as Tensor, who);
  }

  override describe(): string {
    return `${this.inputDim} -> ${this.outputDim}, ${this.weight.dtype}`;
  }
}

/**
 * A vector for each index: x[…] of whole numbers from 0 to inputDim - 1 → y[…, outputDim], rows of W[inputDim, outputDim].
 * An index outside raises ValueError, which names it.
 *
 * A backward writes the rows of the gradient that were looked up and clears those of the one before; a step changes no
 * others either, where the optimizer allows it: SGD without momentum and decay, Adagrad without decay, and with
 * `lazyUpdate` any SGD or Adam. A weight that is used as a whole as well (tied to an output layer) has a whole gradient.
 */
export interface Embedding<U extends number = number> extends EmbeddingLayer<U> {}
export const Embedding: {
  new <U extends number>(inputDim: number, outputDim: U, options?: EmbeddingOptions): Embedding<U>;
  new (inputDim: number, outputDim: number, options?: EmbeddingOptions): Embedding;
} = EmbeddingLayer;
