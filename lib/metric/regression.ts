import { unrecorded } from '../autograd/modes.js';
import { ShapeError } from '../errors.js';
import { sub } from '../ops/binary.js';
import { sum } from '../ops/reduce.js';
import { abs, square } from '../ops/unary.js';
import { reshape } from '../ops/view.js';
import { shownShape } from '../support/check.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { Metric, type MetricOptions, nameOf } from './metric.js';

/** predictions - labels in float64, of one number of elements. */
function errors(who: string, labels: Tensor, predictions: Tensor): Tensor {
  checkTensor(`${who}: labels`, labels);
  checkTensor(`${who}: predictions`, predictions);
  const plain = (shape: readonly number[]) => shape.filter(size => size !== 1).join();
  if (plain(labels.shape) !== plain(predictions.shape)) {
    throw new ShapeError(
      `${who}: labels of shape ${shownShape(labels.shape)} for predictions of shape ${shownShape(predictions.shape)}`,
    );
  }
  const like = reshape(labels.cast('float64') as Tensor, predictions.shape) as Tensor;
  return sub(predictions.cast('float64') as Tensor, like);
}

/** The mean of |prediction - label| over all elements. */
export class MAE extends Metric {
  constructor(options?: MetricOptions) {
    super(nameOf('MAE', options, 'mae'));
  }

  override update(labels: Tensor, predictions: Tensor): void {
    unrecorded(() => this.add(Number(sum(abs(errors('MAE', labels, predictions))).item()), labels.size));
  }
}

/** The mean of (prediction - label)² over all elements. */
export class MSE extends Metric {
  constructor(options?: MetricOptions) {
    super(nameOf('MSE', options, 'mse'));
  }

  override update(labels: Tensor, predictions: Tensor): void {
    unrecorded(() => this.add(Number(sum(square(errors('MSE', labels, predictions))).item()), labels.size));
  }
}

/** The square root of the mean of (prediction - label)² over all elements of all batches. */
export class RMSE extends Metric {
  constructor(options?: MetricOptions) {
    super(nameOf('RMSE', options, 'rmse'));
  }

  override update(labels: Tensor, predictions: Tensor): void {
    unrecorded(() => this.add(Number(sum(square(errors('RMSE', labels, predictions))).item()), labels.size));
  }

  override get value(): number {
    return Math.sqrt(this.mean);
  }
}
