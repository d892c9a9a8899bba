import { ShapeError } from '../errors.js';
import { opcode } from '../native/register.js';
import { shownShape } from '../support/check.js';
import { frozenShape, sizeOf } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  type ActivationName,
  activationCode,
  activationOp,
  applyProduct,
  fusedActivations,
  withActivation,
} from './activations.js';
import { mul } from './binary.js';
import { convBlocked } from './blocked/conv.js';
import { type BlockedForm, type BlockedOptions, costs, isBlockable, type WinogradTile } from './blocked/form.js';
import { BLOCK, type Blocked, blockedShape } from './blocked/value.js';
import { context } from './context.js';
import { invoke, setInt } from './invoke.js';
import { apply, defineOp, type GradientContext, type Op, type Operand, type Signature } from './op.js';
import { sum } from './reduce.js';

type Pair = readonly [down: number, across: number];

/** How filters lie over the last two dimensions. */
export interface ConvWindows {
  readonly strides: Pair;
  /** Rows above and columns before the first element. */
  readonly padding: Pair;
  /** How many elements windows may reach beyond the end, below and to the right: the number that gives the count at any size, where there is one. */
  readonly after?: Pair | undefined;
  readonly dilation: Pair;
  readonly groups: number;
}

interface ConvAttrs extends ConvWindows {
  /** The result's rows and columns. */
  readonly size: Pair;
  readonly activation: ActivationName | null;
}

interface GradientAttrs extends ConvWindows {
  /** The operand whose gradient is computed: the data or the weights. */
  readonly shape: readonly number[];
}

const CONV = opcode('conv');
const DATA = opcode('convData');
const WEIGHTS = opcode('convWeights');

function write({ strides, padding, dilation, groups }: ConvWindows, activation: number): void {
  [...strides, ...padding, ...dilation, groups, activation].forEach((value, i) => {
    setInt(i, value);
  });
}

function windows({ strides, padding, dilation, groups }: ConvWindows): ConvWindows {
  return { strides, padding, dilation, groups };
}

function shapeAt({ signatures }: GradientContext<unknown>, place: number): readonly number[] {
  return (signatures[place] as Signature).shape;
}

function checkFour(who: string, tensors: readonly Tensor[]): void {
  for (const t of tensors) {
    if (t.ndim === 4) continue;
    throw new ShapeError(`${who} takes tensors of 4 dimensions, but got shape ${shownShape(t.shape)}`);
  }
}

/** The number of products in each output's sum. */
const filterSize = (weight: readonly number[]): number => sizeOf(weight.slice(1));

/** The most rows and columns of zeros around a value: more would cost more than they save. */
const MOST_HALO = 3;
/** The most around a single row, which becomes 1 + 2·halo rows. */
const MOST_HALO_OF_ROW = 1;
/** The most taps, so that sums are cut between channels. */
const MOST_TAPS = 128;
/** The most rows or columns over which a filter's taps lie. */
const MOST_REACH = 64;

/** The saving of a convolution of values in blocks: a part of the products, and a pass over the result. */
const gainOf = (products: number, results: number): number => costs.saved * products + costs.pass * results;

/**
 * How a convolution of 3 × 3 taps and strides of 1 costs least, by the sizes of one image alone, so that all batches are computed
 * by one plan: tap by tap or in which tiles of outputs, and the share of the products that this saves.
 */
function cheapest(
  filters: number,
  channels: number,
  [rows, columns]: Pair,
  most: BlockedOptions['winograd'],
): { readonly by: 'taps' | WinogradTile; readonly saves: number } {
  const { element, transform } = costs;
  const direct = 9 * (rows * columns + element);
  let best: { by: 'taps' | WinogradTile; cost: number } = { by: 'taps', cost: direct };
  for (const by of [2, 4] as const) {
    if (by > most) continue;
    const tiles = Math.ceil(rows / by) * Math.ceil(columns / by);
    const cost = (by + 2) ** 2 * (tiles * (1 + transform / filters + transform / channels) + element);
    if (cost < best.cost) best = { by, cost };
  }
  return { by: best.by, saves: 1 - best.cost / direct };
}

