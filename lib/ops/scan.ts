import { opcode } from '../native/register.js';
import { checkOptions } from '../support/check.js';
import { type DType, isFloat } from '../tensor/dtype.js';
import { checkAxis } from '../tensor/shape.js';
import type { AxisOption, Dt, Gathered, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { invoke, setInt } from './invoke.js';
import { installFunctions } from './methods.js';
import { apply, defineOp, type Op } from './op.js';
import { flatten } from './view.js';

const CUMSUM = opcode('cumsum');

interface ScanAttrs {
  readonly axis: number;
  readonly backwards: boolean;
}

const cumsumOp: Op<ScanAttrs> = defineOp<ScanAttrs>({
  name: 'cumsum',
  infer: ([x]) => {
    const { shape, dtype } = x as Tensor;
    return { shape, dtype: isFloat(dtype) ? dtype : 'int32' };
  },
  run: ([x], { axis, backwards }, { shape, dtype }) => {
    setInt(0, axis);
    setInt(1, backwards ? 1 : 0);
    return invoke('cumsum', CUMSUM, [x as Tensor], shape, dtype);
  },
  gradient: (g, { attrs: { axis, backwards } }) => [apply(cumsumOp, [g], { axis, backwards: !backwards })],
  saves: {},
});

/**
 * Running sums along an axis, or of the flattened tensor. Integers and bool are summed to int32; a sum that doesn't fit
 * raises.
 */
export function cumsum<T extends Tensor, const X extends number>(
  x: T,
  options: AxisOption<T, X> & { axis: X },
): Tensor<Sh<T>, Gathered<Dt<T>>>;
export function cumsum(x: Tensor, options?: { axis?: number }): Tensor;
export function cumsum(x: Tensor, options?: { axis?: number }): Tensor {
  checkTensor('cumsum', x);
  const { axis } = checkOptions('cumsum', options, ['axis']);
  if (axis === undefined) return apply(cumsumOp, [flatten(x)], { axis: 0, backwards: false });
  return apply(cumsumOp, [x], { axis: checkAxis('cumsum', axis, x.ndim), backwards: false });
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> {
    /** Running sums along an axis, or of the flattened tensor. */
    cumsum<T extends Tensor, const X extends number>(
      this: T,
      options: AxisOption<T, X> & { axis: X },
    ): Tensor<Sh<T>, Gathered<Dt<T>>>;
    cumsum(options?: { axis?: number }): Tensor;
  }
}

installFunctions({ cumsum });
