import { opcode } from '../native/register.js';
import { toFloat } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import { div, mul } from './binary.js';
import { inDType } from './cast.js';
import { equal } from './compare.js';
import { invoke, setInt, setReal } from './invoke.js';
import { apply, defineOp } from './op.js';
import { bitSet, countOver, type ReduceAttrs, reducedShape, spread } from './reduce.js';
import { where } from './select.js';

const SQUARES = opcode('squares');

export interface SquaresAttrs extends ReduceAttrs {
  /** The number that is subtracted from the count by which the sum is divided; null where it is not divided. */
  readonly ddof: number | null;
  /** Whether the root is taken. */
  readonly root: boolean;
}

function divisorOf(shape: readonly number[], { axes, ddof }: SquaresAttrs): number {
  return ddof === null ? 1 : countOver(shape, axes) - ddof;
}

const squaresOp = defineOp<SquaresAttrs>({
  name: 'squares',
  infer: ([x], attrs) => ({ shape: reducedShape((x as Tensor).shape, attrs), dtype: toFloat((x as Tensor).dtype) }),
  run: ([x], attrs, { shape, dtype }) => {
    const source = inDType(x as Tensor, dtype) as Tensor;
    setInt(0, bitSet(attrs.axes));
    setInt(1, Number(attrs.root));
    setReal(0, divisorOf(source.shape, attrs));
    return invoke('squares', SQUARES, [source], shape, dtype);
  },
  // Of Σx²/d it is 2x/d, and of its root y x/(d·y), which is taken as 0 at 0.
  gradient: (g, { inputs, output, attrs }) => {
    const x = inputs[0] as Tensor;
    const y = output as Tensor;
    const isZero = equal(y, 0);
    const divisor = divisorOf(x.shape, attrs);
    const each = attrs.root ? where(isZero, 0, div(div(g, where(isZero, 1, y)), divisor)) : mul(g, 2 / divisor);
    return [inDType(mul(x, spread(each as Tensor, x.shape, attrs.axes)), x.dtype) as Tensor];
  },
  saves: { inputs: [0], output: true },
});

/**
 * Σx²/(n - ddof) over the axes, or Σx², or the root of either. It is added up in float64, and overflows or vanishes no
 * sooner than the result does. The gradient of the root at 0 is 0.
 */
export function squares(x: Tensor, attrs: SquaresAttrs): Tensor {
  return apply(squaresOp, [x], attrs);
}
