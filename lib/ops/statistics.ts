import { ArgumentError, ShapeError } from '../errors.js';
import { checkBoolean, checkNumber, checkOptions, checkRange, shownShape } from '../support/check.js';
import { type DType, toFloat } from '../tensor/dtype.js';
import { checkAxes } from '../tensor/shape.js';
import type { Axes, Dt, Real, Reduce, ReduceOptions, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, installMethods, type Tensor } from '../tensor/tensor.js';
import { div, pow, sub } from './binary.js';
import { cast } from './cast.js';
import { equal } from './compare.js';
import { max, mean, min, sum } from './reduce.js';
import { where } from './select.js';
import { abs, sqrt, square } from './unary.js';

export interface VarianceOptions<T, X extends Axes | undefined, K extends boolean> extends ReduceOptions<T, X, K> {
  /** What is taken from the number of elements before the sum of squares is divided by it; 0 by default. */
  ddof?: number;
}

interface LooseOptions {
  axis?: Axes | undefined;
  keepdims?: boolean | undefined;
  ddof?: number | undefined;
}

function variance(who: string, x: Tensor, options: object | undefined): Tensor {
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
  const floats = cast(x, toFloat(x.dtype));
  const over = { axis: axes as number[] };
  const deviations = sub(floats, mean(floats, { ...over, keepdims: true }) as Tensor);
  return div(sum(square(deviations), { ...over, keepdims }) as Tensor, count - ddof) as Tensor;
}

/** The variance Σ(x - mean)²/(n - ddof) over the axes; of integers as float32. */
export function var_<T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
  x: T,
  options?: VarianceOptions<T, X, K>,
): Tensor<Reduce<Sh<T>, X, K>, Real<Dt<T>>> {
  return variance('var', x, options) as never;
}

/** The standard deviation, the square root of the variance. */
export function std<T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
  x: T,
  options?: VarianceOptions<T, X, K>,
): Tensor<Reduce<Sh<T>, X, K>, Real<Dt<T>>> {
  return rootOf(variance('std', x, options)) as never;
}

export interface NormOptions<T, X extends Axes | undefined, K extends boolean> extends ReduceOptions<T, X, K> {
  /** (Σ|x|^ord)^(1/ord), 2 by default; Infinity for the largest |x|, -Infinity for the smallest. */
  ord?: number;
}

/** √x with the slope 0 at 0, where the root itself has none. */
function rootOf(x: Tensor): Tensor {
  const isZero = equal(x, 0);
  return where(isZero, 0, sqrt(where(isZero, 1, x)));
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
  if (ord === 2) return rootOf(sum(square(floats), over) as Tensor) as never;
  return pow(sum(pow(sized(), ord) as Tensor, over) as Tensor, 1 / ord) as never;
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
    return variance('var', this, options);
  },
  std(this: Tensor, options?: object) {
    return std(this, options as never);
  },
  norm(this: Tensor, options?: object) {
    return norm(this, options as never);
  },
});
