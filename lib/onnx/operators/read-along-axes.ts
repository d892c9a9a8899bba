import { cast } from '../../ops/cast.js';
import { argmax, argmin, max, mean, min, prod, sum } from '../../ops/reduce.js';
import { flip } from '../../ops/repeat.js';
import { cumsum } from '../../ops/scan.js';
import { logSoftmax, logsumexp, softmax } from '../../ops/softmax.js';
import { topk } from '../../ops/sort.js';
import { type DType, isFloat } from '../../tensor/dtype.js';
import { sizeOf } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import {
  type Element,
  EVERYTHING,
  floatKinds,
  isExact,
  type Kind,
  type Kinds,
  longKind,
  PLACES,
  type Range,
  tableKind,
  tensorKind,
} from '../kind.js';
import type { Importer, Inputs, NodeReader } from '../reader.js';
import { larger, reduceTable, smaller } from '../table.js';

const numbers: readonly Element[] = ['int64', 'int32', 'uint8', 'float32', 'float64'];
const largest = ([low, high]: Range): number => Math.max(-low, high);

// ---------- reductions

type Reduce = (x: Tensor, options: { axis?: number[]; keepdims: boolean }) => unknown;

/** How a reduction is of whole numbers of int64. */
interface OfLongs {
  /** The result's range, or null where that may be any. */
  readonly range: (range: Range) => Range | null;
  readonly start: bigint | null;
  readonly fold: (a: bigint, b: bigint) => bigint;
}

/** Whole numbers up to 2^53, of which a sum is refused where it is of too many. */
const SUMMED: Range = [-(2 ** 53), 2 ** 53];
/** More elements than any tensor has. */
const MOST_ELEMENTS = 2 ** 31;

/** The range of sums of at most so many elements as a tensor has; null for elements of which no sum is known. */
function summed(range: Range): Range | null {
  if (!isExact(range)) return null;
  const sums: Range = [Math.min(0, range[0]) * MOST_ELEMENTS, Math.max(0, range[1]) * MOST_ELEMENTS];
  return isExact(sums) ? sums : SUMMED;
}

/** Raises where so many elements of such a range may have a sum that float64 does not hold. */
function checkSum(inputs: Inputs, x: Tensor): void {
  const { dtype, range } = inputs.kinds.tensor(0);
  if (dtype === 'int64' && sizeOf(x.shape) * largest(range) > 2 ** 53)
    inputs.refuse(`a sum of ${sizeOf(x.shape)} whole numbers up to ${largest(range)} may be larger than 2^53`);
}

/**
 * Over the axes that the attribute (up to version 17 of the operators but for sums) or the second input names, or over all.
 */
function reducing(
  reduce: Reduce,
  of: OfLongs | 'floats',
  check: (inputs: Inputs, x: Tensor) => void = () => {},
): Importer {
  return node => {
    node.takes(1, 2);
    const attribute = node.ints('axes');
    const keepdims = node.int('keepdims', 1) !== 0;
    const none = node.int('noop_with_empty_axes', 0) !== 0;
    return {
      gives: kinds => {
        if (kinds.maybe(1) !== null) kinds.sizes(1);
        return [of === 'floats' ? tensorKind(kinds.float(0).dtype as 'float32') : reducedKind(kinds, of)];
      },
      run: inputs => {
        const axes = attribute ?? (inputs.at(1) === null ? [] : inputs.sizes(1));
        const [table] = (of === 'floats' ? null : inputs.tables(0)) ?? [];
        if (axes.length === 0 && none) return [table ?? (inputs.alike(0)[0] as Tensor)];
        if (table !== undefined) {
          const { start, fold } = of as OfLongs;
          const all = table.shape.map((_, d) => d);
          return [reduceTable(table, axes.length === 0 ? all : axes, keepdims, start, fold)];
        }
        const [x] = inputs.alike(0) as [Tensor];
        check(inputs, x);
        return [reduce(x, { ...(axes.length > 0 && { axis: [...axes] }), keepdims }) as Tensor];
      },
    };
  };
}

