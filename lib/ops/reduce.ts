import { ShapeError } from '../errors.js';
import { opcode } from '../native/register.js';
import { checkBoolean, checkOptions, shownShape } from '../support/check.js';
import { type DType, isFloat, toFloat } from '../tensor/dtype.js';
import { checkAxes, checkAxis, frozenShape, sizeOf } from '../tensor/shape.js';
import type { Axes, AxisOption, Dt, Gathered, Real, Reduce, ReduceOptions, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { div, mul } from './binary.js';
import { isBlockable } from './blocked/form.js';
import { meanBlocked } from './blocked/pool.js';
import type { Blocked } from './blocked/value.js';
import { cast, inDType } from './cast.js';
import { equal } from './compare.js';
import { invoke, setInt, setReal } from './invoke.js';
import { type MethodsOf, withMethod } from './methods.js';
import { apply, defineOp, type Gradient, notDifferentiable, type Op, type Operand, type Signature } from './op.js';
import { where } from './select.js';
import { broadcastTo, reshape } from './view.js';

export interface ReduceAttrs {
  /** Sorted, from 0. */
  readonly axes: readonly number[];
  readonly keepdims: boolean;
}

export function bitSet(axes: readonly number[]): number {
  return axes.reduce((bits, axis) => bits | (1 << axis), 0);
}

export function reducedShape(shape: readonly number[], { axes, keepdims }: ReduceAttrs): readonly number[] {
  if (keepdims) return frozenShape(shape.map((size, d) => (axes.includes(d) ? 1 : size)));
  return frozenShape(shape.filter((_, d) => !axes.includes(d)));
}

/** g, in the shape of a reduction's result, repeated over the reduced axes. */
export function spread(g: Tensor, input: readonly number[], axes: readonly number[]): Tensor {
  return broadcastTo(reshape(g, reducedShape(input, { axes, keepdims: true })), input);
}

export function countOver(shape: readonly number[], axes: readonly number[]): number {
  return axes.reduce((n, axis) => n * (shape[axis] as number), 1);
}

function defineReduce(
  name: string,
  native: string,
  dtypeRule: (d: DType) => DType,
  divisor: (shape: readonly number[], attrs: ReduceAttrs) => number,
  gradient: Gradient<ReduceAttrs>,
  saves: Op<ReduceAttrs>['saves'],
  blocked?: Op<ReduceAttrs>['blocked'],
): Op<ReduceAttrs> {
  const code = opcode(native);
  return defineOp<ReduceAttrs>({
    name,
    infer: ([x], attrs) => {
      const { shape, dtype } = x as Tensor;
      const out = reducedShape(shape, attrs);
      if (native !== 'sum' && native !== 'prod' && countOver(shape, attrs.axes) === 0 && sizeOf(out) !== 0) {
        throw new ShapeError(
          `${name}: no elements along axes [${attrs.axes.join(', ')}] of shape ${shownShape(shape)}`,
        );
      }
      return { shape: out, dtype: dtypeRule(dtype) };
    },
    run: ([x], attrs, { shape, dtype }) => {
      const input = x as Tensor;
      const source = name === 'mean' ? (inDType(input, dtype) as Tensor) : input;
      setInt(0, bitSet(attrs.axes));
      setReal(0, divisor(input.shape, attrs));
      return invoke(name, code, [source], shape, dtype);
    },
    gradient,
    saves,
    ...(blocked === undefined ? {} : { blocked }),
  });
}

const extremeGradient: Gradient<ReduceAttrs> = (g, { inputs, output, attrs }) => {
  const x = inputs[0] as Tensor;
  // Equal extremes share the gradient equally.
  const isExtreme = cast(equal(x, spread(output as Tensor, x.shape, attrs.axes)), g.dtype);
  const ties = sum(isExtreme, { axis: attrs.axes as number[], keepdims: true });
  return [mul(spread(g, x.shape, attrs.axes), div(isExtreme, ties))];
};

const sumOp = defineReduce(
  'sum',
  'sum',
  d => (isFloat(d) ? d : 'int32'),
  () => 1,
  (g, { signatures, attrs }) => [spread(g, (signatures[0] as Signature).shape, attrs.axes)],
  {},
);
const meanOp = defineReduce(
  'mean',
  'sum',
  toFloat,
  (shape, { axes }) => countOver(shape, axes),
  (g, { signatures, attrs }) => {
    const { shape, dtype } = signatures[0] as Signature;
    // Divided before it is spread: the spread gradient is a view that repeats it.
    return [inDType(spread(div(g, countOver(shape, attrs.axes)), shape, attrs.axes), dtype) as Tensor];
  },
  {},
  // Of whole channels.
  ([x], { axes }, { shape }) => {
    if (!isBlockable(x as Tensor) || axes.join() !== '2,3') return null;
    return {
      blocks: [0],
      halo: 0,
      gives: 'plain',
      gain: 0,
      compute: ([data]) => {
        const means = meanBlocked(data as Blocked);
        return shape.length === 4 ? means : (reshape(means, shape) as Tensor);
      },
    };
  },
);
/** The product of the others, also where one of them is 0: there the product of all tells nothing. */
const prodGradient: Gradient<ReduceAttrs> = (g, { inputs, attrs }) => {
  const x = inputs[0] as Tensor;
  const over = { axis: attrs.axes as number[], keepdims: true } as const;
  const isZero = equal(x, 0);
  const others = where(isZero, 1, x);
  const product: Tensor = prod(others, over);
  const zeros: Tensor = sum(isZero, over);
  const slope = where(equal(zeros, 0), div(product, others), where(isZero.logicalAnd(equal(zeros, 1)), product, 0));
  return [mul(spread(g, x.shape, attrs.axes), slope)];
};

const prodOp = defineReduce(
  'prod',
  'prod',
  d => (isFloat(d) ? d : 'int32'),
  () => 1,
  prodGradient,
  { inputs: [0] },
);
const maxOp = defineReduce(
  'max',
  'max',
  d => d,
  () => 1,
  extremeGradient,
  { inputs: [0], output: true },
);
const minOp = defineReduce(
  'min',
  'min',
  d => d,
  () => 1,
  extremeGradient,
  { inputs: [0], output: true },
);

/** The dtype that a reduction makes of another. */
type Reduced<How, D extends DType> = How extends 'sums' ? Gathered<D> : How extends 'means' ? Real<D> : D;

/** A reduction over axes, and its form as a method. */
export interface Reduces<How extends 'sums' | 'means' | 'picks'> {
  <T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
    x: T,
    options?: ReduceOptions<T, X, K>,
  ): Tensor<Reduce<Sh<T>, X, K>, Reduced<How, Dt<T>>>;
  readonly method?: <T extends Tensor, const X extends Axes | undefined = undefined, const K extends boolean = false>(
    this: T,
    options?: ReduceOptions<T, X, K>,
  ) => Tensor<Reduce<Sh<T>, X, K>, Reduced<How, Dt<T>>>;
}

