import { ArgumentError, ShapeError } from '../errors.js';
import { MAX_RANK, opcode } from '../native/register.js';
import { checkInteger, checkOptions, shown, shownShape } from '../support/check.js';
import { checkHeap } from '../support/heap.js';
import type { DType } from '../tensor/dtype.js';
import {
  areContiguous,
  checkAxes,
  checkAxis,
  checkShape,
  contiguousStrides,
  frozenShape,
  sameShape,
  sizeOf,
} from '../tensor/shape.js';
import type { Dt, PermCheck, ReshapeCheck, Sh, Shape, TransposeOut, Unm } from '../tensor/shape-types.js';
import { checkTensor, installMethods, internals, type Tensor } from '../tensor/tensor.js';
import { convert } from './cast.js';
import { context, type ViewStrides } from './context.js';
import { invoke, invokeView, isContiguous, setInt, setReal } from './invoke.js';
import { type AsMethods, installFunctions } from './methods.js';
import { apply, defineOp, notDifferentiable, type Op, type Signature } from './op.js';
import { sumTo } from './operand.js';

const RESHAPE = opcode('reshapeView');
const PERMUTE = opcode('permute');
const SLICE = opcode('slice');
const BROADCAST = opcode('broadcastTo');
const SLICE_GRADIENT = opcode('sliceGradient');

// ---------- reshape

interface ShapeAttrs {
  readonly shape: readonly number[];
}

/** Whether two shapes differ by sizes of 1 alone, so that any strides serve both. */
function sameButOnes(a: readonly number[], b: readonly number[]): boolean {
  let j = 0;
  for (let i = 0; i < a.length; i++) {
    if (a[i] === 1) continue;
    while (b[j] === 1) j++;
    if (a[i] !== b[j++]) return false;
  }
  while (b[j] === 1) j++;
  return j === b.length;
}

// How the strides of windows come out, as native/runtime/ops/views.cc has them.

function reshapedStrides(
  strides: readonly number[],
  from: readonly number[],
  shape: readonly number[],
): readonly number[] {
  if (areContiguous(from, strides)) return contiguousStrides(shape);
  const kept = strides.filter((_, d) => from[d] !== 1);
  return shape.map(size => (size === 1 ? 0 : (kept.shift() as number)));
}

const permutedStrides: ViewStrides<readonly number[]> = (strides, _from, _shape, axes) =>
  axes.map(axis => strides[axis] as number);

const repeatedStrides: ViewStrides<null> = (strides, from, shape) =>
  shape.map((size, d) => {
    const at = d - (shape.length - from.length);
    return at < 0 || (from[at] === 1 && size !== 1) ? 0 : (strides[at] as number);
  });

const slicedStrides: ViewStrides<readonly number[]> = (strides, _from, shape, steps) =>
  shape.map((size, d) => (strides[d] as number) * (size === 1 ? 1 : (steps[d] as number)));

const reshapeOp = defineOp<ShapeAttrs>({
  name: 'reshape',
  infer: (inputs, { shape }) => ({ shape, dtype: (inputs[0] as Tensor).dtype }),
  run: (inputs, { shape }) => {
    const input = inputs[0] as Tensor;
    const inPlace = sameButOnes(input.shape, shape) || isContiguous(input);
    return invokeView('reshape', RESHAPE, inPlace ? input : convert(input, input.dtype), shape, reshapedStrides, null);
  },
  gradient: (g, { signatures }) => [reshape(g, (signatures[0] as Signature).shape)],
  saves: {},
  view: 'whole',
  sized: ['shape'],
});

/** The shape with its one -1, if any, replaced by the size that keeps the number of elements. */
function resolveReshape(x: Tensor, wanted: unknown): readonly number[] {
  const shape = checkShape('reshape', wanted, -1);
  let unknown = 0;
  let known = 1;
  for (let d = 0; d < shape.length; d++) {
    if (shape[d] === -1) unknown++;
    else known *= shape[d] as number;
  }
  const fits = unknown === 0 ? known === x.size : unknown === 1 && known > 0 && x.size % known === 0;
  if (!fits) {
    const why = unknown > 1 ? 'only one size may be -1' : `${x.size} elements do not fill it`;
    throw new ShapeError(`reshape: shape ${shownShape(x.shape)} cannot become ${shownShape(shape)}: ${why}`);
  }
  return unknown === 0 ? shape : frozenShape(shape.map(size => (size === -1 ? x.size / known : size)));
}

