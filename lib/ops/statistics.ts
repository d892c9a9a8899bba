import { ArgumentError, ShapeError } from '../errors.js';
import { checkNumber, checkOptions, checkRange, shownShape } from '../support/check.js';
import { type DType, toFloat } from '../tensor/dtype.js';
import type { Axes, Dt, Real, Reduce, ReduceOptions, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { div, mul, pow, sub } from './binary.js';
import { cast } from './cast.js';
import { equal, greater, less } from './compare.js';
import { logicalAnd } from './logical.js';
import { type MethodsOf, withMethod } from './methods.js';
import { checkReduce, countOver, type LooseReduceOptions, max, mean, min, sum } from './reduce.js';
import { where } from './select.js';
import { squares } from './squares.js';
import { abs } from './unary.js';
import { detach, reshape } from './view.js';

export interface VarianceOptions<T, X extends Axes | undefined, K extends boolean> extends ReduceOptions<T, X, K> {
  /** The number that is subtracted from the count by which the sum of squares is divided; 0 by default. */
  ddof?: number;
}

/** A measure of how far numbers lie apart, over axes, and its form as a method. */
interface Spreads {
  <T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
    x: T,
    options?: VarianceOptions<T, X, K>,
  ): Tensor<Reduce<Sh<T>, X, K>, Real<Dt<T>>>;
  readonly method?: <T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
    this: T,
    options?: VarianceOptions<T, X, K>,
  ) => Tensor<Reduce<Sh<T>, X, K>, Real<Dt<T>>>;
}

function spreadOf(
  who: string,
  x: Tensor,
  options: (LooseReduceOptions & { ddof?: number }) | undefined,
  root: boolean,
): Tensor {
  checkTensor(who, x);
  const { ddof = 0, ...over } = checkOptions(who, options, ['axis', 'keepdims', 'ddof']);
  const { axes, keepdims } = checkReduce(who, x, over);
  checkRange(`${who}: ddof`, ddof, 0, Number.MAX_VALUE);
  const count = countOver(x.shape, axes);
  if (count <= ddof && x.size > 0) {
    throw new ShapeError(
      `${who}: ${count} elements along axes [${axes.join(', ')}] of shape ${shownShape(x.shape)} are too few for ddof ${ddof}`,
    );
  }
  // About a number near the mean, which is rounded, and then about what that is off by.
  const along = { axis: axes as number[], keepdims: true } as const;
  const floats = cast(x, toFloat(x.dtype)) as Tensor;
  const near: Tensor = sub(floats, detach(mean(floats, along) as Tensor));
  const deviations: Tensor = sub(near, mean(near, along) as Tensor);
  return squares(deviations, { axes, keepdims, ddof, root });
}

/** The variance Σ(x - mean)²/(n - ddof) over the axes; of integers as float32. */
const variance: Spreads = withMethod('var', (x, options) => spreadOf('var', x, options, false));

/** The standard deviation, the square root of the variance. */
export const std: Spreads = withMethod('std', (x, options) => spreadOf('std', x, options, true));

export interface NormOptions<T, X extends Axes | undefined, K extends boolean> extends ReduceOptions<T, X, K> {
  /** (Σ|x|^ord)^(1/ord), 2 by default; Infinity for the largest |x|, -Infinity for the smallest. */
  ord?: number;
}

interface Norms {
  <T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
    x: T,
    options?: NormOptions<T, X, K>,
  ): Tensor<Reduce<Sh<T>, X, K>, Real<Dt<T>>>;
  readonly method?: <T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
    this: T,
    options?: NormOptions<T, X, K>,
  ) => Tensor<Reduce<Sh<T>, X, K>, Real<Dt<T>>>;
}

/** x^p of x from 0 with the slope 0 at 0, where the power itself may have none, or one that 0 is multiplied by. */
function powOf(x: Tensor, p: number): Tensor {
  const isZero = equal(x, 0);
  return where(isZero, 0, pow(where(isZero, 1, x), p) as Tensor);
}

/** The length of the vectors that lie along the axes, of all elements by default. */
export const norm: Norms = withMethod('norm', lengthOf);

function lengthOf(x: Tensor, options?: LooseReduceOptions & { ord?: number }): Tensor {
  checkTensor('norm', x);
  const { ord = 2, ...given } = checkOptions('norm', options, ['axis', 'keepdims', 'ord']);
  checkNumber('norm: ord', ord);
  if (ord <= 0 && ord !== -Infinity) throw new ArgumentError(`norm takes an ord above 0, or -Infinity, but got ${ord}`);
  const { axes, keepdims } = checkReduce('norm', x, given);
  const over = { axis: axes as number[], keepdims };
  const floats = cast(x, toFloat(x.dtype)) as Tensor;
  const sized = (): Tensor => abs(floats);
  if (ord === Infinity) return max(sized(), over);
  if (ord === -Infinity) return min(sized(), over);
  if (ord === 1) return sum(sized(), over);
  if (ord === 2) return squares(floats, { axes, keepdims, ddof: null, root: true });
  if (x.size === 0) return sum(sized(), over);
  // In units of the largest element, so that powers leave the range no sooner than the result does.
  const largest: Tensor = detach(max(sized(), { axis: axes as number[], keepdims: true }) as Tensor);
  const unit = where(logicalAnd(greater(largest, 0), less(largest, Infinity)), largest, 1) as Tensor;
  const length = powOf(sum(powOf(div(sized(), unit) as Tensor, ord), over) as Tensor, 1 / ord);
  return mul(length, reshape(unit, length.shape));
}

// A name that no declaration may have.
export { variance as var };

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> extends MethodsOf<typeof import('./statistics.js')> {}
}
