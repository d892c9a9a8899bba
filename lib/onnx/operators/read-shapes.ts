import { concat } from '../../ops/join.js';
import { pad } from '../../ops/repeat.js';
import { broadcastTo, expandDims, reshape, type SliceRange, slice, squeeze, transpose } from '../../ops/view.js';
import { broadcastShapes } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import { type Kind, type Kinds, longKind, movedKind, PLACES, tableKind, tensorKind, union } from '../kind.js';
import { type Importer, type Inputs, isTable, type NodeReader } from '../reader.js';
import {
  concatTables,
  expandTable,
  makeTable,
  reshapeTable,
  sliceTable,
  type Table,
  transposeTable,
} from '../table.js';

/** A tensor or a table, moved to another shape. */
type Shaped = Tensor | Table;

/** The first input: a table where the result is one. */
function moved(inputs: Inputs): Shaped {
  return inputs.tables(0)?.[0] ?? inputs.tensor(0);
}

function inShape(x: Shaped, shape: readonly number[]): Shaped {
  return isTable(x) ? reshapeTable(x, shape) : (reshape(x, [...shape]) as Tensor);
}

/** An operator that moves the elements of its first input; its sizes or axes are the inputs at these places. */
const moving =
  (...places: readonly number[]) =>
  (kinds: Kinds): Kind[] => {
    for (const i of places) if (kinds.maybe(i) !== null) kinds.sizes(i);
    return [movedKind(kinds)];
  };

/** The axes that an attribute or the second input names. */
function axesOf(inputs: Inputs, attribute: readonly number[] | null): readonly number[] | null {
  return attribute ?? (inputs.at(1) === null ? null : inputs.sizes(1));
}

function checkDistinct(inputs: Inputs, axes: readonly number[]): void {
  if (new Set(axes).size !== axes.length) inputs.refuse(`axes [${axes.join(', ')}] name one twice`);
}

// ---------- slices

interface Taken {
  readonly start: number;
  readonly stop: number;
  readonly step: number;
  readonly count: number;
}

/** Bounds count from the end where they are negative, and are then held to the axis: backwards to its first element. */
function taken(size: number, start: number, end: number, step: number): Taken {
  const bound = (value: number, least: number, most: number): number =>
    Math.max(least, Math.min(most, value < 0 ? value + size : value));
  const from = step > 0 ? bound(start, 0, size) : bound(start, 0, size - 1);
  const stop = step > 0 ? bound(end, 0, size) : bound(end, -1, size - 1);
  return { start: from, stop, step, count: size === 0 ? 0 : Math.max(0, Math.ceil((stop - from) / step)) };
}

function sliced(inputs: Inputs): Shaped[] {
  const x = moved(inputs);
  const rank = x.shape.length;
  const [starts, ends] = [inputs.sizes(1), inputs.sizes(2)];
  const axes = inputs.at(3) === null ? starts.map((_, i) => i) : inputs.sizes(3);
  const steps = inputs.at(4) === null ? starts.map(() => 1) : inputs.sizes(4);
  if ([ends, axes, steps].some(list => list.length !== starts.length))
    inputs.refuse(`${starts.length} starts, ${ends.length} ends, ${axes.length} axes and ${steps.length} steps`);
  const places = axes.map(axis => (axis < 0 ? axis + rank : axis));
  checkDistinct(inputs, places);
  const ranges = x.shape.map(size => taken(size, 0, size, 1));
  places.forEach((at, i) => {
    const size = x.shape[at];
    const step = steps[i] as number;
    if (size === undefined) inputs.refuse(`axis ${axes[i]} of ${rank}`);
    if (step === 0) inputs.refuse('a step is 0');
    ranges[at] = taken(size as number, starts[i] as number, ends[i] as number, step);
  });
  if (isTable(x)) return [sliceTable(x, ranges)];
  return [slice(x, ...ranges.map((range, d) => sliceRange(range, x.shape[d] as number))) as Tensor];
}

function sliceRange({ start, stop, step, count }: Taken, size: number): SliceRange {
  if (count === 0) return [0, 0];
  if (step === 1 && count === size) return null;
  return [start, stop < 0 ? null : stop, step];
}

// ---------- padding

/** Without what widths below 0 take away. */
function cropped(inputs: Inputs, x: Tensor, sides: readonly (readonly [number, number])[]): Tensor {
  if (sides.every(([before, trailing]) => before >= 0 && trailing >= 0)) return x;
  const ranges = sides.map(([before, trailing], d): SliceRange => {
    const [start, end] = [Math.max(0, -before), (x.shape[d] as number) - Math.max(0, -trailing)];
    if (start > end)
      inputs.refuse(`widths ${before} and ${trailing} take more than axis ${d} of size ${x.shape[d]} has`);
    return [start, end];
  });
  return slice(x, ...ranges) as Tensor;
}

