import { ShapeError } from '../errors.js';
import { add, mul, rsub, sub } from '../ops/binary.js';
import { equal } from '../ops/compare.js';
import { crossEntropy } from '../ops/cross-entropy.js';
import { checkedProbabilities } from '../ops/probability.js';
import { sum } from '../ops/reduce.js';
import { where } from '../ops/select.js';
import { logSoftmax } from '../ops/softmax.js';
import { abs, log, neg, relu, softplus, square } from '../ops/unary.js';
import { reshape, transpose } from '../ops/view.js';
import { checkBoolean, checkInteger, checkNumber, checkOneOf, checkOptions, shownShape } from '../support/check.js';
import { checkAxis, sameShape } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { alike, checkFloatPrediction, common, Loss, type LossOptions } from './loss.js';

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
  /** Whether predictions are probabilities already, from 0 to 1, rather than what goes into the sigmoid; false by default. */
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
    const p = checkedProbabilities('SigmoidBinaryCrossEntropy', x);
    const tiny = 1e-12;
    const hit = mul(log(add(p, tiny)), z);
    const miss = mul(log(add(rsub(1, p), tiny)), rsub(1, z));
    return this.reduce(neg(add(hit, miss)), sampleWeight);
  }
}

export interface HingeOptions extends LossOptions {
  /** How far on its side a prediction must be to cost nothing; 1 by default. */
  margin?: number | undefined;
}

/** max(0, margin - pred·label), for labels -1 and 1. */
export class Hinge extends Loss {
  readonly margin: number;

  constructor(options?: HingeOptions) {
    const given = checkOptions('Hinge', options, [...common, 'margin']);
    super('Hinge', given);
    this.margin = checkNumber('Hinge: margin', given.margin ?? 1);
  }

  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = alike('Hinge', pred, label);
    return this.reduce(relu(rsub(this.margin, mul(x, z))), sampleWeight);
  }
}

/** max(0, margin - pred·label)², for labels -1 and 1. */
export class SquaredHinge extends Loss {
  readonly margin: number;

  constructor(options?: HingeOptions) {
    const given = checkOptions('SquaredHinge', options, [...common, 'margin']);
    super('SquaredHinge', given);
    this.margin = checkNumber('SquaredHinge: margin', given.margin ?? 1);
  }

  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, z] = alike('SquaredHinge', pred, label);
    return this.reduce(square(relu(rsub(this.margin, mul(x, z)))), sampleWeight);
  }
}

export interface LogisticOptions extends LossOptions {
  /** 'signed' (default): labels are -1 and 1; 'binary': 0 and 1. */
  labelFormat?: 'signed' | 'binary' | undefined;
}

/** ln(1 + e^(-pred·label)) for signed labels, and the same of binary ones; never overflows. */
export class Logistic extends Loss {
  readonly labelFormat: 'signed' | 'binary';

  constructor(options?: LogisticOptions) {
    const given = checkOptions('Logistic', options, [...common, 'labelFormat']);
    super('Logistic', given);
    this.labelFormat = checkOneOf('Logistic: labelFormat', given.labelFormat ?? 'signed', ['signed', 'binary']);
  }

  override forward(pred: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const [x, given] = alike('Logistic', pred, label);
    const z: Tensor = this.labelFormat === 'signed' ? mul(add(given, 1), 0.5) : given;
    return this.reduce(add(sub(relu(x), mul(x, z)), softplus(neg(abs(x)))), sampleWeight);
  }
}

export interface KLDivOptions extends LossOptions {
  /** The axis of the classes, where predictions are no logarithms yet; -1 by default. */
  axis?: number | undefined;
  /** Whether predictions are logarithms of probabilities (default), rather than what goes into a softmax. */
  fromLogits?: boolean | undefined;
}

/** label·(ln label - pred), the labels probabilities: the mean of its elements, as Gluon's, not their sum. */
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
    const [x, z] = alike('KLDiv', pred, label);
    const logs: Tensor = this.fromLogits ? x : logSoftmax(x, { axis: this.axis });
    // 0·ln 0 is 0.
    const entropy = log(where(equal(z, 0), 1, z));
    return this.reduce(mul(z, sub(entropy, logs)), sampleWeight);
  }
}
