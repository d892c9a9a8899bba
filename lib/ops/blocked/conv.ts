import { opcode } from '../../native/register.js';
import { frozenShape, sizeOf } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import { type ActivationName, activationCode, activationOf } from '../activations.js';
import { invoke, setInt, setReal } from '../invoke.js';
import { apply, defineOp, type Op, type Operand } from '../op.js';
import type { WinogradTile } from './form.js';
import { BLOCK, type Blocked, predictsOnly } from './value.js';

type Pair = readonly [down: number, across: number];

/** How sums are finished before they are stored: f(min(max(sum + residual, low), high)). */
interface Epilogue {
  readonly low: number;
  readonly high: number;
  readonly activation: ActivationName | null;
  readonly hasBias: boolean;
  /** The halo of what is added, the last operand; null where nothing is. */
  readonly residual: number | null;
}

/** How filters lie over the last two dimensions. */
export interface BlockedWindows {
  readonly strides: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly taps: Pair;
}

interface ConvBlockedAttrs extends BlockedWindows, Epilogue {
  readonly channels: number;
  /** Of x; 0 where it isn't in blocks. */
  readonly halo: number;
  readonly shape: readonly number[];
  readonly outHalo: number;
}

const PACK = opcode('packBlocked');
const CONV = opcode('convBlocked');
const DEPTHWISE = opcode('depthwiseBlocked');
const PACK_WINOGRAD = opcode('packWinograd');
const WINOGRAD = opcode('winogradBlocked');

const packBlockedOp = defineOp<object>({
  name: 'packBlocked',
  infer: ([weight]) => {
    const [filters, ...rest] = (weight as Tensor).shape as readonly number[] as [number, ...number[]];
    return { shape: frozenShape([Math.ceil(filters / BLOCK), sizeOf(rest), BLOCK]), dtype: 'float32' };
  },
  run: (inputs, _, { shape, dtype }) => invoke('packBlocked', PACK, inputs, shape, dtype),
  gradient: predictsOnly,
  saves: {},
});

/** Filters as convolutions of values in blocks read them: [blocks of filters, channels·taps, 16]. */
export function packBlocked(weight: Tensor): Tensor {
  return apply(packBlockedOp, [weight], {});
}

const packWinogradOp = defineOp<{ readonly tile: WinogradTile }>({
  name: 'packWinograd',
  infer: ([weight], { tile }) => {
    const [filters, channels] = (weight as Tensor).shape as readonly number[] as [number, number];
    return { shape: frozenShape([(tile + 2) ** 2 * Math.ceil(filters / BLOCK), channels, BLOCK]), dtype: 'float32' };
  },
  run: (inputs, { tile }, { shape, dtype }) => {
    setInt(0, tile);
    return invoke('packWinograd', PACK_WINOGRAD, inputs, shape, dtype);
  },
  gradient: predictsOnly,
  saves: {},
});

/** Filters of 3 × 3 taps as Winograd's algorithm reads them: [(tile + 2)²·blocks of filters, channels, 16]. */
export function packWinograd(weight: Tensor, tile: WinogradTile): Tensor {
  return apply(packWinogradOp, [weight], { tile });
}

function write(attrs: ConvBlockedAttrs): void {
  const { strides, padding, dilation, taps, channels, halo, outHalo, residual, activation, hasBias } = attrs;
  const flags = (hasBias ? 1 : 0) + (residual === null ? 0 : 2);
  const sizes = [...strides, ...padding, ...dilation, ...taps, channels, halo, outHalo, residual ?? 0];
  [...sizes, activationCode(activation), flags].forEach((value, i) => {
    setInt(i, value);
  });
  setReal(0, attrs.low);
  setReal(1, attrs.high);
}

function convolution(name: string, code: number, takesResidual: boolean): Op<ConvBlockedAttrs> {
  return defineOp<ConvBlockedAttrs>({
    name,
    infer: (_, { shape }) => ({ shape, dtype: 'float32' }),
    run: (inputs, attrs, { shape, dtype }) => {
      write(attrs);
      return invoke(name, code, inputs, shape, dtype);
    },
    gradient: predictsOnly,
    saves: {},
    followedBy: (attrs, inputs, reader, place) => {
      if (attrs.activation !== null) return null;
      const { op } = reader;
      const isOpen = attrs.low === -Infinity && attrs.high === Infinity;
      if (op.isSum === true && takesResidual && isOpen && attrs.residual === null) {
        const other = reader.inputs[1 - place] as Operand;
        if (typeof other === 'number' || !isSameShape(other.shape, attrs.shape)) return null;
        return { inputs: [...inputs, other], attrs: { ...attrs, residual: attrs.outHalo } };
      }
      const bounds = op.clamps?.(reader.attrs) ?? null;
      if (bounds !== null) return isOpen ? { inputs, attrs: { ...attrs, low: bounds[0], high: bounds[1] } } : null;
      const activation = activationOf(op);
      return activation === undefined || activationCode(activation) < 0
        ? null
        : { inputs, attrs: { ...attrs, activation } };
    },
  });
}

const isSameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, d) => size === b[d]);

const convBlockedOp = convolution('convBlocked', CONV, true);
const depthwiseBlockedOp = convolution('depthwiseBlocked', DEPTHWISE, false);
const winogradBlockedOp = convolution('winogradBlocked', WINOGRAD, true);

interface BlockedConvolution extends BlockedWindows {
  readonly activation: ActivationName | null;
  /** A filter for each channel; or all by all, tap by tap or by Winograd's algorithm in tiles of such a size. */
  readonly by: 'channels' | 'taps' | WinogradTile;
}

/**
 * A convolution of x, in blocks or [images, channels, rows, columns], by filters weight[filters, channels, …]: f(bias +
 * Σ weights·x) of the tensor shape `shape`, which has the halo `outHalo`.
 */
export function convBlocked(
  x: Blocked | Tensor,
  weight: Tensor,
  bias: Tensor | null,
  how: BlockedConvolution,
  shape: readonly number[],
  outHalo: number,
): Tensor {
  const isPlain = !('tensor' in x);
  const { strides, padding, dilation, taps, activation, by } = how;
  const packed = by === 2 || by === 4 ? packWinograd(weight, by) : packBlocked(weight);
  const op = by === 'channels' ? depthwiseBlockedOp : by === 'taps' ? convBlockedOp : winogradBlockedOp;
  const inputs = bias === null ? [packed] : [packed, bias];
  const clamps = activation === 'relu';
  return apply(op, [isPlain ? x : x.tensor, ...inputs], {
    strides,
    padding,
    dilation,
    taps,
    channels: isPlain ? (x.shape[1] as number) : x.channels,
    halo: isPlain ? 0 : x.halo,
    shape,
    outHalo,
    low: clamps ? 0 : -Infinity,
    high: Infinity,
    activation: clamps ? null : activation,
    hasBias: bias !== null,
    residual: null,
  });
}
