import { ShapeError } from '../errors.js';
import { checkNumber, checkOneOf, checkOptions, checkRange, shown, shownShape } from '../support/check.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { fillNormal, fillUniform, Initializer } from './initializer.js';

export interface XavierOptions {
  /** Which distribution; 'uniform' by default. */
  rndType?: 'uniform' | 'gaussian' | undefined;
  /** Which fan to divide by: the mean of both ('avg', default), that of the inputs or of the outputs. */
  factorType?: 'avg' | 'in' | 'out' | undefined;
  /** 3 by default. */
  magnitude?: number | undefined;
}

/**
 * Scale s = √(magnitude / fan), drawn uniformly from [-s, s) or normally with deviation s, where the fans of a weight
 * [out, in, ...kernel] are in·kernel and out·kernel (Glorot and Bengio 2010; options and defaults as Gluon's).
 */
export class Xavier extends Initializer {
  readonly rndType: 'uniform' | 'gaussian';
  readonly factorType: 'avg' | 'in' | 'out';
  readonly magnitude: number;
  constructor(options?: XavierOptions) {
    super();
    const {
      rndType = 'uniform',
      factorType = 'avg',
      magnitude = 3,
    } = checkOptions('Xavier', options, ['rndType', 'factorType', 'magnitude']);
    this.rndType = checkOneOf('Xavier: rndType', rndType, ['uniform', 'gaussian']);
    this.factorType = checkOneOf('Xavier: factorType', factorType, ['avg', 'in', 'out']);
    this.magnitude = checkRange('Xavier: magnitude', magnitude, 0, Number.MAX_VALUE);
  }
  override initWeight(name: string, data: Tensor): void {
    const [outputs, inputs, ...kernel] = checkTensor(this.constructor.name, data).shape;
    if (outputs === undefined || inputs === undefined) {
      throw new ShapeError(
        `${this.constructor.name} takes a weight of two dimensions or more, but ${shown(name)} has shape ${shownShape(data.shape)}`,
      );
    }
    const area = kernel.reduce((a, b) => a * b, 1);
    const fan = { in: inputs * area, out: outputs * area, avg: ((inputs + outputs) * area) / 2 }[this.factorType];
    const scale = Math.sqrt(this.magnitude / fan);
    if (this.rndType === 'uniform') fillUniform(data, -scale, scale);
    else fillNormal(data, 0, scale);
  }
}

export interface KaimingOptions {
  /** As Xavier's; 'avg' by default. */
  factorType?: 'avg' | 'in' | 'out' | undefined;
  /** The slope of the PReLU after the layer; 0.25 by default, 0 for ReLU. */
  slope?: number | undefined;
}

/** Xavier with gaussian numbers and magnitude 2 / (1 + slope²) (He et al. 2015; Gluon's MSRAPrelu). */
export class Kaiming extends Xavier {
  constructor(options?: KaimingOptions) {
    const { factorType = 'avg', slope = 0.25 } = checkOptions('Kaiming', options, ['factorType', 'slope']);
    checkNumber('Kaiming: slope', slope);
    super({ rndType: 'gaussian', factorType, magnitude: 2 / (1 + slope * slope) });
  }
}
