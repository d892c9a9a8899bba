import { AutogradError, DTypeError } from '../errors.js';
import { checkFunction, checkOptions, checkRange } from '../support/check.js';
import { checkTensor, isTensor, type Tensor } from '../tensor/tensor.js';
import { grad } from './backward.js';
import { record, unrecorded } from './modes.js';

export interface GradCheckOptions {
  /** The step of the central differences; 1e-6 by default. */
  epsilon?: number | undefined;
  /** Absolute tolerance; 1e-5 by default. */
  atol?: number | undefined;
  /** Relative tolerance; 1e-3 by default. */
  rtol?: number | undefined;
}

/**
 * Compares the gradients of `f` at float64 inputs with central differences (f(x + ε) - f(x - ε)) / 2ε, the outputs
 * weighted by fixed numbers that differ from each other. Raises AutogradError that names the input and element; else
 * returns true.
 */
export function gradCheck(
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  options?: GradCheckOptions,
): true {
  checkFunction('gradCheck', f);
  const { epsilon = 1e-6, atol = 1e-5, rtol = 1e-3 } = checkOptions('gradCheck', options, ['epsilon', 'atol', 'rtol']);
  checkRange('gradCheck: epsilon', epsilon, Number.MIN_VALUE, 1);
  checkRange('gradCheck: atol', atol, 0, Infinity);
  checkRange('gradCheck: rtol', rtol, 0, Infinity);
  const points = inputs.map(x => {
    if (checkTensor('gradCheck', x).dtype !== 'float64')
      throw new DTypeError(`gradCheck takes float64 tensors, but got ${x.dtype}`);
    return x.detach().clone().attachGrad() as Tensor;
  });
  const weigh = (values: Float64Array) => values.reduce((total, value, i) => total + value * weight(i), 0);
  const output = record(() => f(...points));
  if (!isTensor(output)) throw new AutogradError('gradCheck takes a function that returns a tensor');
  if (output.dtype !== 'float64') {
    throw new DTypeError(`gradCheck takes a function that returns float64, but it returned ${output.dtype}`);
  }
  const weights = output.detach().clone();
  weights.copyFrom(Float64Array.from({ length: output.size }, (_, i) => weight(i)));
  const gradients = grad(output, points, { headGrads: weights });
  points.forEach((point, i) => {
    const analytic = (gradients[i] as Tensor).toTypedArray() as Float64Array;
    const values = point.toTypedArray() as Float64Array;
    const at = (k: number, value: number) => {
      const moved = Float64Array.from(values);
      moved[k] = value;
      const inputsThere = points.map((p, j) => (j === i ? (p.detach().clone().copyFrom(moved) as Tensor) : p.detach()));
      return weigh(unrecorded(() => f(...inputsThere)).toTypedArray() as Float64Array);
    };
    values.forEach((value, k) => {
      const numeric = (at(k, value + epsilon) - at(k, value - epsilon)) / (2 * epsilon);
      const got = analytic[k] as number;
      if (Math.abs(got - numeric) <= atol + rtol * Math.abs(numeric)) return;
      throw new AutogradError(
        `gradCheck: element ${k} of input ${i}: the gradient is ${got}, the difference quotient ${numeric}`,
      );
    });
  });
  return true;
}

/** 1 to 2 in an irregular order, so that errors of several elements cannot cancel. */
function weight(i: number): number {
  return 1 + ((i * 0.6180339887498949) % 1);
}
