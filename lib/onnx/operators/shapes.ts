import type { Exporter } from '../emitter.js';
import { isKnown, known, plus, type Size, sameSize } from '../sizes.js';
import { TO_THE_END } from '../writer.js';

interface Range {
  readonly axis: number;
  readonly start: Size;
  readonly end: Size;
  readonly step: number;
}

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
    const isWhole = (d: number): boolean => d === 0 || sameSize(from[d], call.output.shape[d]);
    if (parts !== undefined && steps[0] === 1 && from.every((_, d) => isWhole(d))) {
      const part = parts.find(
        call.size(attrs => attrs.starts[0]),
        call.output.shape[0] as Size,
      );
      if (part !== null) return part;
    }
    const ranges = call.output.shape.flatMap((size, axis): Range[] => {
      const start = call.size(attrs => attrs.starts[axis]);
      const step = sameSize(size, known(1)) ? 1 : (steps[axis] as number);
      const whole = from[axis] as Size;
      if (step === 1 && sameSize(start, known(0)) && sameSize(size, whole)) return [];
      const stop = plus(start, size, step);
      // Places from the end are held to the first element, as computed ones are not.
      const fromEnd = (place: Size): Size => {
        const distance = plus(place, whole, -1);
        return !isKnown(place) && isKnown(distance) && (distance.at[0] as number) < 0 ? distance : place;
      };
      if (step > 0)
        return [{ axis, start: fromEnd(start), step, end: sameSize(stop, whole) ? known(TO_THE_END) : fromEnd(stop) }];
      // An end before the first element has no number: -1 is the last.
      const beyond = isKnown(stop) && (stop.at[0] as number) < 0;
      const last = sameSize(start, plus(whole, known(-1)));
      if (!last && !isKnown(start)) call.refuseSizes('has slice go back from a place that depends on the size');
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
  /** Padding with one value. */
  sliceGradient: (e, call) => {
    const { steps, value } = call.attrs as { steps: readonly number[]; value: number };
    if (steps.some(step => step !== 1)) call.refuse('spreads a slice, which ONNX has no operator for');
    const { dtype } = call.output;
    const before = call.output.shape.map((_, d) => call.size(attrs => attrs.starts[d]));
    const trailing = call.output.shape.map((size, d) =>
      plus(plus(size, before[d] as Size, -1), call.value(0).shape[d] as Size, -1),
    );
    return e.node('Pad', [e.name(call.value(0)), e.writer.sizes([...before, ...trailing]), e.scalar(value, dtype)]);
  },
};