function blockedConv(
  inputs: readonly Operand[],
  attrs: ConvAttrs,
  { shape, dtype }: Signature,
  options: BlockedOptions,
): BlockedForm | null {
  const [x, weight] = inputs as readonly Tensor[] as [Tensor, Tensor];
  const { strides, padding, dilation, groups, size, activation } = attrs;
  const [filters, channels, ...taps] = weight.shape as readonly number[] as [number, number, number, number];
  if (!isBlockable({ shape, dtype }) || !isBlockable(x)) return null;
  const lines = [0, 1].map(d => {
    const [inner, outer, count] = [x.shape[2 + d], size[d], taps[d]] as [number, number, number];
    const [stride, before, gap] = [strides[d], padding[d], dilation[d]] as [number, number, number];
    const after = (outer - 1) * stride + (count - 1) * gap - before - (inner - 1);
    return { inner, outer, count, stride, gap, reach: (count - 1) * gap, halo: Math.max(before, after, 0) };
  });
  const [down, across] = lines as [(typeof lines)[0], (typeof lines)[0]];
  const halo = Math.max(down.halo, across.halo);
  const count = down.count * across.count;
  // A convolution with a single output is a product.
  if (down.outer * across.outer === 1 || across.stride > 2) return null;
  if (
    halo > (down.inner === 1 ? MOST_HALO_OF_ROW : MOST_HALO) ||
    count > MOST_TAPS ||
    Math.max(down.reach, across.reach) > MOST_REACH
  )
    return null;
  const isDepthwise = groups > 1;
  const hasKernel =
    groups === filters &&
    channels === 1 &&
    groups === x.shape[1] &&
    down.count === across.count &&
    (down.count === 3 || down.count === 5) &&
    down.stride === across.stride &&
    down.gap === 1 &&
    across.gap === 1;
  if (isDepthwise && !hasKernel) return null;
  const results = sizeOf(shape);
  const products = results * channels * count;
  // Products for the filters that fill up the last block must cost less than to leave the blocks.
  const waste = isDepthwise ? 0 : costs.filling * products * ((Math.ceil(filters / BLOCK) * BLOCK) / filters - 1);
  if (waste > gainOf(products, results) + costs.reorder * (x.size + results)) return null;
  const takesPlain = !isDepthwise && channels < BLOCK;
  const isWinograd = !isDepthwise && !takesPlain && lines.every(l => l.count === 3 && l.stride === 1 && l.gap === 1);
  const { by, saves } = isWinograd
    ? cheapest(filters, channels, size, options.winograd)
    : { by: 'taps' as const, saves: 0 };
  return {
    blocks: [0],
    takesPlain,
    halo,
    gives: 'blocks',
    gain: isDepthwise ? 2 * gainOf(0, results) : gainOf(products, results) + saves * products - waste,
    compute: ([data, kernels, offsets = null], outHalo) => ({
      tensor: convBlocked(
        data as Blocked | Tensor,
        kernels as Tensor,
        offsets as Tensor | null,
        { strides, padding, dilation, taps: taps as unknown as Pair, activation, by: isDepthwise ? 'channels' : by },
        blockedShape(shape, outHalo),
        outHalo,
      ),
      channels: filters,
      halo: outHalo,
    }),
  };
}

// Each of the three is linear in both of its operands, and the two others are its gradients.

const convOp: Op<ConvAttrs> = defineOp<ConvAttrs>({
  name: 'conv',
  infer: (operands, { size }) => {
    const [x, weight] = operands as readonly Tensor[] as [Tensor, Tensor];
    checkFour('conv', [x, weight]);
    return { shape: frozenShape([x.shape[0] as number, weight.shape[0] as number, ...size]), dtype: x.dtype };
  },
  run: (operands, attrs, { shape, dtype }) => {
    write(attrs, activationCode(attrs.activation));
    return invoke('conv', CONV, operands, shape, dtype);
  },
  gradient: (g, context) => {
    const { attrs, inputs, needs, output, before } = context;
    const [x, weight] = inputs as readonly (Tensor | null)[] as [Tensor, Tensor];
    const inner = attrs.activation === null ? g : activationGradient(attrs.activation, g, output as Tensor);
    const how = windows(attrs);
    return needs.map((need, i) => {
      if (!need) return null;
      if (i === 0) return apply(convDataOp, [inner, weight], { ...how, shape: shapeAt(context, 0) });
      if (i === 2) return sum(inner, { axis: [0, 2, 3] }) as Tensor;
      const earlier = before[1] ?? null;
      const operands = earlier === null ? [inner, x] : [inner, x, earlier];
      return apply(convWeightsOp, operands, { ...how, shape: shapeAt(context, 1) });
    });
  },
  saves: { inputs: [0, 1], output: ({ activation }) => activation !== null },
  absorbs: [1],
  fuses: fusedActivations,
  followedBy: withActivation,
  blocked: blockedConv,
  sized: ['size'],
  multiplyAdds: ([, weight], { shape }) => sizeOf(shape) * filterSize((weight as Tensor).shape),
});

