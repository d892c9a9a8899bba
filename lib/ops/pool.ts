import { opcode } from '../native/register.js';
import { frozenShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { type BlockedForm, isBlockable } from './blocked/form.js';
import { meanBlocked, poolBlocked } from './blocked/pool.js';
import { type Blocked, blockedShape } from './blocked/value.js';
import { cast } from './cast.js';
import { invoke, invokeKept, setInt } from './invoke.js';
import { apply, defineOp, type Op, type Operand, type Signature } from './op.js';

/** Windows over the last two dimensions: sizes, steps, and rows and columns put in front, as [down, across]. */
export interface Windows {
  readonly size: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly padding: readonly [number, number];
  /** How many windows there are. */
  readonly count: readonly [number, number];
  /** Whether an average counts what lies outside. */
  /** How many elements windows may reach beyond the end, below and to the right: the number that gives the count at any size, where there is one. */
  readonly after?: readonly [number, number] | undefined;
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

/** The most elements of a window whose sum is one chain. */
const MOST_ELEMENTS = 256;

const blockedPool =
  (isMean: boolean) =>
  ([x]: readonly Operand[], windows: Windows, output: Signature): BlockedForm | null => {
    const [height, width] = windows.size;
    if (!isBlockable(output) || !isBlockable(x as Tensor)) return null;
    const [, , rows, columns] = (x as Tensor).shape as readonly number[];
    if (isMean && height === rows && width === columns && windows.padding.every(before => before === 0))
      return { blocks: [0], halo: 0, gives: 'plain', gain: 0, compute: ([data]) => meanBlocked(data as Blocked) };
    if (height * width > MOST_ELEMENTS) return null;
    return {
      blocks: [0],
      halo: 0,
      gives: 'blocks',
      gain: 0,
      compute: ([data], halo) => ({
        tensor: poolBlocked(data as Blocked, windows, isMean, blockedShape(output.shape, halo), halo),
        channels: output.shape[1] as number,
        halo,
      }),
    };
  };

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
  sized: ['count'],
  blocked: blockedPool(true),
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

// ---------- maxima: linear in g, at places that the forward leaves: each window's, by rows from 0

const maxPoolOp: Op<Windows> = defineOp<Windows>({
  name: 'maxPool',
  infer: pooled,
  run: (inputs, attrs, { shape, dtype }, work) => {
    write(false, attrs);
    if (work === null) return invoke('maxPool', POOL, inputs, shape, dtype);
    const [output, places] = invokeKept('maxPool', POOL, inputs, [shape, shape], dtype);
    work.push(places as Tensor);
    return output as Tensor;
  },
  gradient: (g, { attrs, signatures, work }) => [
    apply(maxPoolGradientOp, [g, work[0] as Tensor], { ...attrs, shape: (signatures[0] as Signature).shape }),
  ],
  leavesWork: true,
  sized: ['count'],
  blocked: blockedPool(false),
  saves: {},
});

const maxPoolGradientOp: Op<ShapedWindows> = defineOp<ShapedWindows>({
  name: 'maxPoolGradient',
  infer: ([g], { shape }) => ({ shape, dtype: (g as Tensor).dtype }),
  run: (inputs, attrs, { shape, dtype }) => {
    write(false, attrs);
    return invoke('maxPoolGradient', GRADIENT, inputs, shape, dtype);
  },
  gradient: (h, { attrs, inputs }) => [apply(maxPoolPickOp, [h, inputs[1] as Tensor], attrs), null],
  saves: { inputs: [1] },
});

/** Of each window the element of h at a place. */
const maxPoolPickOp: Op<ShapedWindows> = defineOp<ShapedWindows>({
  name: 'maxPoolPick',
  infer: pooled,
  run: (inputs, attrs, { shape, dtype }) => {
    write(false, attrs);
    return invoke('maxPoolPick', PICK, inputs, shape, dtype);
  },
  gradient: (g, { attrs, inputs }) => [apply(maxPoolGradientOp, [g, inputs[1] as Tensor], attrs), null],
  saves: { inputs: [1] },
});

/** Places in windows of more elements are no whole numbers of float32 any more. */
const MOST_PLACES = 2 ** 24;

/** The largest element of each window; NaN where there is one. Of equal ones the first gets the gradient. */
export function maxPool(x: Tensor, windows: Windows): Tensor {
  const [height, width] = windows.size;
  if (x.dtype === 'float32' && height * width > MOST_PLACES)
    return cast(maxPool(cast(x, 'float64') as Tensor, windows), 'float32') as Tensor;
  return apply(maxPoolOp, [x], windows);
}
