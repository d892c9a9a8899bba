import type { SquaresAttrs } from '../../ops/squares.js';
import type { DType } from '../../tensor/dtype.js';
import type { Call, Emitter, Exporter } from '../emitter.js';
import { known, type Size, together } from '../sizes.js';

// ---------- reductions

/** The first operand in a type that the operators know. */
function counted(e: Emitter, call: Call): { x: string; dtype: DType } {
  const { dtype } = call.value(0);
  const known: DType = dtype === 'bool' || dtype === 'uint8' ? 'int32' : dtype;
  return { x: e.in(known, call.value(0)), dtype: known };
}

function reduction(type: string, axesAre: 'input' | 'attribute'): Exporter {
  return (e, call) => {
    const { axes, keepdims } = call.attrs as { axes: readonly number[]; keepdims: boolean };
    const { output } = call;
    const toFloats = type === 'ReduceMean' || type === 'ReduceLogSumExp';
    const given = toFloats ? { x: e.in(output.dtype, call.value(0)), dtype: output.dtype } : counted(e, call);
    // No axes at all would mean all of them.
    if (axes.length === 0) return e.cast(given.x, given.dtype, output.dtype);
    const kept = { keepdims: Number(keepdims) };
    const reduced =
      axesAre === 'input' ? e.node(type, [given.x, e.list(axes)], kept) : e.node(type, [given.x], { axes, ...kept });
    return e.cast(reduced, given.dtype, output.dtype);
  };
}

/** Σx²/(n - ddof) or Σx², or the root of either. */
const squares: Exporter = (e, call) => {
  const { axes, keepdims, ddof, root } = call.attrs as SquaresAttrs;
  const { dtype } = call.output;
  const x = e.in(dtype, call.value(0));
  const square = e.node('Mul', [x, x]);
  const kept = { keepdims: Number(keepdims) };
  // No axes at all would mean all of them.
  const reduced = (type: string): string => {
    if (axes.length === 0) return square;
    return type === 'ReduceSum'
      ? e.node(type, [square, e.list(axes)], kept)
      : e.node(type, [square], { axes, ...kept });
  };
  const divided = (ddof: number): string => {
    if (ddof === 0) return reduced('ReduceMean');
    const sizes = axes.map(axis => call.value(0).shape[axis] as Size);
    const count = together([known(1), ...sizes], numbers => numbers.reduce((a, b) => a * b) - ddof);
    return e.node('Div', [reduced('ReduceSum'), e.writer.number(count, dtype)]);
  };
  const result = ddof === null ? reduced('ReduceSum') : divided(ddof);
  return root ? e.node('Sqrt', [result]) : result;
};

function position(type: string): Exporter {
  return (e, call) => {
    const { axes, keepdims } = call.attrs as { axes: readonly number[]; keepdims: boolean };
    const { x } = counted(e, call);
    const along = (name: string, axis: number, keeps: boolean): string =>
      e.node('Cast', [e.node(type, [name], { axis, keepdims: Number(keeps) })], { to: 6 });
    if (axes.length === 1) return along(x, axes[0] as number, keepdims);
    // In the flattened tensor, whose size may depend on the batch.
    const flat = e.node('Reshape', [x, e.list([-1])]);
    return e.reshape(along(flat, 0, false), [], call.output.shape);
  };
}

function rowwise(type: string): Exporter {
  return (e, call) => e.node(type, [e.in(call.output.dtype, call.value(0))], { axis: call.attrs.axis });
}

export const exporters: Readonly<Record<string, Exporter>> = {
  sum: reduction('ReduceSum', 'input'),
  mean: reduction('ReduceMean', 'attribute'),
  prod: reduction('ReduceProd', 'attribute'),
  max: reduction('ReduceMax', 'attribute'),
  min: reduction('ReduceMin', 'attribute'),
  logsumexp: reduction('ReduceLogSumExp', 'attribute'),
  squares,
  argmax: position('ArgMax'),
  argmin: position('ArgMin'),
  softmax: rowwise('Softmax'),
  logSoftmax: rowwise('LogSoftmax'),
  cumsum: (e, call) =>
    e.node('CumSum', [e.in(call.output.dtype, call.value(0)), e.scalar(call.attrs.axis, 'int32')], {
      reverse: Number(call.attrs.backwards),
    }),
  argsort: (e, call) => {
    const { axis, descending } = call.attrs as { axis: number; descending: boolean };
    const { x } = counted(e, call);
    const count = e.writer.sizes([call.output.shape[axis] as Size]);
    const places = e.writer.results('TopK', 2, [x, count], { axis, largest: Number(descending), sorted: 1 })[1];
    return e.node('Cast', [places as string], { to: 6 });
  },
};