const convDataOp: Op<GradientAttrs> = defineOp<GradientAttrs>({
  name: 'convData',
  infer: ([g], { shape }) => ({ shape: frozenShape([...shape]), dtype: (g as Tensor).dtype }),
  run: (operands, attrs, { shape, dtype }) => {
    write(attrs, -1);
    return invoke('convData', DATA, operands, shape, dtype);
  },
  gradient: (h, context) => {
    const { attrs, inputs, needs } = context;
    const [g, weight] = inputs as readonly (Tensor | null)[] as [Tensor, Tensor];
    const how = windows(attrs);
    const size = shapeAt(context, 0).slice(2) as [number, number];
    return needs.map((need, i) => {
      if (!need) return null;
      if (i === 0) return apply(convOp, [h, weight], { ...how, size, activation: null });
      if (i === 2) return sum(h, { axis: [0, 2, 3] }) as Tensor;
      return apply(convWeightsOp, [g, h], { ...how, shape: shapeAt(context, 1) });
    });
  },
  sized: ['shape'],
  saves: { inputs: [0, 1] },
  multiplyAdds: ([g, weight]) => (g as Tensor).size * filterSize((weight as Tensor).shape),
});

const convWeightsOp: Op<GradientAttrs> = defineOp<GradientAttrs>({
  name: 'convWeights',
  infer: ([g], { shape }) => ({ shape: frozenShape([...shape]), dtype: (g as Tensor).dtype }),
  run: (operands, attrs, { shape, dtype }) => {
    write(attrs, -1);
    return invoke('convWeights', WEIGHTS, operands, shape, dtype);
  },
  gradient: (v, context) => {
    const { attrs, inputs, needs } = context;
    const [g, x] = inputs as readonly (Tensor | null)[] as [Tensor, Tensor];
    const how = windows(attrs);
    const size = shapeAt(context, 0).slice(2) as [number, number];
    return needs.map((need, i) => {
      if (!need) return null;
      if (i === 0) return apply(convOp, [x, v], { ...how, size, activation: null });
      if (i === 2) return v;
      return apply(convDataOp, [g, v], { ...how, shape: shapeAt(context, 1) });
    });
  },
  sized: ['shape'],
  saves: { inputs: [0, 1] },
  multiplyAdds: ([g], { shape }) => (g as Tensor).size * filterSize(shape),
});

const ACTIVATION_GRADIENT = opcode('activationGradient');

/** The gradient before an activation whose slope follows from its value; of operations where it is recorded itself. */
function activationGradient(name: ActivationName, g: Tensor, y: Tensor): Tensor {
  if (context.tape !== null) return mul(g, (activationOp(name).slope as (y: Tensor) => Tensor)(y));
  setInt(0, activationCode(name));
  return invoke(name, ACTIVATION_GRADIENT, [g, y], g.shape, g.dtype);
}

/**
 * y[n, k, i, j] = bias[k] + Σ weight[k, c, r, s]·x[n, c, i·stride + r·dilation - padding, …], zeros outside of x, for
 * x[n, channels, rows, columns], weight[filters, channels/groups, …] and a result of the size that is asked for.
 */
export function conv(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  how: ConvWindows,
  size: Pair,
  activation: ActivationName | null = null,
): Tensor {
  return applyProduct(convOp, bias === null ? [x, weight] : [x, weight, bias], { ...how, size }, activation);
}

/** The gradient of conv's data, with a bias for each of its channels: from weight's filters to its channels. */
export function convTranspose(x: Tensor, weight: Tensor, bias: Tensor | null, how: ConvWindows, size: Pair): Tensor {
  checkFour('convTranspose', [x, weight]);
  const shape = [x.shape[0] as number, (weight.shape[1] as number) * how.groups, ...size];
  return apply(convDataOp, bias === null ? [x, weight] : [x, weight, bias], { ...how, shape });
}