export interface LooseReduceOptions {
  axis?: Axes | undefined;
  keepdims?: boolean | undefined;
}

/** The axes that a user named, and whether they are kept. */
export function checkReduce(who: string, x: Tensor, { axis, keepdims = false }: LooseReduceOptions): ReduceAttrs {
  return { axes: checkAxes(who, axis, x.ndim), keepdims: checkBoolean(`${who}: keepdims`, keepdims) };
}

export function reduction(op: Op<ReduceAttrs>): never {
  return withMethod(op.name, (x, options?: LooseReduceOptions) => {
    checkTensor(op.name, x);
    return apply(op, [x], checkReduce(op.name, x, checkOptions(op.name, options, ['axis', 'keepdims'])));
  });
}

/** Σ over the axes. Integers are summed to int32; a sum that doesn't fit raises. */
export const sum: Reduces<'sums'> = reduction(sumOp);
/** The product over the axes. Of integers it is int32; one that doesn't fit raises. */
export const prod: Reduces<'sums'> = reduction(prodOp);
/** The mean over the axes; of integers as float32. */
export const mean: Reduces<'means'> = reduction(meanOp);
/** The largest element over the axes; NaN if there is one. */
export const max: Reduces<'picks'> = reduction(maxOp);
/** The smallest element over the axes; NaN if there is one. */
export const min: Reduces<'picks'> = reduction(minOp);

// ---------- positions of extremes

function defineArg(name: string): Op<ReduceAttrs> {
  const code = opcode(name);
  return defineOp<ReduceAttrs>({
    name,
    infer: ([x], attrs) => {
      const { shape } = x as Tensor;
      if (countOver(shape, attrs.axes) === 0)
        throw new ShapeError(`${name}: no elements along the axis of shape ${shownShape(shape)}`);
      if (countOver(shape, attrs.axes) >= 2 ** 31) {
        throw new ShapeError(
          `${name}: positions are int32, too small for axes [${attrs.axes.join(', ')}] of shape ${shownShape(shape)}`,
        );
      }
      return { shape: reducedShape(shape, attrs), dtype: 'int32' };
    },
    run: ([x], attrs, { shape }) => {
      setInt(0, bitSet(attrs.axes));
      return invoke(name, code, [x as Operand], shape, 'int32');
    },
    gradient: notDifferentiable('a position has no slope'),
    saves: {},
  });
}

/** The position of an extreme, and its form as a method. */
interface Places {
  <T extends Tensor, const X extends number | undefined = undefined, const K extends boolean = false>(
    x: T,
    options?: AxisOption<T, X> & { keepdims?: K },
  ): Tensor<Reduce<Sh<T>, X, K>, 'int32'>;
  readonly method?: <T extends Tensor, const X extends number | undefined = undefined, const K extends boolean = false>(
    this: T,
    options?: AxisOption<T, X> & { keepdims?: K },
  ) => Tensor<Reduce<Sh<T>, X, K>, 'int32'>;
}

function places(name: string): never {
  const op = defineArg(name);
  return withMethod(name, (x, options?: { axis?: number; keepdims?: boolean }) => {
    checkTensor(name, x);
    const { axis, keepdims = false } = checkOptions(name, options, ['axis', 'keepdims']);
    const axes = axis === undefined ? checkAxes(name, undefined, x.ndim) : [checkAxis(name, axis, x.ndim)];
    return apply(op, [x], { axes, keepdims: checkBoolean(`${name}: keepdims`, keepdims) });
  });
}

/** The position (int32) of the first largest element along an axis, or in the flattened tensor. */
export const argmax: Places = places('argmax');
/** The position (int32) of the first smallest element along an axis, or in the flattened tensor. */
export const argmin: Places = places('argmin');

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> extends MethodsOf<typeof import('./reduce.js')> {}
}
