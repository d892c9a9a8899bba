import { ShapeError } from '../errors.js';
import { add, div, maximum, mul, rsub, sub } from '../ops/binary.js';
import { greater } from '../ops/compare.js';
import { labelProduct } from '../ops/labels.js';
import { sum } from '../ops/reduce.js';
import { where } from '../ops/select.js';
import { norm } from '../ops/statistics.js';
import { relu, square } from '../ops/unary.js';
import { reshape } from '../ops/view.js';
import { checkNumber, checkOptions, shownShape } from '../support/check.js';
import { checkAxis } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { signs } from './classification.js';
import { alike, common, Loss, type LossOptions } from './loss.js';

export interface MarginOptions extends LossOptions {
  /** Triplet: 1 by default, CosineEmbedding: 0. */
  margin?: number | undefined;
}

/** max(0, |pred - positive|² - |pred - negative|² + margin), the distances summed over all axes but the samples'. */
export class Triplet extends Loss {
  readonly margin: number;

  constructor(options?: MarginOptions) {
    const given = checkOptions('Triplet', options, [...common, 'margin']);
    super('Triplet', given);
    this.margin = checkNumber('Triplet: margin', given.margin ?? 1);
  }

  override forward(pred: Tensor, positive: Tensor, negative: Tensor, sampleWeight?: Tensor): Tensor {
    const [, closeBy] = alike('Triplet', pred, positive);
    const [, farOff] = alike('Triplet', pred, negative);
    const batch = checkAxis('Triplet: batchAxis', this.batchAxis, pred.ndim);
    const others = pred.shape.flatMap((_, d) => (d === batch ? [] : [d]));
    const perSample = pred.shape.map((size, d) => (d === batch ? size : 1));
    const vectors = this.counted(sampleWeight, perSample, [pred, 0], [closeBy, 0], [farOff, 0]);
    const [x, near, far] = vectors as [Tensor, Tensor, Tensor];
    const difference: Tensor = sum(sub(square(sub(near, x)), square(sub(far, x))), { axis: others, keepdims: true });
    return this.reduce(relu(add(difference, this.margin)), sampleWeight);
  }
}

/**
 * Of two vectors for each sample, along the last axis: 1 - cos where the label is 1, max(0, cos - margin) where it is -1; another label
 * raises ValueError.
 */
export class CosineEmbedding extends Loss {
  readonly margin: number;

  constructor(options?: MarginOptions) {
    const given = checkOptions('CosineEmbedding', options, [...common, 'margin']);
    super('CosineEmbedding', given);
    this.margin = checkNumber('CosineEmbedding: margin', given.margin ?? 0);
  }

  override forward(input1: Tensor, input2: Tensor, label: Tensor, sampleWeight?: Tensor): Tensor {
    const who = 'CosineEmbedding';
    const [first, second] = alike(who, input1, input2);
    checkTensor(`${who}: label`, label);
    const kept = [...first.shape.slice(0, -1), 1];
    if (first.ndim < 2 || label.size !== kept.reduce((a, b) => a * b, 1)) {
      throw new ShapeError(
        `${who} takes vectors along the last axis of two axes or more and a label for each, but got vectors of shape ${shownShape(first.shape)} and labels of shape ${shownShape(label.shape)}`,
      );
    }
    const typed: Tensor = reshape(label.cast(first.dtype) as Tensor, kept);
    const counted = this.counted(sampleWeight, kept, [first, 0], [second, 0], [typed, 1]);
    const [x, y, sides] = counted as [Tensor, Tensor, Tensor];
    const along = { axis: -1, keepdims: true } as const;
    const lengths: Tensor = mul(norm(x, along), norm(y, along));
    const cosine: Tensor = div(sum(mul(x, y), along), maximum(lengths, 1e-12));
    // cos where the label is 1, -cos where it is -1.
    const towards = labelProduct(cosine, sides, signs(who));
    const away = relu(rsub(-this.margin, towards));
    return this.reduce(where(greater(sides, 0), rsub(1, towards), away), sampleWeight);
  }
}
