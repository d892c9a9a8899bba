import { ArgumentError, ShapeError } from '../errors.js';
import { checkBoolean, checkNumber, checkOptions, checkRange, shownShape } from '../support/check.js';
import { type DType, toFloat } from '../tensor/dtype.js';
import { checkAxes } from '../tensor/shape.js';
import type { Axes, Dt, Real, Reduce, ReduceOptions, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, installMethods, type Tensor } from '../tensor/tensor.js';
import { div, mul, pow, sub } from './binary.js';
import { cast } from './cast.js';
import { equal, greater, less } from './compare.js';
import { logicalAnd } from './logical.js';
import { max, mean, min, sum } from './reduce.js';
import { where } from './select.js';
import { squares } from './squares.js';
import { abs } from './unary.js';
import { detach, reshape } from './view.js';

export interface VarianceOptions<T, X extends Axes | undefined, K extends boolean> extends ReduceOptions<T, X, K> {
  /** The number that is subtracted from the count by which the sum of squares is divided; 0 by default. */
  ddof?: number;
}

interface LooseOptions {
  axis?: Axes | undefined;
  keepdims?: boolean | undefined;
  ddof?: number | undefined;
}

function spreadOf(who: string, x: Tensor, options: object | undefined, root: boolean): Tensor {
  checkTensor(who, x);
  const {
    axis,
    keepdims = false,
    ddof = 0,
  } = checkOptions(who, options as LooseOptions | undefined, ['axis', 'keepdims', 'ddof']);
  const axes = checkAxes(who, axis, x.ndim);
  checkBoolean(`${who}: keepdims`, keepdims);
  checkRange(`${who}: ddof`, ddof, 0, Number.MAX_VALUE);
  const count = axes.reduce((n, d) => n * (x.shape[d] as number), 1);
  if (count <= ddof && x.size > 0) {
    throw new ShapeError(
      `${who}: ${count} elements along axes [${axes.join(', ')}] of shape ${shownShape(x.shape)} are too few for ddof ${ddof}`,
    );
  }
  // About a number near the mean, which is rounded, and then about what that is off by.
  const over = { axis: axes as number[], keepdims: true } as const;
  const floats = cast(x, toFloat(x.dtype)) as Tensor;
  const near: Tensor = sub(floats, detach(mean(floats, over) as Tensor));
  const deviations: Tensor = sub(near, mean(near, over) as Tensor);
  return squares(deviations, { axes, keepdims, ddof, root });
}

/** The variance Σ(x - mean)²/(n - ddof) over the axes; of integers as float32. */
export function var_<T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
  x: T,
  options?: VarianceOptions<T, X, K>,
): Tensor<Reduce<Sh<T>, X, K>, Real<Dt<T>>> {
  return spreadOf('var', x, options, false) as never;
}

/** The standard deviation, the square root of the variance. */
export function std<T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
  x: T,
  options?: VarianceOptions<T, X, K>,
): Tensor<Reduce<Sh<T>, X, K>, Real<Dt<T>>> {
  return spreadOf('std', x, options, true) as never;
}

export interface NormOptions<T, X extends Axes | undefined, K extends boolean> extends ReduceOptions<T, X, K> {
  /** (Σ|x|^ord)^(1/ord), 2 by default; Infinity for the largest |x|, -Infinity for the smallest. */
  ord?: number;
}

/** x^p of x from 0 with the slope 0 at 0, where the power itself may have none, or one that 0 is multiplied by. */
function powOf(x: Tensor, p: number): Tensor {
  const isZero = equal(x, 0);
  return where(isZero, 0, pow(where(isZero, 1, x), p) as Tensor);
}

/** The length of the vectors that lie along the axes, of all elements by default. */
export function norm<T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
  x: T,
  options?: NormOptions<T, X, K>,
): Tensor<Reduce<Sh<T>, X, K>, Real<Dt<T>>> {
  checkTensor('norm', x);
  const {
    axis,
    keepdims = false,
    ord = 2,
  } = checkOptions('norm', options as (LooseOptions & { ord?: number }) | undefined, ['axis', 'keepdims', 'ord']);
  checkNumber('norm: ord', ord);
  if (ord <= 0 && ord !== -Infinity) throw new ArgumentError(`norm takes an ord above 0, or -Infinity, but got ${ord}`);
  const over = { axis: axis as number[], keepdims: checkBoolean('norm: keepdims', keepdims) };
  const floats = cast(x, toFloat(x.dtype)) as Tensor;
  const sized = (): Tensor => abs(floats);
  if (ord === Infinity) return max(sized(), over) as never;
  if (ord === -Infinity) return min(sized(), over) as never;
  if (ord === 1) return sum(sized(), over) as never;
  const axes = checkAxes('norm', axis, x.ndim);
  if (ord === 2) return squares(floats, { axes, keepdims: over.keepdims, ddof: null, root: true }) as never;
  if (x.size === 0) return sum(sized(), over) as never;
  // In units of the largest element, so that powers leave the range no sooner than the result does.
  const largest: Tensor = detach(max(sized(), { axis: axes as number[], keepdims: true }) as Tensor);
  const unit = where(logicalAnd(greater(largest, 0), less(largest, Infinity)), largest, 1) as Tensor;
  const length = powOf(sum(powOf(div(sized(), unit) as Tensor, ord), over) as Tensor, 1 / ord);
  return mul(length, reshape(unit, length.shape)) as never;
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> {
    /** The variance over the axes. */
    var<T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
      this: T,
      options?: VarianceOptions<T, X, K>,
    ): Tensor<Reduce<Sh<T>, X, K>, Real<Dt<T>>>;
    /** The standard deviation over the axes. */
    std<T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
      this: T,
      options?: VarianceOptions<T, X, K>,
    ): Tensor<Reduce<Sh<T>, X, K>, Real<Dt<T>>>;
    /** The length of the vectors that lie along the axes. */
    norm<T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
      this: T,
      options?: NormOptions<T, X, K>,
    ): Tensor<Reduce<Sh<T>, X, K>, Real<Dt<T>>>;
  }
}

installMethods({
  var(this: Tensor, options?: object) {
    return var_(this, options as never);
  },
  std(this: Tensor, options?: object) {
    return std(this, options as never);
  },
  norm(this: Tensor, options?: object) {
    return norm(this, options as never);
  },
});
