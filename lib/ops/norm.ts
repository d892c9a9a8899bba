import { opcode } from '../native/register.js';
import { frozenShape, sizeOf } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { add, mul, sub } from './binary.js';
import { convert } from './cast.js';
import { context } from './context.js';
import { invoke, invokeKept, invokeSeveral, isContiguous, setInt, setReal } from './invoke.js';
import { apply, defineOp, type GradientContext, notDifferentiable, type Signature } from './op.js';
import { mean, sum } from './reduce.js';
import { rsqrt, square } from './unary.js';
import { broadcastTo, reshape } from './view.js';

// The flags of native/runtime/ops/norm.cc.
const GAMMA = 1;
const BETA = 2;
const CENTERED = 4;
const WANTED = [8, 16, 32] as const;
const IS_BATCH = 64;

interface NormAttrs {
  readonly epsilon: number;
  readonly gamma: boolean;
  readonly beta: boolean;
}

/** Operands after the first ones: contiguous vectors. */
function plain(tensors: readonly Tensor[]): Tensor[] {
  return tensors.map(t => (isContiguous(t) ? t : convert(t, t.dtype)));
}

function flagsOf({ gamma, beta }: NormAttrs): number {
  return (gamma ? GAMMA : 0) | (beta ? BETA : 0);
}

/** How a normalization looks by operations: over which axes, and in which shape its vectors broadcast. */
interface Form {
  /** x as it is normalized. */
  readonly view: readonly number[];
  readonly axes: readonly number[];
  /** gamma and beta beside x. */
  readonly vector: readonly number[];
}

/** n = (x - mean)/√(variance + ε) and 1/√(variance + ε), in the view. */
function normalized(x: Tensor, { view, axes }: Form, epsilon: number, centered: boolean): readonly [Tensor, Tensor] {
  const over = { axis: axes as number[], keepdims: true } as const;
  const seen: Tensor = reshape(x, view);
  const around: Tensor = centered ? sub(seen, mean(seen, over)) : seen;
  const scale: Tensor = rsqrt(add(mean(square(around), over), epsilon));
  return [mul(around, scale), scale];
}

/** The gradients by operations that have gradients themselves, where they are recorded. */
function recordedGradient(
  g: Tensor,
  x: Tensor,
  gamma: Tensor | null,
  { needs, signatures }: GradientContext<NormAttrs>,
  form: Form,
  [n, scale]: readonly [Tensor, Tensor],
  moments: 'both' | 'square' | 'none',
  places: readonly [gamma: number, beta: number],
): (Tensor | null)[] {
  const { view, axes, vector } = form;
  const over = { axis: axes as number[], keepdims: true } as const;
  const weight = gamma === null ? null : (reshape(gamma, vector) as Tensor);
  const h: Tensor = reshape(weight === null ? g : mul(g, broadcastTo(weight, x.shape)), view);
  let inner: Tensor = h;
  if (moments === 'both') inner = sub(inner, mean(h, over));
  if (moments !== 'none') inner = sub(inner, mul(n, mean(mul(h, n), over)));
  const others = x.shape
    .map((_, d) => d)
    .filter(d => vector[d - (x.ndim - vector.length)] === 1 || d < x.ndim - vector.length);
  const toVector = (t: Tensor, at: number): Tensor =>
    reshape(sum(t, { axis: others }), (signatures[at] as Signature).shape) as Tensor;
  const result: (Tensor | null)[] = needs.map(() => null);
  if (needs[0]) result[0] = reshape(mul(inner, scale), x.shape) as Tensor;
  if (needs[places[0]]) result[places[0]] = toVector(mul(g, reshape(n, x.shape) as Tensor), places[0]);
  if (needs[places[1]]) result[places[1]] = toVector(g, places[1]);
  return result;
}

/** The wanted gradients of x, gamma and beta by one native call, each at its operand's place. */
function nativeGradient(
  name: string,
  code: number,
  operands: readonly Tensor[],
  { needs, signatures }: GradientContext<NormAttrs>,
  flags: number,
  places: readonly number[],
): (Tensor | null)[] {
  const wanted = places.filter(place => needs[place]);
  const bits = places.reduce((all, place, i) => (needs[place] ? all | (WANTED[i] as number) : all), flags);
  setInt(0, bits);
  const shapes = wanted.map(place => (signatures[place] as Signature).shape);
  const made = invokeSeveral(name, code, operands, shapes, (operands[0] as Tensor).dtype);
  const result: (Tensor | null)[] = needs.map(() => null);
  wanted.forEach((place, i) => {
    result[place] = made[i] as Tensor;
  });
  return result;
}

/** The places of gamma and beta among operands that begin with so many others; -1 where there is none. */
function vectorPlaces({ gamma, beta }: NormAttrs, first: number): readonly [number, number] {
  return [gamma ? first : -1, beta ? first + Number(gamma) : -1];
}

