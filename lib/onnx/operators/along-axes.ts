import { cast } from '../../ops/cast.js';
import { argmax, argmin, max, mean, min, prod, sum } from '../../ops/reduce.js';
import { flip } from '../../ops/repeat.js';
import { cumsum } from '../../ops/scan.js';
import { logSoftmax, logsumexp, softmax } from '../../ops/softmax.js';
import { topk } from '../../ops/sort.js';
import type { SquaresAttrs } from '../../ops/squares.js';
import type { Linear } from '../../plan/linear.js';
import { type DType, isFloat } from '../../tensor/dtype.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Call, Emitter, Exporter } from '../emitter.js';
import type { Importer, Inputs, NodeReader } from '../reader.js';

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
  const { axes, keepdims, ddof, root } = call.attrs as unknown as SquaresAttrs;
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
    const sizes = axes.map(axis => call.value(0).shape[axis] as Linear);
    const isKnown = sizes.every(({ slope }) => slope === 0);
    const count = isKnown
      ? e.scalar(sizes.reduce((n, { base }) => n * base, 1) - ddof, dtype)
      : e.node('Sub', [
          e.node('ReduceProd', [e.node('Cast', [e.writer.sizes(sizes)], { to: dtype === 'float64' ? 11 : 1 })], {
            keepdims: 0,
          }),
          e.scalar(ddof, dtype),
        ]);
    return e.node('Div', [reduced('ReduceSum'), count]);
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
    // In the flattened tensor, whose size may hang on the batch.
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
    const count = e.writer.sizes([call.output.shape[axis] as Linear]);
    const places = e.writer.results('TopK', 2, [x, count], { axis, largest: Number(descending), sorted: 1 })[1];
    return e.node('Cast', [places as string], { to: 6 });
  },
};

// ---------- from files

type Reduce = (x: Tensor, options: { axis?: number[]; keepdims: boolean }) => unknown;

/** Over the axes that the attribute (up to version 17 of the operators but for sums) or the second input names, or over all. */
function reducing(reduce: Reduce, ofFloats = false): Importer {
  return node => {
    node.takes(1, 2);
    const attribute = node.ints('axes');
    const keepdims = node.int('keepdims', 1) !== 0;
    const none = node.int('noop_with_empty_axes', 0) !== 0;
    return inputs => {
      const axes = attribute ?? (inputs.at(1) === null ? [] : inputs.longs(1));
      const x = ofFloats ? inputs.floats(0) : inputs.tensor(0);
      if (axes.length === 0 && none) return [x];
      return [reduce(x, { ...(axes.length > 0 && { axis: [...axes] }), keepdims }) as Tensor];
    };
  };
}

function placing(place: (x: Tensor, options: { axis: number; keepdims: boolean }) => unknown): Importer {
  return node => {
    node.takes(1);
    node.only('select_last_index', 0);
    const axis = node.int('axis', 0);
    const keepdims = node.int('keepdims', 1) !== 0;
    return inputs => [place(inputs.tensor(0), { axis, keepdims }) as Tensor];
  };
}

function alongRows(f: (x: Tensor, options: { axis: number }) => unknown): Importer {
  return node => {
    node.takes(1);
    const axis = node.int('axis', -1);
    return inputs => [f(inputs.tensor(0), { axis }) as Tensor];
  };
}

/** Whole numbers of a type that the format has and tensors here have not stay as they were. */
function sameType(f: Reduce): Reduce {
  return (x, options) => {
    const y = f(x, options) as Tensor;
    return isFloat(x.dtype) ? y : cast(y, x.dtype);
  };
}

function running(inputs: Inputs, reverse: boolean): Tensor {
  const x = inputs.tensor(0);
  const axis = inputs.tensor(1).item() as number;
  if (!reverse) return cumsum(x, { axis });
  const over = { axis };
  return flip(cumsum(flip(x, over) as Tensor, over), over) as Tensor;
}

function top(node: NodeReader): (inputs: Inputs) => Tensor[] {
  node.takes(2);
  node.gives(2);
  node.only('sorted', 1);
  const axis = node.int('axis', -1);
  const largest = node.int('largest', 1) !== 0;
  return inputs => {
    const { values, indices } = topk(inputs.tensor(0), inputs.longs(1)[0] ?? 0, { axis, largest });
    return [values, indices];
  };
}

export const importers: Readonly<Record<string, Importer>> = {
  ReduceSum: reducing(sameType(sum as Reduce)),
  ReduceMean: reducing(mean as Reduce, true),
  ReduceProd: reducing(sameType(prod as Reduce)),
  ReduceMax: reducing(max as Reduce),
  ReduceMin: reducing(min as Reduce),
  ReduceLogSumExp: reducing(logsumexp as Reduce, true),
  ArgMax: placing(argmax as never),
  ArgMin: placing(argmin as never),
  Softmax: alongRows(softmax as never),
  LogSoftmax: alongRows(logSoftmax as never),
  CumSum: node => {
    node.takes(2);
    node.only('exclusive', 0);
    const reverse = node.int('reverse', 0) !== 0;
    return inputs => [running(inputs, reverse)];
  },
  TopK: top,
};