/** The same elements in order under another shape; one size may be -1. A view where the elements are contiguous. */
export function reshape<T extends Tensor, const B extends Shape>(
  x: T,
  shape: B & ReshapeCheck<Sh<T>, B>,
): Tensor<Unm<B>, Dt<T>> {
  checkTensor('reshape', x);
  return apply(reshapeOp, [x], { shape: resolveReshape(x, shape) }) as never;
}

/** One dimension, or with `from` the first dimensions kept and the others made one. */
export function flatten(x: Tensor, from = 0): Tensor {
  checkTensor('flatten', x);
  const kept = checkInteger('flatten: from', from, 0);
  if (kept > x.ndim) throw new ShapeError(`flatten: cannot keep ${kept} dimensions of shape ${shownShape(x.shape)}`);
  return reshape(x, [...x.shape.slice(0, kept), sizeOf(x.shape.slice(kept))]);
}

/** Without the given dimensions of size 1, or without all of them. */
export function squeeze(x: Tensor, axes?: number | readonly number[]): Tensor {
  checkTensor('squeeze', x);
  const dropped =
    axes === undefined ? x.shape.flatMap((size, d) => (size === 1 ? [d] : [])) : checkAxes('squeeze', axes, x.ndim);
  for (const d of dropped) {
    if (x.shape[d] !== 1)
      throw new ShapeError(`squeeze: axis ${d} of shape ${shownShape(x.shape)} has size ${x.shape[d]}, not 1`);
  }
  return reshape(
    x,
    x.shape.filter((_, d) => !dropped.includes(d)),
  );
}

