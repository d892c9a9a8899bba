import { edgeOf } from '../autograd/tape.js';
import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { Block } from '../nn/block/block.js';
import { mul } from '../ops/binary.js';
import { equal } from '../ops/compare.js';
import { mean } from '../ops/reduce.js';
import { where } from '../ops/select.js';
import { reshape } from '../ops/view.js';
import { checkInteger, checkNumber, checkString, shownShape } from '../support/check.js';
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
 * what broadcasts to the elementwise loss (pred's shape, with the classes' axis as 1), multiplies it before the mean; what
 * has the weight 0 may be anything, for predictions and labels there are not looked at.
 * To write one, extend it and hand the elementwise loss to `reduce`, which weighs it and takes its means:
 *
 * ```ts
 * class Quartic extends loss.Loss {
 *   override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor) {
 *     return this.reduce(pred.sub(label).pow(4), sampleWeight);
 *   }
 * }
 * ```
 */
export abstract class Loss extends Block {
  readonly weight: number;
  readonly batchAxis: number;

  /** `who`: how messages call it, by default its class. */
  constructor(who: string | undefined = new.target.name, options: LossOptions = {}) {
    super();
    if (new.target === Loss)
      throw new ArgumentError('Loss is the base of all losses; extend it, or make one of them, such as new loss.L2()');
    checkString(`${new.target.name}: its name in messages, before its options,`, who);
    this.weight = checkNumber(`${who}: weight`, options.weight ?? 1);
    this.batchAxis = checkInteger(`${who}: batchAxis`, options.batchAxis ?? 0);
  }

  /**
   * Predictions and labels, each with a number to stand in where the sample weight is 0: what lies there, padding or no
   * number at all, then reaches neither the loss nor a gradient, as it would if it were multiplied by 0. `shape` is that
   * of the elementwise loss. Of a weight that has a gradient itself each loss counts, so all stay as they are.
   */
  protected counted(
    sampleWeight: Tensor | undefined,
    shape: readonly number[],
    ...values: readonly (readonly [values: Tensor, standIn: number])[]
  ): Tensor[] {
    const given = values.map(([value]) => value);
    if (sampleWeight === undefined || shape.length === 0) return given;
    const who = this.constructor.name;
    const batch = checkAxis(`${who}: batchAxis`, this.batchAxis, shape.length);
    const weight = fitWeight(who, sampleWeight, shape, batch);
    if (edgeOf(weight) !== null) return given;
    const isOut = equal(weight, 0);
    return values.map(([value, standIn]) => where(isOut, standIn, value) as Tensor);
  }

  /** As `alike`, with what counts alone: of weight 0 a prediction is 0 and a label 1, which no loss refuses. */
  protected aligned(
    who: string,
    pred: Tensor,
    label: Tensor,
    sampleWeight: Tensor | undefined,
    shape?: readonly number[],
  ): readonly [Tensor, Tensor] {
    const [x, z] = alike(who, pred, label);
    return sampleWeight === undefined
      ? [x, z]
      : (this.counted(sampleWeight, shape ?? pred.shape, [x, 0], [z, 1]) as [Tensor, Tensor]);
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
    // A common factor multiplies the smallest tensor, forward and back.
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
export function alike(who: string, pred: Tensor, label: Tensor): readonly [Tensor, Tensor] {
  checkFloatPrediction(who, pred);
  checkTensor(`${who}: label`, label);
  const fits = sameShape(
    label.shape.filter(size => size !== 1),
    pred.shape.filter(size => size !== 1),
  );
  if (!fits) {
    throw new ShapeError(
      `${who} takes labels of the predictions' shape ${shownShape(pred.shape)}, sizes of 1 aside, but got ${shownShape(label.shape)}`,
    );
  }
  const typed = label.cast(pred.dtype);
  return [pred, sameShape(label.shape, pred.shape) ? typed : reshape(typed as Tensor, pred.shape)];
}

export function checkFloatPrediction(who: string, pred: Tensor): void {
  checkTensor(`${who}: pred`, pred);
  if (!isFloat(pred.dtype)) throw new DTypeError(`${who} takes float predictions, but got ${pred.dtype}`);
}

export const common = ['weight', 'batchAxis'] as const;