/** Runs a normalization; where a gradient may follow it leaves [rows, 2], the mean and 1/√(variance + ε) of each. */
function runLeavingMoments(
  name: string,
  code: number,
  operands: readonly Tensor[],
  rows: number,
  { shape, dtype }: Signature,
  work: Tensor[] | null,
): Tensor {
  if (work === null) return invoke(name, code, operands, shape, dtype);
  const [output, moments] = invokeKept(name, code, operands, [shape, [rows, 2]], dtype);
  work.push(moments as Tensor);
  return output as Tensor;
}

function likeInput([x]: readonly unknown[]): Signature {
  const { shape, dtype } = x as Tensor;
  return { shape, dtype };
}

// ---------- rows

interface RowAttrs extends NormAttrs {
  readonly centered: boolean;
}

const ROW = opcode('rowNorm');
const ROW_GRADIENT = opcode('rowNormGradient');

const rowNormOp = defineOp<RowAttrs>({
  name: 'rowNorm',
  infer: likeInput,
  run: ([x, ...vectors], attrs, signature, work) => {
    const operands = [x as Tensor, ...plain(vectors as Tensor[])];
    setInt(0, flagsOf(attrs) | (attrs.centered ? CENTERED : 0));
    setReal(0, attrs.epsilon);
    const rows = signature.shape.includes(0) ? 0 : sizeOf(signature.shape.slice(0, -1));
    return runLeavingMoments('rowNorm', ROW, operands, rows, signature, work);
  },
  gradient: (g, ctx) => {
    const { attrs, inputs } = ctx;
    const x = inputs[0] as Tensor;
    const gamma = attrs.gamma ? (inputs[1] as Tensor) : null;
    const places = vectorPlaces(attrs, 1);
    if (context.tape !== null) {
      const last = x.shape[x.ndim - 1] as number;
      const form = { view: x.shape, axes: [x.ndim - 1], vector: [last] };
      const seen = normalized(x, form, attrs.epsilon, attrs.centered);
      return recordedGradient(g, x, gamma, ctx, form, seen, attrs.centered ? 'both' : 'square', places);
    }
    const operands = [g, x, ...ctx.work, ...(gamma === null ? [] : plain([gamma]))];
    const flags = (gamma === null ? 0 : GAMMA) | (attrs.centered ? CENTERED : 0);
    return nativeGradient('rowNorm', ROW_GRADIENT, operands, ctx, flags, [0, ...places]);
  },
  leavesWork: true,
  saves: { inputs: [0, 1] },
});

/** (x - mean)/√(variance + ε)·gamma + beta over the last axis; not `centered`, x/√(mean of x² + ε)·gamma + beta. */
export function rowNorm(
  x: Tensor,
  gamma: Tensor | null,
  beta: Tensor | null,
  epsilon: number,
  centered: boolean,
): Tensor {
  const vectors = [gamma, beta].filter(t => t !== null);
  return apply(rowNormOp, [x, ...vectors], { epsilon, centered, gamma: gamma !== null, beta: beta !== null });
}

// ---------- groups of channels

interface GroupAttrs extends NormAttrs {
  readonly groups: number;
}

const GROUP = opcode('groupNorm');
const GROUP_GRADIENT = opcode('groupNormGradient');

/** Vectors of channels, along axis 1. */
function alongChannels(x: Tensor): number[] {
  return [x.shape[1] as number, ...x.shape.slice(2).fill(1)];
}

const groupNormOp = defineOp<GroupAttrs>({
  name: 'groupNorm',
  infer: likeInput,
  run: ([x, ...vectors], attrs, signature, work) => {
    const operands = [x as Tensor, ...plain(vectors as Tensor[])];
    setInt(0, flagsOf(attrs));
    setInt(1, attrs.groups);
    setReal(0, attrs.epsilon);
    return runLeavingMoments('groupNorm', GROUP, operands, (x as Tensor).shape[0]! * attrs.groups, signature, work);
  },
  gradient: (g, ctx) => {
    const { attrs, inputs } = ctx;
    const x = inputs[0] as Tensor;
    const gamma = attrs.gamma ? (inputs[1] as Tensor) : null;
    const places = vectorPlaces(attrs, 1);
    if (context.tape !== null) {
      const batch = x.shape[0] as number;
      const length = sizeOf(x.shape.slice(1)) / attrs.groups;
      const form = { view: [batch, attrs.groups, length], axes: [2], vector: alongChannels(x) };
      const seen = normalized(x, form, attrs.epsilon, true);
      return recordedGradient(g, x, gamma, ctx, form, seen, 'both', places);
    }
    const operands = [g, x, ...ctx.work, ...(gamma === null ? [] : plain([gamma]))];
    setInt(1, attrs.groups);
    return nativeGradient('groupNorm', GROUP_GRADIENT, operands, ctx, gamma === null ? 0 : GAMMA, [0, ...places]);
  },
  leavesWork: true,
  saves: { inputs: [0, 1] },
});