function padding(node: NodeReader): ReturnType<Importer> {
  node.takes(2, 3);
  node.only('mode', 'constant');
  return {
    gives: kinds => {
      kinds.sizes(1);
      const { dtype, range } = kinds.tensor(0);
      if (kinds.maybe(2) === null)
        return [dtype === 'int64' ? longKind([Math.min(range[0], 0), Math.max(range[1], 0)]) : tensorKind(dtype)];
      const [, value] = kinds.alike([0, 2]) as readonly [Kind, Kind];
      kinds.number(2);
      return [dtype === 'int64' ? longKind(union(kinds.tensor(0), value)) : tensorKind(dtype)];
    },
    run: inputs => {
      const [x] = inputs.alike(0) as [Tensor];
      const widths = inputs.sizes(1);
      if (widths.length !== 2 * x.ndim) inputs.refuse(`${widths.length} widths for ${x.ndim} dimensions`);
      const value = inputs.at(2) === null ? 0 : inputs.kinds.number(2);
      const sides = x.shape.map((_, d) => [widths[d] as number, widths[d + x.ndim] as number] as const);
      return [
        pad(
          cropped(inputs, x, sides),
          sides.map(([a, b]) => [Math.max(0, a), Math.max(0, b)] as const),
          { value },
        ),
      ];
    },
  };
}

// ---------- joins

function joined(kinds: Kinds): Kind[] {
  const places = Array.from({ length: kinds.count }, (_, i) => i);
  const isTable = kinds.areTables(...places);
  const all = kinds.alike(places, isTable);
  const [{ dtype }] = all;
  if (isTable) return [tableKind(dtype as 'int64', union(...all))];
  return [dtype === 'int64' ? longKind(union(...all)) : tensorKind(dtype)];
}

export const importers: Readonly<Record<string, Importer>> = {
  Reshape: node => {
    node.takes(2);
    const allowsZero = node.int('allowzero', 0) !== 0;
    return {
      gives: moving(1),
      run: inputs => {
        const x = moved(inputs);
        // 0 keeps a size, -1 is what is left.
        const shape = inputs.sizes(1).map((size, d) => (size === 0 && !allowsZero ? (x.shape[d] ?? 0) : size));
        return [inShape(x, shape)];
      },
    };
  },
  Transpose: node => {
    node.takes(1);
    const perm = node.ints('perm');
    return {
      gives: moving(),
      run: inputs => {
        const x = moved(inputs);
        if (isTable(x)) return [transposeTable(x, perm)];
        return [transpose(x, (perm === null ? undefined : [...perm]) as never) as Tensor];
      },
    };
  },
  Expand: node => {
    node.takes(2);
    return {
      gives: moving(1),
      run: inputs => {
        const x = moved(inputs);
        const together = broadcastShapes(x.shape, inputs.sizes(1));
        if (together === undefined) return [inputs.refuse('the shapes do not broadcast')];
        return [isTable(x) ? expandTable(x, together) : broadcastTo(x, together)];
      },
    };
  },
  Concat: node => {
    node.takes(1, Infinity);
    const axis = node.int('axis', 0);
    return {
      gives: joined,
      run: inputs => {
        const places = Array.from({ length: inputs.count }, (_, i) => i);
        const tables = inputs.tables(...places);
        if (tables !== null) return [concatTables(tables, axis)];
        return [concat(inputs.alike(...places) as [Tensor, ...Tensor[]], { axis }) as Tensor];
      },
    };
  },
  Slice: node => {
    node.takes(3, 5);
    return { gives: moving(1, 2, 3, 4), run: sliced };
  },
  Pad: padding,
  Squeeze: node => {
    node.takes(1, 2);
    const attribute = node.ints('axes');
    return {
      gives: moving(1),
      run: inputs => {
        const x = moved(inputs);
        const axes = axesOf(inputs, attribute) ?? [];
        if (!isTable(x)) return [squeeze(x, axes.length === 0 ? undefined : [...axes])];
        const rank = x.shape.length;
        const places = axes.map(axis => (axis < 0 ? axis + rank : axis));
        checkDistinct(inputs, places);
        const wrong = places.findIndex(axis => x.shape[axis] !== 1);
        if (wrong >= 0) inputs.refuse(`axis ${axes[wrong]} of shape [${x.shape.join(', ')}] has no size of 1`);
        const isKept = (size: number, d: number): boolean => (axes.length === 0 ? size !== 1 : !places.includes(d));
        return [reshapeTable(x, x.shape.filter(isKept))];
      },
    };
  },
  Unsqueeze: node => {
    node.takes(1, 2);
    const attribute = node.ints('axes');
    return {
      gives: kinds => {
        if (attribute === null && kinds.maybe(1) === null) kinds.refuse('there are no axes');
        return moving(1)(kinds);
      },
      run: inputs => {
        const x = moved(inputs);
        const axes = axesOf(inputs, attribute) as readonly number[];
        const rank = x.shape.length + axes.length;
        const places = axes.map(axis => (axis < 0 ? axis + rank : axis));
        if (places.some(axis => axis < 0 || axis >= rank))
          inputs.refuse(`axes [${axes.join(', ')}] of ${rank} dimensions`);
        checkDistinct(inputs, places);
        const inOrder = places.sort((a, b) => a - b);
        if (!isTable(x)) return [inOrder.reduce((t, axis) => expandDims(t, axis) as Tensor, x)];
        const shape = [...x.shape];
        for (const axis of inOrder) shape.splice(axis, 0, 1);
        return [reshapeTable(x, shape)];
      },
    };
  },
  Shape: node => {
    node.takes(1);
    const [start, end] = [node.int('start', 0), node.int('end', Number.MAX_SAFE_INTEGER)];
    return {
      gives: kinds => {
        kinds.at(0);
        return [tableKind('int64', PLACES)];
      },
      run: inputs => {
        const shape = inputs.at(0)?.shape.slice(start, end) ?? [];
        return [makeTable([shape.length], shape.map(BigInt))];
      },
    };
  },
};
