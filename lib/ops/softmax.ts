import { ShapeError } from '../errors.js';
import { opcode } from '../native/register.js';
import { checkOptions } from '../support/check.js';
import type { DType } from '../tensor/dtype.js';
import { toFloat } from '../tensor/dtype.js';
import { checkAxis, sizeOf } from '../tensor/shape.js';
import type { AxisOption, Dt, Real, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { mul, sub } from './binary.js';
import { inDType } from './cast.js';
import { invoke } from './invoke.js';
import { type MethodsOf, withMethod } from './methods.js';
import { apply, defineOp, type Op, type Signature } from './op.js';
import { type ReduceAttrs, type Reduces, reducedShape, reduction, spread, sum } from './reduce.js';
import { exp, neg } from './unary.js';
import { reshape, transpose } from './view.js';

interface AxisAttrs {
  readonly axis: number;
}

/** The axes in the order that has `last` after all others, and the order that undoes it. */
function moveLast(rank: number, last: readonly number[]): { forward: number[]; back: number[] } {
  const forward = [...Array.from({ length: rank }, (_, d) => d).filter(d => !last.includes(d)), ...last];
  const back: number[] = [];
  forward.forEach((axis, d) => {
    back[axis] = d;
  });
  return { forward, back };
}

/** The axis to the end, a native op along rows, and the axis back. */
function alongRows(name: string, code: number, inputs: readonly Tensor[], axis: number): Tensor {
  const { shape, dtype, ndim } = inputs[0] as Tensor;
  if (axis === ndim - 1) return invoke(name, code, inputs, shape, dtype);
  const { forward, back } = moveLast(ndim, [axis]);
  const moved = inputs.map(t => transpose(t.detach(), forward));
  return transpose(invoke(name, code, moved, (moved[0] as Tensor).shape, dtype), back);
}

/** The gradient of a row's function from the result's gradient and the result: an operation of its own. */
function defineRowGradient(
  name: string,
  gradient: (h: Tensor, g: Tensor, y: Tensor, axis: number) => [g: Tensor, y: Tensor],
): Op<AxisAttrs> {
  const code = opcode(name);
  return defineOp<AxisAttrs>({
    name,
    infer: ([g]) => ({ shape: (g as Tensor).shape, dtype: (g as Tensor).dtype }),
    run: (inputs, { axis }) => alongRows(name, code, inputs as Tensor[], axis),
    gradient: (h, { inputs, attrs }) => gradient(h, inputs[0] as Tensor, inputs[1] as Tensor, attrs.axis),
    saves: { inputs: [0, 1] },
  });
}

function sumAlong(x: Tensor, axis: number): Tensor {
  return sum(x, { axis, keepdims: true });
}

const softmaxGradientOp = defineRowGradient('softmaxGradient', (h, g, y, axis) => [
  apply(softmaxGradientOp, [h, y], { axis }),
  sub(mul(h, sub(g, sumAlong(mul(g, y), axis))), mul(g, sumAlong(mul(h, y), axis))),
]);

const logSoftmaxGradientOp = defineRowGradient('logSoftmaxGradient', (h, g, y, axis) => {
  const weighted = mul(h, exp(y));
  return [sub(h, sumAlong(weighted, axis)), neg(mul(weighted, sumAlong(g, axis)))];
});

function defineRowwise(name: string, gradientOp: Op<AxisAttrs>): Op<AxisAttrs> {
  const code = opcode(name);
  return defineOp<AxisAttrs>({
    name,
    infer: ([x]) => ({ shape: (x as Tensor).shape, dtype: toFloat((x as Tensor).dtype) }),
    run: ([x], { axis }, { dtype }) => alongRows(name, code, [inDType(x as Tensor, dtype) as Tensor], axis),
    gradient: (g, { output, attrs, signatures }) => [
      inDType(apply(gradientOp, [g, output as Tensor], attrs), (signatures[0] as Signature).dtype) as Tensor,
    ],
    saves: { output: true },
  });
}

/** A function of each row along an axis, and its form as a method. */
interface AlongRows {
  <T extends Tensor, const X extends number = -1>(x: T, options?: AxisOption<T, X>): Tensor<Sh<T>, Real<Dt<T>>>;
  readonly method?: <T extends Tensor, const X extends number = -1>(
    this: T,
    options?: AxisOption<T, X>,
  ) => Tensor<Sh<T>, Real<Dt<T>>>;
}

function rowwise(name: string, gradientOp: Op<AxisAttrs>): never {
  const op = defineRowwise(name, gradientOp);
  return withMethod(name, (x, options?: { axis?: number }) => {
    checkTensor(name, x);
    if (x.ndim === 0) throw new ShapeError(`${name} takes a tensor of one dimension or more, but got a scalar`);
    const { axis = -1 } = checkOptions(name, options, ['axis']);
    return apply(op, [x], { axis: checkAxis(name, axis, x.ndim) });
  });
}

/** e^x / Σ e^x along an axis (the last by default), shifted by the maximum so that nothing overflows. */
export const softmax: AlongRows = rowwise('softmax', softmaxGradientOp);
/** ln softmax(x) along an axis (the last by default), without taking a logarithm of a rounded zero. */
export const logSoftmax: AlongRows = rowwise('logSoftmax', logSoftmaxGradientOp);

const LOG_SUM_EXP = opcode('logSumExp');

const logsumexpOp = defineOp<ReduceAttrs>({
  name: 'logsumexp',
  infer: ([x], attrs) => {
    const { shape, dtype } = x as Tensor;
    return { shape: reducedShape(shape, attrs), dtype: toFloat(dtype) };
  },
  run: ([x], { axes }, { shape, dtype }) => {
    const input = (inDType(x as Tensor, dtype) as Tensor).detach();
    const kept = input.shape.filter((_, d) => !axes.includes(d));
    const reduced = sizeOf(axes.map(axis => input.shape[axis] as number));
    const rows = reshape(transpose(input, moveLast(input.ndim, axes).forward), [...kept, reduced]);
    return invoke('logsumexp', LOG_SUM_EXP, [rows], shape, dtype);
  },
  gradient: (g, { inputs, output, attrs }) => {
    const x = inputs[0] as Tensor;
    const share = exp(sub(x, spread(output as Tensor, x.shape, attrs.axes)));
    return [inDType(mul(spread(g, x.shape, attrs.axes), share), x.dtype) as Tensor];
  },
  saves: { inputs: [0], output: true },
});

/** ln Σ e^x over the axes, shifted by the maximum. */
export const logsumexp: Reduces<'means'> = reduction(logsumexpOp);

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> extends MethodsOf<typeof import('./softmax.js')> {}
}