/** The same over each sample's groups of channels (axis 1) and all that comes after them. */
export function groupNorm(
  x: Tensor,
  groups: number,
  gamma: Tensor | null,
  beta: Tensor | null,
  epsilon: number,
): Tensor {
  const vectors = [gamma, beta].filter(t => t !== null);
  return apply(groupNormOp, [x, ...vectors], { epsilon, groups, gamma: gamma !== null, beta: beta !== null });
}

// ---------- channels over a batch

const MOMENTS = opcode('batchMoments');
const BATCH = opcode('batchNorm');
const BATCH_GRADIENT = opcode('batchNormGradient');

const momentsOp = defineOp<object>({
  name: 'batchMoments',
  infer: ([x]) => ({ shape: frozenShape([2, (x as Tensor).shape[1] as number]), dtype: (x as Tensor).dtype }),
  run: ([x], _, { shape, dtype }) => invoke('batchMoments', MOMENTS, [x as Tensor], shape, dtype),
  gradient: notDifferentiable('the gradient of batchNorm goes through the moments by itself'),
  saves: {},
});

/** [2, channels]: each channel's mean over the batch and all that comes after axis 1, and its variance by their number. */
export function batchMoments(x: Tensor): Tensor {
  return apply(momentsOp, [x], {});
}

interface BatchAttrs extends NormAttrs {
  /** Whether mean and variance are the batch's own, and so functions of x. */
  readonly isBatch: boolean;
}

const batchNormOp = defineOp<BatchAttrs>({
  name: 'batchNorm',
  infer: likeInput,
  run: ([x, ...vectors], attrs, { shape, dtype }) => {
    const operands = [x as Tensor, ...plain(vectors as Tensor[])];
    setInt(0, flagsOf(attrs));
    setReal(0, attrs.epsilon);
    return invoke('batchNorm', BATCH, operands, shape, dtype);
  },
  gradient: (g, ctx) => {
    const { attrs, inputs } = ctx;
    const [x, center, spread] = inputs as readonly (Tensor | null)[] as [Tensor, Tensor, Tensor];
    const gamma = attrs.gamma ? (inputs[3] as Tensor) : null;
    const places = vectorPlaces(attrs, 3);
    if (context.tape !== null) {
      const axes = x.shape.map((_, d) => d).filter(d => d !== 1);
      const form = { view: x.shape, axes, vector: alongChannels(x) };
      const seen = attrs.isBatch
        ? normalized(x, form, attrs.epsilon, true)
        : fixed(x, form, center, spread, attrs.epsilon);
      return recordedGradient(g, x, gamma, ctx, form, seen, attrs.isBatch ? 'both' : 'none', places);
    }
    const operands = [g, x, ...plain([center, spread, ...(gamma === null ? [] : [gamma])])];
    setReal(0, attrs.epsilon);
    const flags = (gamma === null ? 0 : GAMMA) | (attrs.isBatch ? IS_BATCH : 0);
    return nativeGradient('batchNorm', BATCH_GRADIENT, operands, ctx, flags, [0, ...places]);
  },
  saves: { inputs: [0, 1, 2, 3] },
  scales: ([, mean, variance, ...vectors], { epsilon, isBatch, gamma, beta }) => {
    if (isBatch) return null;
    return {
      factor: () => {
        const scale: Tensor = rsqrt(add(variance as Tensor, epsilon));
        return gamma ? mul(scale, vectors[0] as Tensor) : scale;
      },
      term: (factor, bias) => {
        const centered: Tensor =
          bias === undefined ? mul(mul(mean as Tensor, factor), -1) : mul(sub(bias, mean as Tensor), factor);
        return beta ? add(centered, vectors.at(-1) as Tensor) : centered;
      },
    };
  },
});

/** As `normalized`, by given moments. */
function fixed(
  x: Tensor,
  { vector }: Form,
  center: Tensor,
  spread: Tensor,
  epsilon: number,
): readonly [Tensor, Tensor] {
  const scale: Tensor = rsqrt(add(reshape(spread, vector) as Tensor, epsilon));
  return [mul(sub(x, reshape(center, vector) as Tensor), scale), scale];
}

/** (x - mean)/√(variance + ε)·gamma + beta, each a vector of the channels along axis 1. */
export function batchNorm(
  x: Tensor,
  moments: readonly [mean: Tensor, variance: Tensor],
  gamma: Tensor | null,
  beta: Tensor | null,
  epsilon: number,
  isBatch: boolean,
): Tensor {
  const vectors = [gamma, beta].filter(t => t !== null);
  return apply(batchNormOp, [x, ...moments, ...vectors], {
    epsilon,
    isBatch,
    gamma: gamma !== null,
    beta: beta !== null,
  });
}