/** With a dimension of size 1 put in at `axis` of the result. */
export function expandDims(x: Tensor, axis: number): Tensor {
  checkTensor('expandDims', x);
  const at = checkAxis('expandDims', axis, x.ndim + 1);
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

// ---------- transpose

interface PermuteAttrs {
  readonly axes: readonly number[];
}

const transposeOp = defineOp<PermuteAttrs>({
  name: 'transpose',
  infer: ([x], { axes }) => {
    const { shape, dtype } = x as Tensor;
    return { shape: frozenShape(axes.map(axis => shape[axis] as number)), dtype };
  },
  run: ([x], { axes }, { shape }) => {
    axes.forEach((axis, d) => {
      setInt(d, axis);
    });
    return invokeView('transpose', PERMUTE, x as Tensor, shape, permutedStrides, axes);
  },
  gradient: (g, { attrs }) => {
    const inverse: number[] = [];
    attrs.axes.forEach((axis, d) => {
      inverse[axis] = d;
    });
    return [transpose(g, inverse)];
  },
  saves: {},
  view: 'part',
});

/** The dimensions in another order: reversed, or `axes[i]` first to last. A view. */
export function transpose<T extends Tensor, const P extends Shape = []>(
  x: T,
  axes?: P & PermCheck<Sh<T>, P>,
): Tensor<NoInfer<TransposeOut<Sh<T>, P>>, Dt<T>> {
  checkTensor('transpose', x);
  if (axes === undefined) {
    return apply(transposeOp, [x], { axes: x.shape.map((_, d) => x.ndim - 1 - d) }) as never;
  }
  if (!Array.isArray(axes) || axes.length !== x.ndim) {
    throw new ShapeError(
      `transpose: ${shown(axes)} does not permute the ${x.ndim} axes of shape ${shownShape(x.shape)}`,
    );
  }
  const order = axes.map(axis => checkAxis('transpose', axis, x.ndim));
  checkAxes('transpose', order, x.ndim);
  return apply(transposeOp, [x], { axes: order }) as never;
}

/** Two dimensions in each other's place. A view. */
export function swapAxes(x: Tensor, a: number, b: number): Tensor {
  checkTensor('swapAxes', x);
  const [first, second] = [checkAxis('swapAxes', a, x.ndim), checkAxis('swapAxes', b, x.ndim)];
  const order = x.shape.map((_, d) => (d === first ? second : d === second ? first : d));
  return apply(transposeOp, [x], { axes: order });
}

// ---------- broadcastTo

const broadcastOp = defineOp<ShapeAttrs>({
  name: 'broadcastTo',
  infer: ([x], { shape }) => ({ shape, dtype: (x as Tensor).dtype }),
  run: ([x], { shape }) => {
    const view = invokeView('broadcastTo', BROADCAST, x as Tensor, shape, repeatedStrides, null);
    internals.markRepeating(view);
    return view;
  },
  gradient: (g, { signatures }) => [sumTo(g, (signatures[0] as Signature).shape)],
  saves: {},
  view: 'part',
  sized: ['shape'],
});

/**
 * Repeated along dimensions of size 1 and along new ones in front. A view, not to be written to; x itself where it has the
 * shape already.
 */
export function broadcastTo(x: Tensor, shape: readonly number[]): Tensor {
  checkTensor('broadcastTo', x);
  const target = checkShape('broadcastTo', shape);
  if (sameShape(x.shape, target)) return x;
  const added = target.length - x.ndim;
  const fits = added >= 0 && x.shape.every((size, d) => size === 1 || size === target[d + added]);
  if (!fits)
    throw new ShapeError(`broadcastTo: shape ${shownShape(x.shape)} does not broadcast to ${shownShape(target)}`);
  return apply(broadcastOp, [x], { shape: target });
}

// ---------- slice

/**
 * The part of one dimension: `null` all of it; a number that one element, without the dimension; or
 * `[start, stop, step]` as NumPy's start:stop:step, each part null for its default, counted from the end when negative.
 */
export type SliceRange = null | number | readonly [start?: number | null, stop?: number | null, step?: number | null];

interface SliceAttrs {
  readonly starts: readonly number[];
  readonly steps: readonly number[];
  readonly sizes: readonly number[];
}

function writeRanges({ starts, steps }: SliceAttrs): void {
  starts.forEach((start, d) => {
    setReal(2 * d, start);
    setReal(2 * d + 1, steps[d] as number);
  });
}

const sliceOp: Op<SliceAttrs> = defineOp<SliceAttrs>({
  name: 'slice',
  infer: ([x], { sizes }) => ({ shape: sizes, dtype: (x as Tensor).dtype }),
  run: ([x], attrs) => {
    writeRanges(attrs);
    return invokeView('slice', SLICE, x as Tensor, attrs.sizes, slicedStrides, attrs.steps);
  },
  gradient: (g, { attrs, signatures }) => [
    apply(sliceGradientOp, [g], { ...attrs, shape: (signatures[0] as Signature).shape, value: 0 }),
  ],
  saves: {},
  view: 'part',
  sized: ['starts', 'sizes'],
});

interface AroundAttrs extends SliceAttrs, ShapeAttrs {
  readonly value: number;
}

/** One value throughout a shape, but x in that slice: what `slice` has for a gradient, and `pad` does. */
export const sliceGradientOp: Op<AroundAttrs> = defineOp<AroundAttrs>({
  name: 'sliceGradient',
  infer: ([x], { shape }) => ({ shape, dtype: (x as Tensor).dtype }),
  run: ([x], attrs, { shape, dtype }) => {
    writeRanges(attrs);
    setReal(2 * MAX_RANK, attrs.value);
    return invoke('sliceGradient', SLICE_GRADIENT, [x as Tensor], shape, dtype);
  },
  gradient: (g, { attrs }) => [apply(sliceOp, [g], attrs)],
  saves: {},
  sized: ['starts', 'sizes', 'shape'],
});

function resolveRange(
  range: readonly (number | null | undefined)[],
  size: number,
): readonly [start: number, step: number, count: number] {
  const step = checkInteger('slice: step', range[2] ?? 1);
  if (step === 0) throw new ArgumentError('slice: the step cannot be 0');
  const bound = (value: number | null | undefined, fallback: number, low: number, high: number) => {
    if (value === null || value === undefined) return fallback;
    const at = checkInteger('slice: a bound', value);
    return Math.min(Math.max(at < 0 ? at + size : at, low), high);
  };
  if (step > 0) {
    const start = bound(range[0], 0, 0, size);
    const stop = bound(range[1], size, 0, size);
    return [start, step, Math.max(0, Math.ceil((stop - start) / step))];
  }
  const start = bound(range[0], size - 1, -1, size - 1);
  const stop = bound(range[1], -1, -1, size - 1);
  return [start, step, Math.max(0, Math.ceil((stop - start) / step))];
}

/** Part of a tensor, one range per dimension from the first: `slice(x, [0, 10], null, -1)`. A view. */
export function slice(x: Tensor, ...ranges: SliceRange[]): Tensor {
  checkTensor('slice', x);
  if (ranges.length > x.ndim) {
    throw new ShapeError(`slice: ${ranges.length} ranges for the ${x.ndim} dimensions of shape ${shownShape(x.shape)}`);
  }
  const starts: number[] = [];
  const steps: number[] = [];
  const sizes: number[] = [];
  const kept: number[] = [];
  x.shape.forEach((size, d) => {
    const range = ranges[d] ?? null;
    if (typeof range === 'number') {
      const at = checkAxisIndex(range, size, d);
      starts.push(at);
      steps.push(1);
      sizes.push(1);
      return;
    }
    if (range !== null && (!Array.isArray(range) || range.length > 3)) {
      throw new ArgumentError(
        `slice takes null, a number or [start, stop, step] for each dimension, but got ${shown(range)}`,
      );
    }
    const [start, step, count] = resolveRange((range ?? []) as readonly (number | null)[], size);
    starts.push(count === 0 ? 0 : start);
    steps.push(step);
    sizes.push(count);
    kept.push(count);
  });
  const part = apply(sliceOp, [x], { starts, steps, sizes: frozenShape(sizes) });
  return kept.length === sizes.length ? part : reshape(part, kept);
}

function checkAxisIndex(index: number, size: number, axis: number): number {
  const at = checkInteger('slice: an index', index);
  if (at < -size || at >= size)
    throw new ShapeError(`slice: index ${at} is out of range for axis ${axis} of size ${size}`);
  return at < 0 ? at + size : at;
}

/** About what one tensor's handle takes, in JavaScript and in the addon. */
const HANDLE_BYTES = 400;

/** Parts along an axis: `parts` equal ones, or parts of the given sizes. Views. */
export function split(x: Tensor, parts: number | readonly number[], options?: { axis?: number }): Tensor[] {
  checkTensor('split', x);
  const axis = checkAxis('split', checkOptions('split', options, ['axis']).axis ?? 0, x.ndim);
  const size = x.shape[axis] as number;
  let sizes: readonly number[];
  if (Array.isArray(parts)) {
    sizes = parts.map(part => checkInteger('split: a size', part, 0));
    if (sizes.reduce((a, b) => a + b, 0) !== size) {
      throw new ShapeError(
        `split: sizes ${shownShape(sizes)} do not add up to ${size}, the size of axis ${axis} of ${shownShape(x.shape)}`,
      );
    }
  } else {
    const count = checkInteger('split: parts', parts, 1);
    if (size % count !== 0)
      throw new ShapeError(`split: axis ${axis} of size ${size} does not split into ${count} equal parts`);
    checkHeap(`split into ${count} parts`, count * HANDLE_BYTES, 'take slices as they are needed');
    sizes = new Array<number>(count).fill(size / count);
  }
  let start = 0;
  return sizes.map(length => {
    const ranges: SliceRange[] = x.shape.slice(0, axis).map(() => null);
    ranges.push([start, start + length]);
    start += length;
    return slice(x, ...ranges);
  });
}

// ---------- detach

/** Detach in a trace: the same value, from which no gradient flows back. */
export const detachOp: Op<object> = defineOp<object>({
  name: 'detach',
  infer: ([x]) => ({ shape: (x as Tensor).shape, dtype: (x as Tensor).dtype }),
  run: ([x]) => x as Tensor,
  gradient: notDifferentiable('it ends a graph'),
  saves: {},
  view: 'whole',
});

/** The same elements, outside any recorded graph. */
export function detach<T extends Tensor>(x: T): Tensor<Sh<T>, Dt<T>> {
  checkTensor('detach', x);
  if (context.abstract !== null) return context.abstract.alias(x) as never;
  x.shape.forEach((_, d) => {
    setInt(d, d);
  });
  return invokeView('detach', PERMUTE, x, x.shape, strides => strides, null) as never;
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType>
    extends AsMethods<
      typeof import('./view.js'),
      'flatten' | 'squeeze' | 'expandDims' | 'swapAxes' | 'broadcastTo' | 'slice' | 'split'
    > {
    /** The same elements in order under another shape; one size may be -1. */
    reshape<T extends Tensor, const B extends Shape>(this: T, shape: B & ReshapeCheck<Sh<T>, B>): Tensor<Unm<B>, Dt<T>>;
    /** The dimensions in another order, reversed by default. */
    transpose<T extends Tensor, const P extends Shape = []>(
      this: T,
      axes?: P & PermCheck<Sh<T>, P>,
    ): Tensor<NoInfer<TransposeOut<Sh<T>, P>>, Dt<T>>;
    /** The same elements, outside any recorded graph. */
    detach<T extends Tensor>(this: T): Tensor<Sh<T>, Dt<T>>;
  }
}

installFunctions({ reshape, flatten, squeeze, expandDims, transpose, swapAxes, broadcastTo, split, detach });
installMethods({
  slice(this: Tensor, ...ranges: readonly SliceRange[]) {
    return slice(this, ...ranges);
  },
});