function reducedKind(kinds: Kinds, of: OfLongs): Kind {
  const isTable = kinds.areTables(0);
  const { dtype, range } = kinds.of(0, numbers, isTable);
  if (dtype !== 'int64') return tensorKind(dtype);
  if (isTable) return tableKind('int64', of.range(range) ?? EVERYTHING);
  return longKind(of.range(range) ?? kinds.refuseRange());
}

/** Whole numbers of a type that the format has and tensors here have not stay as they were. */
function sameType(f: Reduce): Reduce {
  return (x, options) => {
    const y = f(x, options) as Tensor;
    return isFloat(x.dtype) ? y : cast(y, x.dtype as DType);
  };
}

// ---------- others

function placing(place: (x: Tensor, options: { axis: number; keepdims: boolean }) => unknown): Importer {
  return node => {
    node.takes(1);
    node.only('select_last_index', 0);
    const axis = node.int('axis', 0);
    const keepdims = node.int('keepdims', 1) !== 0;
    return {
      gives: kinds => {
        kinds.of(0, numbers);
        return [longKind(PLACES)];
      },
      run: inputs => [place(inputs.tensor(0), { axis, keepdims }) as Tensor],
    };
  };
}

function alongRows(f: (x: Tensor, options: { axis: number }) => unknown): Importer {
  return node => {
    node.takes(1);
    const axis = node.int('axis', -1);
    return { gives: floatKinds([0]), run: inputs => [f(inputs.tensor(0), { axis }) as Tensor] };
  };
}

function running(node: NodeReader): ReturnType<Importer> {
  node.takes(2);
  node.only('exclusive', 0);
  const reverse = node.int('reverse', 0) !== 0;
  return {
    gives: kinds => {
      kinds.of(1, ['int32', 'int64']);
      kinds.number(1);
      const { dtype, range } = kinds.of(0, ['int64', 'int32', 'float32', 'float64']);
      return [dtype === 'int64' ? longKind(summed(range) ?? kinds.refuseRange()) : tensorKind(dtype)];
    },
    run: inputs => {
      const [x] = inputs.alike(0) as [Tensor];
      checkSum(inputs, x);
      const over = { axis: inputs.kinds.number(1) };
      if (!reverse) return [cumsum(x, over)];
      return [flip(cumsum(flip(x, over) as Tensor, over), over) as Tensor];
    },
  };
}

function top(node: NodeReader): ReturnType<Importer> {
  node.takes(2);
  node.gives(2);
  node.only('sorted', 1);
  const axis = node.int('axis', -1);
  const isLargest = node.int('largest', 1) !== 0;
  return {
    gives: kinds => {
      kinds.sizes(1);
      const { dtype, range } = kinds.of(0, numbers);
      return [dtype === 'int64' ? longKind(range) : tensorKind(dtype), longKind(PLACES)];
    },
    run: inputs => {
      const sizes = inputs.sizes(1);
      if (sizes.length !== 1) inputs.refuse(`takes one count, but got ${sizes.length}`);
      const { values, indices } = topk(inputs.tensor(0), sizes[0] as number, { axis, largest: isLargest });
      return [values, indices];
    },
  };
}

const extreme = (fold: OfLongs['fold']): OfLongs => ({ range: range => range, start: null, fold });

export const importers: Readonly<Record<string, Importer>> = {
  ReduceSum: reducing(sameType(sum as Reduce), { range: summed, start: 0n, fold: (a, b) => a + b }, checkSum),
  ReduceMean: reducing(mean as Reduce, 'floats'),
  ReduceProd: reducing(sameType(prod as Reduce), {
    range: range => (largest(range) <= 1 ? [-1, 1] : null),
    start: 1n,
    fold: (a, b) => a * b,
  }),
  ReduceMax: reducing(max as Reduce, extreme(larger)),
  ReduceMin: reducing(min as Reduce, extreme(smaller)),
  ReduceLogSumExp: reducing(logsumexp as Reduce, 'floats'),
  ArgMax: placing(argmax as never),
  ArgMin: placing(argmin as never),
  Softmax: alongRows(softmax as never),
  LogSoftmax: alongRows(logSoftmax as never),
  CumSum: running,
  TopK: top,
};
