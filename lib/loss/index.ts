import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { Block } from '../nn/block.js';
import { add, div, mul, rsub, sub } from '../ops/binary.js';
import { greater } from '../ops/compare.js';
import { crossEntropy } from '../ops/cross-entropy.js';
import { mean, sum } from '../ops/reduce.js';
import { where } from '../ops/select.js';
import { logSoftmax } from '../ops/softmax.js';
import { abs, log, neg, relu, softplus, square } from '../ops/unary.js';
import { reshape, transpose } from '../ops/view.js';
import { checkBoolean, checkInteger, checkNumber, checkOptions, checkRange, shownShape } from '../support/check.js';
import { isFloat } from '../tensor/dtype.js';
import { checkAxis, sameShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';

export interface LossOptions {
  /** Multiplies every loss; 1 by default (L2: 1/2 of it). */
  weight?: number | undefined;
  /** The axis of the samples; 0 by default. The loss is the mean over all others. */
  batchAxis?: number | undefined;
}

/**
 * The base of losses: one number per sample. Called as `loss(pred, label, sampleWeight?)`: a weight for each sample, or
 * what broadcasts to the elementwise loss (pred's shape, with the classes' axis as 1), multiplies it before the mean.
 */
export abstract class Loss extends Block {
  readonly weight: number;
  readonly batchAxis: number;

  constructor(who: string, options: LossOptions = {}) {
    super();
    if (new.target === Loss)
      throw new ArgumentError('Loss is the base of all losses; extend it, or make one of them, such as new loss.L2()');
    this.weight = checkNumber(`${who}: weight`, options.weight ?? 1);
    this.batchAxis = checkInteger(`${who}: batchAxis`, options.batchAxis ?? 0);
  }

  /** Weighs an elementwise loss and takes its mean over all axes but the samples', times `scale` and the loss's weight. */
  protected reduce(loss: Tensor, sampleWeight: Tensor | undefined, scale = 1): Tensor {
    const who = this.constructor.name;
    if (loss.ndim === 0)
      throw new ShapeError(`${who} takes predictions with an axis for the samples, but got a scalar`);
    const batch = checkAxis(`${who}: batchAxis`, this.batchAxis, loss.ndim);
    const weighed = sampleWeight === undefined ? loss : mul(loss, fitWeight(who, sampleWeight, loss.shape, batch));
    const others = weighed.shape.flatMap((_, d) => (d === batch ? [] : [d]));
    const means: Tensor = others.length === 0 ? weighed : mean(weighed, { axis: others });
    // What multiplies all alike does so where there are fewest: forward and back.
    const factor = scale * this.weight;
    return factor === 1 ? means : mul(means, factor);
  }
}

/** A weight for each sample along its axis, or what broadcasts to the elementwise loss without making it larger. */
function fitWeight(who: string, weight: unknown, shape: readonly number[], batch: number): Tensor {
  const w = checkTensor(`${who}: sampleWeight`, weight);
  const perSample = shape.map((size, d) => (d === batch ? size : 1));
  if (w.ndim === 1 && w.shape[0] === perSample[batch]) return reshape(w, perSample);
  const fits = w.ndim === shape.length && w.shape.every((size, d) => size === 1 || size === shape[d]);
  if (fits || w.ndim === 0) return w;
  throw new ShapeError(
    `${who} takes sample weights of shape [${perSample[batch]}]${shape.length > 1 ? ` or ${shownShape(perSample)}` : ''} for a loss of shape ${shownShape(shape)}, but got ${shownShape(w.shape)}`,
  );
}

/** Predictions of a float type, and labels of the same shape but for sizes of 1, in the predictions' shape and type. */
function alike(who: string, pred: Tensor, label: Tensor): readonly [Tensor, Tensor] {
  checkFloatPrediction(who, pred);
  checkTensor(`${who}: label`, label);
  const fits = sameShape(
    label.shape.filter(size => size !== 1),
    pred.shape.filter(size => size !== 1),
  );
  if (!fits) {
    throw new ShapeError(
      `${who}: label of shape ${shownShape(label.shape)} for predictions of shape ${shownShape(pred.shape)}`,
    );
  }
  const typed = label.cast(pred.dtype);
  return [pred, sameShape(label.shape, pred.shape) ? typed : reshape(typed as Tensor, pred.shape)];
}

function checkFloatPrediction(who: string, pred: Tensor): void {
  checkTensor(`${who}: pred`, pred);
  if (!isFloat(pred.dtype)) throw new DTypeError(`${who} takes float predictions, but got ${pred.dtype}`);
}

const common = ['weight', 'batchAxis'] as const;

export interface SoftmaxCrossEntropyOptions extends LossOptions {
  /** The axis of the classes; -1 by default. */
  axis?: number | undefined;
  /** true (default): labels are class numbers, of the predictions' shape without the class axis. false: they are probabilities. */
  sparseLabel?: boolean | undefined;
  /** Whether predictions are logarithms of probabilities already. */
  fromLogits?: boolean | undefined;
}

/**
 * -ln softmax(pred) at the label's class; with dense labels -Σ label·ln softmax(pred). A label that is no whole number
 * from 0 to classes - 1 raises ValueError, which names it.
 */
export class SoftmaxCrossEntropy extends Loss {
  readonly axis: number;
  readonly sparseLabel: boolean;
  readonly fromLogits: boolean;

  constructor(options?: SoftmaxCrossEntropyOptions) {
    const given = checkOptions('SoftmaxCrossEntropy', options, [...common, 'axis', 'sparseLabel', 'fromLogits']);
    super('SoftmaxCrossEntropy', given);
    this.axis = checkInteger('SoftmaxCrossEntropy: axis', given.axis ?? -1);
    this.sparseLabel = checkBoolean('SoftmaxCrossEntropy: sparseLabel', given.sparseLabel ?? true);
    this.fromLogits = checkBoolean('SoftmaxCrossEntropy: fromLogits', given.fromLogits ?? false);
  }

  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const who = 'SoftmaxCrossEntropy';
    checkFloatPrediction(who, pred);
    checkTensor(`${who}: label`, label);
    const axis = checkAxis(who, this.axis, pred.ndim);
    if (!this.sparseLabel) {
      const [, target] = alike(who, pred, label);
      const logs: Tensor = this.fromLogits ? pred : logSoftmax(pred, { axis });
      return this.reduce(neg(sum(mul(logs, target), { axis, keepdims: true })), sampleWeight);
    }
    const expected = pred.shape.filter((_, d) => d !== axis);
    const kept = pred.shape.map((size, d) => (d === axis ? 1 : size));
    if (!sameShape(label.shape, expected) && !sameShape(label.shape, kept)) {
      throw new ShapeError(
        `${who} takes class numbers of shape ${shownShape(expected)} for predictions of shape ${shownShape(pred.shape)}, but got labels of shape ${shownShape(label.shape)}; for probabilities pass { sparseLabel: false }`,
      );
    }
    const last = pred.ndim - 1;
    const rows: Tensor =
      axis === last ? pred : transpose(pred, [...pred.shape.keys()].filter(d => d !== axis).concat(axis));
    const classes: Tensor = label.ndim === last ? label : reshape(label, expected);
    const losses = crossEntropy(rows, classes, this.fromLogits);
    // Without the classes' axis the samples' is the same, unless it lies behind it; weights broadcast with it.
    const plain = axis === last && last > 0 && this.batchAxis >= 0 && sampleWeight === undefined;
    return this.reduce(plain ? losses : reshape(losses, kept), sampleWeight);
  }
}

