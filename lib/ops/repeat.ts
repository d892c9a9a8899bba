import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { checkInteger, checkNumber, checkOneOf, checkOptions, shown, shownShape } from '../support/check.js';
import { checkHeap } from '../support/heap.js';
import { type DType, isFloat } from '../tensor/dtype.js';
import { checkAxes, checkAxis, checkShape, frozenShape } from '../tensor/shape.js';
import type { Dt, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { clone } from './cast.js';
import { tensor } from './create.js';
import { type AsMethods, installFunctions } from './methods.js';
import { apply } from './op.js';
import { take } from './pick.js';
import { broadcastTo, flatten, reshape, type SliceRange, slice, sliceGradientOp } from './view.js';

// ---------- more of the same

/** The whole tensor, again and again: `reps[d]` times along each dimension, new ones in front where there are more. */
export function tile(x: Tensor, reps: number | readonly number[]): Tensor {
  checkTensor('tile', x);
  const times = checkShape('tile: reps', typeof reps === 'number' ? [reps] : reps);
  const rank = Math.max(times.length, x.ndim);
  const sizes = [...new Array<number>(rank - x.ndim).fill(1), ...x.shape];
  const counts = [...new Array<number>(rank - times.length).fill(1), ...times];
  let result = reshape(x, sizes) as Tensor;
  if (counts.every(count => count === 1)) return clone(result);
  for (let d = rank - 1; d >= 0; d--) {
    if (counts[d] === 1) continue;
    const { shape } = result;
    const apart = [...shape.slice(0, d), 1, ...shape.slice(d)];
    const repeated = apart.map((size, i) => (i === d ? (counts[d] as number) : size));
    const joined = shape.map((size, i) => (i === d ? size * (counts[d] as number) : size));
    result = reshape(broadcastTo(reshape(result, apart) as Tensor, repeated), joined) as Tensor;
  }
  return result;
}

/**
 * Each element `times` times one after another along an axis, or of the flattened tensor; with a list, each as often as
 * the list says.
 */
export function repeat(x: Tensor, times: number | readonly number[], options?: { axis?: number }): Tensor {
  checkTensor('repeat', x);
  const { axis } = checkOptions('repeat', options, ['axis']);
  const source = axis === undefined ? (flatten(x) as Tensor) : x;
  const at = axis === undefined ? 0 : checkAxis('repeat', axis, x.ndim);
  const size = source.shape[at] as number;
  if (typeof times !== 'number') {
    const counts = checkShape('repeat: times', times);
    if (counts.length !== size)
      throw new ShapeError(`repeat: ${counts.length} counts for axis ${at} of shape ${shownShape(source.shape)}`);
    const total = counts.reduce((sum, count) => sum + count, 0);
    checkHeap(`repeat: times that add up to ${total}`, 16 * total, 'take smaller ones');
    const places = counts.flatMap((count, i) => new Array<number>(count).fill(i));
    return take(source, tensor(places, { dtype: 'int32' }) as Tensor, { axis: at });
  }
  const count = checkInteger('repeat: times', times, 0);
  if (count === 1) return clone(source);
  const { shape } = source;
  const apart = [...shape.slice(0, at + 1), 1, ...shape.slice(at + 1)];
  const repeated = apart.map((one, d) => (d === at + 1 ? count : one));
  const joined = shape.map((one, d) => (d === at ? one * count : one));
  return reshape(broadcastTo(reshape(source, apart) as Tensor, repeated), joined) as Tensor;
}

/** Backwards along an axis or several; along all by default. A view. */
export function flip<T extends Tensor>(x: T, options?: { axis?: number | readonly number[] }): Tensor<Sh<T>, Dt<T>> {
  checkTensor('flip', x);
  const { axis } = checkOptions('flip', options, ['axis']);
  const axes = checkAxes('flip', axis, x.ndim);
  return slice(x, ...x.shape.map((_, d): SliceRange => (axes.includes(d) ? [null, null, -1] : null))) as never;
}

// ---------- around it

export interface PadOptions {
  /** 'constant' by default; 'edge' repeats the outermost elements, 'reflect' mirrors without them. */
  mode?: 'constant' | 'edge' | 'reflect';
  /** The value that 'constant' pads with; 0 by default. */
  value?: number;
}

type Width = readonly [before: number, after: number];

/** NumPy's forms: one number for all, one pair for all, or a pair for each dimension. */
function widthsOf(x: Tensor, widths: unknown): readonly Width[] {
  const pair = (given: unknown): Width => {
    if (!Array.isArray(given) || given.length !== 2)
      throw new ArgumentError(
        `pad takes a number, [before, after], or one such pair for each dimension, but got ${shown(widths)}`,
      );
    return [checkInteger('pad: a width', given[0], 0), checkInteger('pad: a width', given[1], 0)];
  };
  if (typeof widths === 'number') return x.shape.map(() => pair([widths, widths]));
  if (!Array.isArray(widths)) return [pair(widths)];
  if (widths.every(width => typeof width === 'number')) return x.shape.map(() => pair(widths));
  if (widths.length !== x.ndim)
    throw new ShapeError(`pad: ${widths.length} pairs for the ${x.ndim} dimensions of shape ${shownShape(x.shape)}`);
  return widths.map(pair);
}

/** Which element each place of a padded axis shows. */
function sources(size: number, [before, after]: Width, mode: 'edge' | 'reflect'): number[] {
  const period = mode === 'reflect' ? 2 * (size - 1) : 1;
  const length = before + size + after;
  checkHeap(`pad: widths [${before}, ${after}] with mode '${mode}'`, 16 * length, 'take smaller widths');
  return Array.from({ length }, (_, i) => {
    const at = i - before;
    if (mode === 'edge') return Math.min(Math.max(at, 0), size - 1);
    const folded = ((at % period) + period) % period;
    return folded < size ? folded : period - folded;
  });
}

/** With elements put before and after each dimension: `pad(x, [[1, 1], [0, 2]])`. */
export function pad(x: Tensor, widths: number | Width | readonly Width[], options?: PadOptions): Tensor {
  checkTensor('pad', x);
  const { mode = 'constant', value = 0 } = checkOptions('pad', options, ['mode', 'value']);
  checkOneOf('pad: mode', mode, ['constant', 'edge', 'reflect'] as const);
  checkNumber('pad: value', value);
  const around = widthsOf(x, widths);
  if (mode === 'constant') {
    if (!isFloat(x.dtype) && !Number.isInteger(value))
      throw new DTypeError(`pad takes a whole value for ${x.dtype}, but got ${value}; cast to float32 first`);
    return apply(sliceGradientOp, [x], {
      starts: around.map(([before]) => before),
      steps: around.map(() => 1),
      sizes: x.shape,
      shape: frozenShape(x.shape.map((size, d) => size + (around[d] as Width)[0] + (around[d] as Width)[1])),
      value,
    });
  }
  return around.reduce((padded: Tensor, width, d) => {
    const size = x.shape[d] as number;
    const most = mode === 'reflect' ? 2 : 1;
    if (width[0] === 0 && width[1] === 0) return padded;
    if (size < most)
      throw new ShapeError(`pad: axis ${d} of shape ${shownShape(x.shape)} has too few elements for mode '${mode}'`);
    return take(padded, tensor(sources(size, width, mode), { dtype: 'int32' }) as Tensor, { axis: d });
  }, x);
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType>
    extends AsMethods<typeof import('./repeat.js'), 'tile' | 'repeat' | 'pad'> {
    /** Backwards along axes. */
    flip<T extends Tensor>(this: T, options?: { axis?: number | readonly number[] }): Tensor<Sh<T>, Dt<T>>;
  }
}

installFunctions({ tile, repeat, flip, pad });
