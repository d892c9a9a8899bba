import { concat } from '../../ops/join.js';
import { pad } from '../../ops/repeat.js';
import { broadcastTo, expandDims, reshape, type SliceRange, slice, squeeze, transpose } from '../../ops/view.js';
import type { Linear } from '../../plan/linear.js';
import { broadcastShapes } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Exporter } from '../emitter.js';
import { areLongs, type Given, type Importer, type Inputs, MOST_SIZES } from '../reader.js';
import { TO_THE_END } from '../writer.js';

const sameSize = (a: Linear, b: Linear): boolean => a.base === b.base && a.slope === b.slope;

interface Range {
  readonly axis: number;
  readonly start: Linear;
  readonly end: Linear;
  readonly step: number;
}

const known = (base: number): Linear => ({ base, slope: 0 });

export const exporters: Readonly<Record<string, Exporter>> = {
  reshape: (e, call) => e.reshape(e.name(call.value(0)), call.value(0).shape, call.output.shape),
  transpose: (e, call) => e.node('Transpose', [e.name(call.value(0))], { perm: call.attrs.axes }),
  broadcastTo: (e, call) => e.node('Expand', [e.name(call.value(0)), e.writer.sizes(call.output.shape)]),
  concat: (e, call) =>
    e.node(
      'Concat',
      call.inputs.map(operand => e.in(call.output.dtype, operand)),
      { axis: call.attrs.axis },
    ),
  slice: (e, call) => {
    const from = call.value(0).shape;
    const steps = call.attrs.steps as readonly number[];
    const parts = e.parts(call.value(0));
    const isWhole = (d: number): boolean => d === 0 || sameSize(from[d] as Linear, call.output.shape[d] as Linear);
    if (parts !== undefined && steps[0] === 1 && from.every((_, d) => isWhole(d))) {
      const part = parts.find(
        call.linear(attrs => attrs.starts[0]),
        call.output.shape[0] as Linear,
      );
      if (part !== null) return part;
    }
    const ranges = call.output.shape.flatMap((size, axis): Range[] => {
      const start = call.linear(attrs => attrs.starts[axis]);
      const step = size.slope === 0 && size.base === 1 ? 1 : (steps[axis] as number);
      const whole = from[axis] as Linear;
      if (step === 1 && start.slope === 0 && start.base === 0 && sameSize(size, whole)) return [];
      const stop = { base: start.base + step * size.base, slope: start.slope + step * size.slope };
      if (step > 0) return [{ axis, start, step, end: sameSize(stop, whole) ? known(TO_THE_END) : stop }];
      // An end before the first element has no number: -1 is the last.
      const beyond = stop.slope === 0 && stop.base < 0;
      const last = sameSize(start, { base: whole.base - 1, slope: whole.slope });
      return [{ axis, step, start: last ? known(TO_THE_END) : start, end: beyond ? known(-TO_THE_END) : stop }];
    });
    if (ranges.length === 0) return e.name(call.value(0));
    return e.node('Slice', [
      e.name(call.value(0)),
      e.writer.sizes(ranges.map(range => range.start)),
      e.writer.sizes(ranges.map(range => range.end)),
      e.list(ranges.map(range => range.axis)),
      e.list(ranges.map(range => range.step)),
    ]);
  },
  /** What pad does: one value around it. */
  sliceGradient: (e, call) => {
    const { steps, value } = call.attrs as { steps: readonly number[]; value: number };
    if (steps.some(step => step !== 1)) call.refuse('spreads a slice, which ONNX has no operator for');
    const { dtype } = call.output;
    const before = call.output.shape.map((_, d) => call.linear(attrs => attrs.starts[d]));
    const behind = call.output.shape.map((size, d): Linear => {
      const [{ base, slope }, inner] = [before[d] as Linear, call.value(0).shape[d] as Linear];
      return { base: size.base - base - inner.base, slope: size.slope - slope - inner.slope };
    });
    return e.node('Pad', [e.name(call.value(0)), e.writer.sizes([...before, ...behind]), e.scalar(value, dtype)]);
  },
};

// ---------- from files

/** The shape that a Reshape asks for: 0 keeps a size, -1 is what is left. */
function reshaped(x: Tensor, wanted: readonly number[], allowsZero: boolean): Tensor {
  return reshape(
    x,
    wanted.map((size, d) => (size === 0 && !allowsZero ? (x.shape[d] ?? 0) : size)),
  ) as Tensor;
}

function axesOf(inputs: Inputs, attribute: readonly number[] | null): readonly number[] | null {
  return attribute ?? (inputs.at(1) === null ? null : inputs.longs(1));
}

function checkDistinct(inputs: Inputs, axes: readonly number[]): void {
  if (new Set(axes).size !== axes.length) inputs.refuse(`axes [${axes.join(', ')}] name one twice`);
}