export interface SigmoidBinaryCrossEntropyOptions extends LossOptions {
  /** Whether predictions are probabilities already, rather than what goes into the sigmoid. */
  fromSigmoid?: boolean | undefined;
}

/** -(z·ln σ(x) + (1 - z)·ln(1 - σ(x))), as max(x, 0) - x·z + ln(1 + e^-|x|), which never overflows. */
export class SigmoidBinaryCrossEntropy extends Loss {
  readonly fromSigmoid: boolean;

  constructor(options?: SigmoidBinaryCrossEntropyOptions) {
    const given = checkOptions('SigmoidBinaryCrossEntropy', options, [...common, 'fromSigmoid']);
    super('SigmoidBinaryCrossEntropy', given);
    this.fromSigmoid = checkBoolean('SigmoidBinaryCrossEntropy: fromSigmoid', given.fromSigmoid ?? false);
  }

  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = alike('SigmoidBinaryCrossEntropy', pred, label);
    if (!this.fromSigmoid) return this.reduce(add(sub(relu(x), mul(x, z)), softplus(neg(abs(x)))), sampleWeight);
    const tiny = 1e-12;
    const hit = mul(log(add(x, tiny)), z);
    const miss = mul(log(add(rsub(1, x), tiny)), rsub(1, z));
    return this.reduce(neg(add(hit, miss)), sampleWeight);
  }
}

/** (pred - label)² / 2. */
export class L2 extends Loss {
  constructor(options?: LossOptions) {
    super('L2', checkOptions('L2', options, common));
  }
  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = alike('L2', pred, label);
    return this.reduce(square(sub(x, z)), sampleWeight, 0.5);
  }
}

/** |pred - label|. */
export class L1 extends Loss {
  constructor(options?: LossOptions) {
    super('L1', checkOptions('L1', options, common));
  }
  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = alike('L1', pred, label);
    return this.reduce(abs(sub(x, z)), sampleWeight);
  }
}

export interface HuberOptions extends LossOptions {
  /** Where the square becomes a line; 1 by default. */
  rho?: number | undefined;
}

/** d²/(2ρ) where d = |pred - label| is at most ρ, else d - ρ/2. */
export class Huber extends Loss {
  readonly rho: number;

  constructor(options?: HuberOptions) {
    const given = checkOptions('Huber', options, [...common, 'rho']);
    super('Huber', given);
    this.rho = checkRange('Huber: rho', given.rho ?? 1, 0, Number.MAX_VALUE);
    if (this.rho === 0) throw new ArgumentError('Huber: rho takes a number above 0, but got 0');
  }

  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = alike('Huber', pred, label);
    const d: Tensor = abs(sub(x, z));
    return this.reduce(where(greater(d, this.rho), sub(d, this.rho / 2), div(square(d), 2 * this.rho)), sampleWeight);
  }
}
