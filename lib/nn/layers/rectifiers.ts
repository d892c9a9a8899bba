import { ShapeError } from '../../errors.js';
import type { InitializerLike } from '../../init/named.js';
import { Constant } from '../../init/simple.js';
import { minimum, mul } from '../../ops/binary.js';
import { greater } from '../../ops/compare.js';
import { gelu } from '../../ops/gelu.js';
import { where } from '../../ops/select.js';
import { expm1, sigmoid, silu } from '../../ops/unary.js';
import { reshape } from '../../ops/view.js';
import { Parameter } from '../../parameter/parameter.js';
import { checkInteger, checkOneOf, checkOptions, checkRange, checkSize, shownShape } from '../../support/check.js';
import { checkTensor, type Tensor } from '../../tensor/tensor.js';
import { Layer } from '../block/block.js';
import { describeBlock } from '../block/run.js';
import type { SameFn } from '../block/shape-functions.js';
import { nameOwn } from '../block/tree.js';
import { settleSize } from './settle.js';

/** x where it is above 0, else α·x (Maas et al. 2013). */
export class LeakyReLU extends Layer<SameFn> {
  constructor(readonly alpha = 0.01) {
    super();
    checkRange('LeakyReLU: alpha', alpha, 0, Number.MAX_VALUE);
  }
  override forward(x: Tensor): Tensor {
    checkTensor('LeakyReLU', x);
    return where(greater(x, 0), x, mul(x, this.alpha));
  }
  override describe(): string {
    return String(this.alpha);
  }
}

/** α·(e^x - 1) on the left of 0, where e^x of large x would overflow on the right. */
function exponential(x: Tensor, alpha: number): Tensor {
  return where(greater(x, 0), x, mul(expm1(minimum(x, 0)), alpha));
}

/** x where it is above 0, else α·(e^x - 1) (Clevert et al. 2016). */
export class ELU extends Layer<SameFn> {
  constructor(readonly alpha = 1) {
    super();
    checkRange('ELU: alpha', alpha, 0, Number.MAX_VALUE);
  }
  override forward(x: Tensor): Tensor {
    return exponential(checkTensor('ELU', x), this.alpha);
  }
  override describe(): string {
    return String(this.alpha);
  }
}

const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** 1.0507·ELU(x) with α = 1.6733, which keep mean 0 and variance 1 from layer to layer (Klambauer et al. 2017). */
export class SELU extends Layer<SameFn> {
  override forward(x: Tensor): Tensor {
    return mul(exponential(checkTensor('SELU', x), SELU_ALPHA), SELU_SCALE);
  }
}

export interface GELUOptions {
  /** 'none' (default): x·Φ(x); 'tanh': its approximation by a tanh. */
  approximate?: 'none' | 'tanh' | undefined;
}

/** x·Φ(x), Φ the normal distribution's cumulative function (Hendrycks and Gimpel 2016). */
export class GELU extends Layer<SameFn> {
  readonly approximate: 'none' | 'tanh';
  constructor(options?: GELUOptions) {
    super();
    const { approximate = 'none' } = checkOptions('GELU', options, ['approximate']);
    this.approximate = checkOneOf('GELU: approximate', approximate, ['none', 'tanh']);
  }
  override forward(x: Tensor): Tensor {
    return gelu(checkTensor('GELU', x), { approximate: this.approximate });
  }
  override describe(): string {
    return this.approximate === 'none' ? '' : this.approximate;
  }
}

/** x·σ(x). */
export class SiLU extends Layer<SameFn> {
  override forward(x: Tensor): Tensor {
    return silu(checkTensor('SiLU', x));
  }
}

/** x·σ(β·x) (Ramachandran et al. 2017). */
export class Swish extends Layer<SameFn> {
  constructor(readonly beta = 1) {
    super();
    checkRange('Swish: beta', beta, -Number.MAX_VALUE, Number.MAX_VALUE);
  }
  override forward(x: Tensor): Tensor {
    checkTensor('Swish', x);
    return this.beta === 1 ? silu(x) : mul(x, sigmoid(mul(x, this.beta)));
  }
  override describe(): string {
    return String(this.beta);
  }
}

export interface PReLUOptions {
  /**
   * One slope for all (1, the default), or one for each channel along axis 1: their number, or -1 for the first batch's.
   */
  inChannels?: number | undefined;
  /** The first value of the slopes; 0.25 by default. */
  alphaInitializer?: InitializerLike | undefined;
}

/** x where it is above 0, else α·x with slopes that are learnt (He et al. 2015). */
export class PReLU extends Layer<SameFn> {
  /** [1] or [channels] */
  readonly alpha: Parameter;
  constructor(options?: PReLUOptions) {
    super();
    const given = checkOptions('PReLU', options, ['inChannels', 'alphaInitializer']);
    const channels = checkInteger('PReLU: inChannels', given.inChannels ?? 1, -1);
    this.alpha = new Parameter({
      shape: [channels === 0 ? checkSize('PReLU: inChannels', channels) : channels],
      init: given.alphaInitializer ?? new Constant(0.25),
    });
    nameOwn(this);
  }
  override forward(x: Tensor): Tensor {
    checkTensor('PReLU', x);
    const { alpha } = this;
    const known = alpha.shape[0] as number;
    if (known !== 1) {
      if (x.ndim < 2) {
        throw new ShapeError(
          `${describeBlock(this)} takes an input with channels along axis 1, but its input has shape ${shownShape(x.shape)}`,
        );
      }
      settleSize(this, alpha, 0, x.shape[1] as number, 'channel', x);
    }
    const slopes: Tensor =
      known === 1 ? alpha.data() : reshape(alpha.data(), [x.shape[1] as number, ...x.shape.slice(2).fill(1)]);
    return where(greater(x, 0), x, mul(x, slopes));
  }
  override describe(): string {
    return String(this.alpha.shape[0]);
  }
}