/** NumPy's start:stop:step with bounds far out, as the format has them. */
function sliced(inputs: Inputs): Given[] {
  const given = inputs.at(0);
  const [starts, ends] = [inputs.longs(1), inputs.longs(2)];
  const axes = inputs.at(3) === null ? starts.map((_, i) => i) : inputs.longs(3);
  const steps = inputs.at(4) === null ? starts.map(() => 1) : inputs.longs(4);
  if ([ends, axes, steps].some(list => list.length !== starts.length))
    inputs.refuse(`${starts.length} starts, ${ends.length} ends, ${axes.length} axes and ${steps.length} steps`);
  if (areLongs(given)) {
    if (axes.length !== 1 || steps[0] !== 1) return [inputs.refuse('sizes are sliced by steps')];
    return [{ longs: given.longs.slice(starts[0], ends[0]), isScalar: false }];
  }
  const x = inputs.tensor(0);
  checkDistinct(
    inputs,
    axes.map(axis => (axis < 0 ? axis + x.ndim : axis)),
  );
  const ranges: SliceRange[] = x.shape.map(() => null);
  axes.forEach((axis, i) => {
    const at = axis < 0 ? axis + x.ndim : axis;
    const size = x.shape[at];
    if (size === undefined) inputs.refuse(`axis ${axis} of ${x.ndim}`);
    const step = steps[i] as number;
    const bound = (value: number): number => Math.max(-(size as number) - 1, Math.min(size as number, value));
    const stop = bound(ends[i] as number);
    ranges[at] = [bound(starts[i] as number), step < 0 && stop < -(size as number) ? null : stop, step];
  });
  return [slice(x, ...ranges) as Tensor];
}

export const importers: Readonly<Record<string, Importer>> = {
  Reshape: node => {
    node.takes(2);
    const allowsZero = node.int('allowzero', 0) !== 0;
    return inputs => {
      const given = inputs.at(0);
      if (areLongs(given)) return [{ longs: given.longs, isScalar: inputs.longs(1).length === 0 }];
      return [reshaped(inputs.tensor(0), inputs.longs(1), allowsZero)];
    };
  },
  Transpose: node => {
    node.takes(1);
    const perm = node.ints('perm');
    return inputs => [transpose(inputs.tensor(0), (perm === null ? undefined : [...perm]) as never) as Tensor];
  },
  Expand: node => {
    node.takes(2);
    return inputs => {
      const x = inputs.tensor(0);
      const together = broadcastShapes(x.shape, inputs.longs(1));
      if (together === undefined) return [inputs.refuse('the shapes do not broadcast')];
      return [broadcastTo(x, together)];
    };
  },
  Concat: node => {
    const axis = node.int('axis', 0);
    return inputs => {
      const given = Array.from({ length: inputs.count }, (_, i) => inputs.at(i));
      if (given.every(areLongs)) {
        if (given.reduce((n, one) => n + one.longs.length, 0) > MOST_SIZES)
          inputs.refuse(`more than ${MOST_SIZES} sizes`);
        return [{ longs: given.flatMap(one => one.longs), isScalar: false }];
      }
      return [concat(given.map((_, i) => inputs.tensor(i)) as [Tensor, ...Tensor[]], { axis }) as Tensor];
    };
  },
  Slice: node => {
    node.takes(3, 5);
    return sliced;
  },
  Pad: node => {
    node.takes(2, 3);
    node.only('mode', 'constant');
    return inputs => {
      const x = inputs.tensor(0);
      const widths = inputs.longs(1);
      if (widths.length !== 2 * x.ndim) inputs.refuse(`${widths.length} widths for ${x.ndim} dimensions`);
      const value = inputs.maybe(2) === null ? 0 : Number((inputs.maybe(2) as Tensor).item());
      return [
        pad(
          x,
          x.shape.map((_, d) => [widths[d] as number, widths[d + x.ndim] as number] as const),
          { value },
        ),
      ];
    };
  },
  Squeeze: node => {
    node.takes(1, 2);
    const attribute = node.ints('axes');
    return inputs => {
      const given = inputs.at(0);
      if (areLongs(given)) return [{ longs: given.longs, isScalar: given.longs.length === 1 }];
      const axes = axesOf(inputs, attribute) ?? [];
      return [squeeze(inputs.tensor(0), axes.length === 0 ? undefined : [...axes])];
    };
  },
  Unsqueeze: node => {
    node.takes(1, 2);
    const attribute = node.ints('axes');
    return inputs => {
      const x = inputs.tensor(0);
      const axes = axesOf(inputs, attribute) ?? inputs.refuse('there are no axes');
      const rank = x.ndim + axes.length;
      const places = axes.map(axis => (axis < 0 ? axis + rank : axis));
      if (places.some(axis => axis < 0 || axis >= rank))
        inputs.refuse(`axes [${axes.join(', ')}] of ${rank} dimensions`);
      checkDistinct(inputs, places);
      return [places.sort((a, b) => a - b).reduce((t, axis) => expandDims(t, axis) as Tensor, x)];
    };
  },
  Shape: node => {
    node.takes(1);
    const [start, end] = [node.int('start', 0), node.int('end', Number.MAX_SAFE_INTEGER)];
    return inputs => [{ longs: inputs.tensor(0).shape.slice(start, end), isScalar: false }];
  },
};
