import { ShapeError } from '../errors.js';
import { add, mul, rsub, sub } from '../ops/binary.js';
import { equal } from '../ops/compare.js';
import { crossEntropy } from '../ops/cross-entropy.js';
import { type LabelRange, labelProduct, sigmoidCrossEntropy } from '../ops/labels.js';
import { checkedLogarithms, checkedProbabilities } from '../ops/range.js';
import { sum } from '../ops/reduce.js';
import { where } from '../ops/select.js';
import { logSoftmax } from '../ops/softmax.js';
import { log, neg, relu, square } from '../ops/unary.js';
import { reshape, transpose } from '../ops/view.js';
import { checkBoolean, checkInteger, checkNumber, checkOneOf, checkOptions, shownShape } from '../support/check.js';
import { checkAxis, sameShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { checkFloatPrediction, common, Loss, type LossOptions } from './loss.js';

const noLogs = 'for what goes into a softmax leave fromLogits out, and of probabilities take log()';

export interface SoftmaxCrossEntropyOptions extends LossOptions {
  /** The axis of the classes; -1 by default. */
  axis?: number | undefined;
  /**
   * true (default): labels are class numbers, of the predictions' shape without the class axis. false: they are
   * probabilities.
   */
  sparseLabel?: boolean | undefined;
  /** Whether predictions are logarithms of probabilities already. */
  fromLogits?: boolean | undefined;
}

/** The range of labels that are probabilities, for messages. */
function shares(who: string): LabelRange {
  return { who, low: 0, high: 1, takes: 'labels from 0 to 1' };
}

/**
 * -ln softmax(pred) at the label's class; with dense labels -Σ label·ln softmax(pred). A label that is no whole number
 * from 0 to classes - 1 raises ValueError, which names it; so does a dense one outside [0, 1], and a prediction above 0
 * where they are said to be logarithms.
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
    const kept = pred.shape.map((size, d) => (d === axis ? 1 : size));
    if (!this.sparseLabel) {
      const [x, target] = this.aligned(who, pred, label, sampleWeight, kept);
      const logs: Tensor = this.fromLogits ? checkedLogarithms(who, x, noLogs) : logSoftmax(x, { axis });
      const products = labelProduct(logs, target, shares(`${who} with sparseLabel: false`));
      return this.reduce(neg(sum(products, { axis, keepdims: true })), sampleWeight);
    }
    const expected = pred.shape.filter((_, d) => d !== axis);
    if (!sameShape(label.shape, expected) && !sameShape(label.shape, kept)) {
      throw new ShapeError(
        `${who} takes class numbers of shape ${shownShape(expected)} for predictions of shape ${shownShape(pred.shape)}, but got labels of shape ${shownShape(label.shape)}; for probabilities pass { sparseLabel: false }`,
      );
    }
    const [x, z] = (
      sampleWeight === undefined
        ? [pred, label]
        : this.counted(sampleWeight, kept, [pred, 0], [reshape(label, kept) as Tensor, 0])
    ) as [Tensor, Tensor];
    const last = pred.ndim - 1;
    const rows: Tensor = axis === last ? x : transpose(x, [...pred.shape.keys()].filter(d => d !== axis).concat(axis));
    const classes: Tensor = z.ndim === last ? z : reshape(z, expected);
    const entropy = crossEntropy(rows, classes, this.fromLogits);
    const losses: Tensor = this.fromLogits ? neg(checkedLogarithms(who, neg(entropy) as Tensor, noLogs)) : entropy;
    // Without the classes' axis the samples' is the same, unless it comes after it; weights broadcast with it.
    const plain = axis === last && last > 0 && this.batchAxis >= 0 && sampleWeight === undefined;
    return this.reduce(plain ? losses : reshape(losses, kept), sampleWeight);
  }
}

export interface SigmoidBinaryCrossEntropyOptions extends LossOptions {
  /**
   * Whether predictions are probabilities already, from 0 to 1, rather than what goes into the sigmoid; false by default.
   */
  fromSigmoid?: boolean | undefined;
}

/**
 * -(z·ln σ(x) + (1 - z)·ln(1 - σ(x))), as max(x, 0) - x·z + ln(1 + e^-|x|), which never overflows. A label outside
 * [0, 1] raises ValueError, which names it.
 */
export class SigmoidBinaryCrossEntropy extends Loss {
  readonly fromSigmoid: boolean;

  constructor(options?: SigmoidBinaryCrossEntropyOptions) {
    const given = checkOptions('SigmoidBinaryCrossEntropy', options, [...common, 'fromSigmoid']);
    super('SigmoidBinaryCrossEntropy', given);
    this.fromSigmoid = checkBoolean('SigmoidBinaryCrossEntropy: fromSigmoid', given.fromSigmoid ?? false);
  }

  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const who = 'SigmoidBinaryCrossEntropy';
    const [x, z] = this.aligned(who, pred, label, sampleWeight);
    const range = { ...shares(who), hint: 'for class numbers take SoftmaxCrossEntropy' };
    if (!this.fromSigmoid) return this.reduce(sigmoidCrossEntropy(x, z, range), sampleWeight);
    const p = checkedProbabilities(who, x);
    const tiny = 1e-12;
    const hit = labelProduct(log(add(p, tiny)), z, range);
    const miss = mul(log(add(rsub(1, p), tiny)), rsub(1, z));
    return this.reduce(neg(add(hit, miss)), sampleWeight);
  }
}

