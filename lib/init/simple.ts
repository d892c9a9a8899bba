import { greater } from '../ops/compare.js';
import { sum } from '../ops/reduce.js';
import { where } from '../ops/select.js';
import { abs } from '../ops/unary.js';
import { normal } from '../random/index.js';
import { checkNumber, checkRange } from '../support/check.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { type FloatType, fill, fillNormal, fillUniform, Initializer } from './initializer.js';

/** One value throughout. */
export class Constant extends Initializer {
  readonly value: number;
  constructor(value: number) {
    super();
    this.value = checkNumber('Constant', value);
  }
  override initWeight(_name: string, data: Tensor): void {
    fill(data, this.value);
  }
}

/** Zeros. */
export class Zero extends Constant {
  constructor() {
    super(0);
  }
}

/** Ones. */
export class One extends Constant {
  constructor() {
    super(1);
  }
}

/** Uniform in [-scale, scale); scale 0.07 by default, as in Gluon. */
export class Uniform extends Initializer {
  readonly scale: number;
  constructor(scale = 0.07) {
    super();
    this.scale = checkRange('Uniform: scale', scale, 0, Number.MAX_VALUE);
  }
  override initWeight(_name: string, data: Tensor): void {
    fillUniform(data, -this.scale, this.scale);
  }
}

/** Normal with mean 0; standard deviation 0.01 by default, as in Gluon. */
export class Normal extends Initializer {
  readonly sigma: number;
  constructor(sigma = 0.01) {
    super();
    this.sigma = checkRange('Normal: sigma', sigma, 0, Number.MAX_VALUE);
  }
  override initWeight(_name: string, data: Tensor): void {
    fillNormal(data, 0, this.sigma);
  }
}

/** As Normal, with what lies more than two deviations away drawn again (Gluon's TruncNorm). */
export class TruncatedNormal extends Normal {
  override initWeight(_name: string, data: Tensor): void {
    const options = { std: this.sigma, dtype: checkTensor('TruncatedNormal', data).dtype as FloatType };
    let values: Tensor = normal([...data.shape], options);
    for (;;) {
      const isFar = greater(abs(values), 2 * this.sigma);
      if (Number(sum(isFar).item()) === 0) break;
      values = where(isFar, normal([...data.shape], options), values);
    }
    data.copyFrom(values);
  }
}
