import { opcode } from '../native/register.js';
import { frozenShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { invoke, setInt } from './invoke.js';
import { apply, defineOp, type Op, type Operand, type Signature } from './op.js';

/** Windows over the last two dimensions: sizes, steps, and rows and columns put in front, as [down, across]. */
export interface Windows {
  readonly size: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly padding: readonly [number, number];
  /** How many windows there are. */
  readonly count: readonly [number, number];
  /** Whether an average counts what lies outside. */
  readonly countsOutside: boolean;
}

interface ShapedWindows extends Windows {
  readonly shape: readonly number[];
}

const POOL = opcode('pool');
const GRADIENT = opcode('poolGradient');
const PICK = opcode('poolPick');

function write(isAverage: boolean, { size, strides, padding, countsOutside }: Windows): void {
  [Number(isAverage), ...size, ...strides, ...padding, Number(countsOutside)].forEach((value, i) => {
    setInt(i, value);
  });
}

function pooled([x]: readonly Operand[], { count }: Windows): Signature {
  const { shape, dtype } = x as Tensor;
  return { shape: frozenShape([...shape.slice(0, -2), ...count]), dtype };
}

// ---------- averages: linear, each operation the other's gradient

const avgPoolOp: Op<Windows> = defineOp<Windows>({
  name: 'avgPool',
  infer: pooled,
  run: (inputs, attrs, { shape, dtype }) => {
    write(true, attrs);
    return invoke('avgPool', POOL, inputs, shape, dtype);
  },
  gradient: (g, { attrs, signatures }) => [
    apply(avgPoolGradientOp, [g], { ...attrs, shape: (signatures[0] as Signature).shape }),
  ],
  saves: {},
});

const avgPoolGradientOp: Op<ShapedWindows> = defineOp<ShapedWindows>({
  name: 'avgPoolGradient',
  infer: ([g], { shape }) => ({ shape, dtype: (g as Tensor).dtype }),
  run: (inputs, attrs, { shape, dtype }) => {
    write(true, attrs);
    return invoke('avgPoolGradient', GRADIENT, inputs, shape, dtype);
  },
  gradient: (h, { attrs }) => [apply(avgPoolOp, [h], attrs)],
  saves: {},
});

/** The mean of each window. */
export function avgPool(x: Tensor, windows: Windows): Tensor {
  return apply(avgPoolOp, [x], windows);
}

// ---------- maxima: linear in g, at places that x alone tells

const maxPoolOp = defineOp<Windows>({
  name: 'maxPool',
  infer: pooled,
  run: (inputs, attrs, { shape, dtype }) => {
    write(false, attrs);
    return invoke('maxPool', POOL, inputs, shape, dtype);
  },
  gradient: (g, { attrs, inputs }) => [apply(maxPoolGradientOp, [g, inputs[0] as Tensor], attrs)],
  saves: { inputs: [0] },
});

const maxPoolGradientOp: Op<Windows> = defineOp<Windows>({
  name: 'maxPoolGradient',
  infer: ([, x]) => ({ shape: (x as Tensor).shape, dtype: (x as Tensor).dtype }),
  run: (inputs, attrs, { shape, dtype }) => {
    write(false, attrs);
    return invoke('maxPoolGradient', GRADIENT, inputs, shape, dtype);
  },
  gradient: (h, { attrs, inputs }) => [apply(maxPoolPickOp, [h, inputs[1] as Tensor], attrs), null],
  saves: { inputs: [1] },
});

/** Of each window of x the element of h where x is largest. */
const maxPoolPickOp: Op<Windows> = defineOp<Windows>({
  name: 'maxPoolPick',
  infer: pooled,
  run: (inputs, attrs, { shape, dtype }) => {
    write(false, attrs);
    return invoke('maxPoolPick', PICK, inputs, shape, dtype);
  },
  gradient: (g, { attrs, inputs }) => [apply(maxPoolGradientOp, [g, inputs[1] as Tensor], attrs), null],
  saves: { inputs: [1] },
});

/** The largest element of each window; NaN where there is one. Of equal ones the first gets the gradient. */
export function maxPool(x: Tensor, windows: Windows): Tensor {
  return apply(maxPoolOp, [x], windows);
}