export interface HingeOptions extends LossOptions {
  /** How far on its side a prediction must be to cost nothing; 1 by default. */
  margin?: number | undefined;
}

/** The range of labels of two classes, for messages. */
export function signs(who: string, hint = 'for labels 0 and 1 pass label.mul(2).sub(1)'): LabelRange {
  return { who, low: -1, high: 1, endsOnly: true, takes: 'labels -1 and 1', hint };
}

/** max(0, margin - pred·label), for labels -1 and 1; another raises ValueError. */
export class Hinge extends Loss {
  readonly margin: number;

  constructor(options?: HingeOptions) {
    const given = checkOptions('Hinge', options, [...common, 'margin']);
    super('Hinge', given);
    this.margin = checkNumber('Hinge: margin', given.margin ?? 1);
  }

  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = this.aligned('Hinge', pred, label, sampleWeight);
    return this.reduce(relu(rsub(this.margin, labelProduct(x, z, signs('Hinge')))), sampleWeight);
  }
}

/** max(0, margin - pred·label)², for labels -1 and 1; another raises ValueError. */
export class SquaredHinge extends Loss {
  readonly margin: number;

  constructor(options?: HingeOptions) {
    const given = checkOptions('SquaredHinge', options, [...common, 'margin']);
    super('SquaredHinge', given);
    this.margin = checkNumber('SquaredHinge: margin', given.margin ?? 1);
  }

  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = this.aligned('SquaredHinge', pred, label, sampleWeight);
    return this.reduce(square(relu(rsub(this.margin, labelProduct(x, z, signs('SquaredHinge'))))), sampleWeight);
  }
}

export interface LogisticOptions extends LossOptions {
  /** 'signed' (default): labels are -1 and 1; 'binary': 0 and 1, or between. */
  labelFormat?: 'signed' | 'binary' | undefined;
}

/**
 * ln(1 + e^(-pred·label)) for signed labels, and the same of binary ones; never overflows. Other labels raise ValueError.
 */
export class Logistic extends Loss {
  readonly labelFormat: 'signed' | 'binary';

  constructor(options?: LogisticOptions) {
    const given = checkOptions('Logistic', options, [...common, 'labelFormat']);
    super('Logistic', given);
    this.labelFormat = checkOneOf('Logistic: labelFormat', given.labelFormat ?? 'signed', ['signed', 'binary']);
  }

  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = this.aligned('Logistic', pred, label, sampleWeight);
    const isSigned = this.labelFormat === 'signed';
    const range = isSigned
      ? signs('Logistic', "for labels 0 and 1 pass { labelFormat: 'binary' }")
      : {
          ...shares("Logistic with labelFormat: 'binary'"),
          hint: "for labels -1 and 1 pass { labelFormat: 'signed' }",
        };
    return this.reduce(sigmoidCrossEntropy(x, z, range, isSigned), sampleWeight);
  }
}

export interface KLDivOptions extends LossOptions {
  /** The axis of the classes, where predictions are no logarithms yet; -1 by default. */
  axis?: number | undefined;
  /** Whether predictions are logarithms of probabilities (default), rather than what goes into a softmax. */
  fromLogits?: boolean | undefined;
}

/**
 * label·(ln label - pred), the labels probabilities: the mean of its elements, as Gluon's, not their sum. A label outside
 * [0, 1] raises ValueError, and so does a prediction above 0 where they are logarithms.
 */
export class KLDiv extends Loss {
  readonly axis: number;
  readonly fromLogits: boolean;

  constructor(options?: KLDivOptions) {
    const given = checkOptions('KLDiv', options, [...common, 'axis', 'fromLogits']);
    super('KLDiv', given);
    this.axis = checkInteger('KLDiv: axis', given.axis ?? -1);
    this.fromLogits = checkBoolean('KLDiv: fromLogits', given.fromLogits ?? true);
  }

  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = this.aligned('KLDiv', pred, label, sampleWeight);
    const hint = 'for what goes into a softmax pass { fromLogits: false }, and of probabilities take log()';
    const logs: Tensor = this.fromLogits ? checkedLogarithms('KLDiv', x, hint) : logSoftmax(x, { axis: this.axis });
    // 0·ln 0 is 0.
    const entropy = log(where(equal(z, 0), 1, z));
    return this.reduce(labelProduct(sub(entropy, logs), z, shares('KLDiv')), sampleWeight);
  }
}
