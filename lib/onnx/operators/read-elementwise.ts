import { add, div, maximum, minimum, mul, pow, sub } from '../../ops/binary.js';
import { cast } from '../../ops/cast.js';
import { equal, greater, greaterEqual, less, lessEqual } from '../../ops/compare.js';
import { logicalAnd, logicalNot, logicalOr } from '../../ops/logical.js';
import { clip, where } from '../../ops/select.js';
import { abs, ceil, expm1, floor, neg, relu, round, sigmoid, sign } from '../../ops/unary.js';
import type { Tensor } from '../../tensor/tensor.js';
import {
  type Element,
  floatKinds,
  isExact,
  type Kind,
  type Kinds,
  longKind,
  type Range,
  tableKind,
  tensorKind,
  union,
} from '../kind.js';
import type { Importer, Operator } from '../reader.js';
import { combineTables, larger, smaller } from '../table.js';
import { elementFunctions } from './element-functions.js';

type Binary = (a: Tensor, b: never) => unknown;

const numbers: readonly Element[] = ['int64', 'int32', 'uint8', 'float32', 'float64'];
const signed: readonly Element[] = ['int64', 'int32', 'float32', 'float64'];

// ---------- of one operand

const one =
  (f: (x: Tensor) => unknown): Importer =>
  node => {
    node.takes(1);
    return { gives: floatKinds([0]), run: inputs => [f(inputs.tensor(0)) as Tensor] };
  };

/** Of whole numbers as well: how it changes a range of them, and how it is of one. */
const oneOf =
  (f: (x: Tensor) => unknown, ofRange: (range: Range) => Range, ofLong: (x: bigint) => bigint): Importer =>
  node => {
    node.takes(1);
    return {
      gives: kinds => {
        const isTable = kinds.areTables(0);
        const { dtype, range } = kinds.of(0, signed, isTable);
        if (dtype !== 'int64') return [tensorKind(dtype)];
        return [isTable ? tableKind('int64', ofRange(range)) : longKind(ofRange(range))];
      },
      run: inputs => {
        const tables = inputs.tables(0);
        if (tables !== null) return [combineTables(tables, 'int64', ofLong)];
        return [f(inputs.alike(0)[0] as Tensor) as Tensor];
      },
    };
  };

/** x where it is above 0, else what `below` makes of it and a number. */
function rectifying(otherwise: number, below: (x: Tensor, alpha: number) => Tensor): Importer {
  return node => {
    node.takes(1);
    const alpha = node.float('alpha', otherwise);
    return {
      gives: floatKinds([0]),
      run: inputs => {
        const x = inputs.tensor(0);
        return [where(greater(x, 0), x, below(x, alpha))];
      },
    };
  };
}

// ---------- of two

type OfLongs = (a: bigint, b: bigint) => bigint;
type OfRanges = (a: Range, b: Range) => Range;

/** Of numbers, and of whole ones of int64: what becomes of ranges, and whether each element is one of the two. */
function arithmetic(f: Binary, ofLongs: OfLongs, ofRanges: OfRanges, picks = false): Importer {
  return node => {
    node.takes(2);
    return {
      gives: kinds => {
        const isTable = kinds.areTables(0, 1);
        const [a, b] = kinds.alike([0, 1], isTable) as readonly [Kind, Kind];
        kinds.of(0, numbers, isTable);
        if (a.dtype !== 'int64') return [tensorKind(a.dtype)];
        const range = ofRanges(a.range, b.range);
        if (isTable) return [tableKind('int64', range)];
        if (!picks && !isExact(range)) kinds.refuseRange();
        return [longKind(range)];
      },
      run: inputs => {
        const tables = inputs.tables(0, 1);
        if (tables !== null) return [combineTables(tables, 'int64', ofLongs as never)];
        const [a, b] = inputs.alike(0, 1) as [Tensor, Tensor];
        return [f(a, b as never) as Tensor];
      },
    };
  };
}

const products = (a: Range, b: Range): Range => {
  // 0·∞ is 0 among whole numbers.
  const all = a.flatMap(x => b.map(y => (x === 0 || y === 0 ? 0 : x * y)));
  return [Math.min(...all), Math.max(...all)];
};

/** Comparisons and logic: of the inputs' type if it is one of these. */
function truth(f: Binary, of: readonly Element[], ofLongs: (a: bigint, b: bigint) => boolean): Importer {
  return node => {
    node.takes(2);
    return {
      gives: kinds => {
        const isTable = kinds.areTables(0, 1);
        kinds.alike([0, 1], isTable);
        kinds.of(0, of, isTable);
        return [isTable ? tableKind('bool', [0, 1]) : tensorKind('bool')];
      },
      run: inputs => {
        const tables = inputs.tables(0, 1);
        if (tables !== null)
          return [combineTables(tables, 'bool', (a, b) => (ofLongs(a as bigint, b as bigint) ? 1n : 0n))];
        const [a, b] = inputs.alike(0, 1) as [Tensor, Tensor];
        return [f(a, b as never) as Tensor];
      },
    };
  };
}

/** Whole numbers up to this are floats of every type. */
const SMALL = 2n ** 24n;

function power(kinds: Kinds): Kind[] {
  const { dtype } = kinds.tensor(0);
  const exponent = kinds.tensor(1);
  if (dtype === 'int64' || dtype === 'bool') kinds.of(0, ['int32', 'uint8', 'float32', 'float64']);
  // Small whole exponents are the same number in a float type.
  const isFloat = dtype === 'float32' || dtype === 'float64';
  const whole = exponent.dtype === 'bool' ? undefined : exponent.fixed?.table?.values;
  const isSmall = isFloat && whole?.every(value => value <= SMALL && value >= -SMALL);
  if (exponent.dtype !== dtype && !isSmall)
    kinds.refuse(`powers of ${dtype} by ${exponent.dtype} are not known; cast one before`);
  return [tensorKind(dtype as 'float32')];
}

// ---------- selections

function selection(kinds: Kinds): Kind[] {
  kinds.of(0, ['bool']);
  const isTable = kinds.areTables(0, 1, 2);
  const [a, b] = kinds.alike([1, 2], isTable) as readonly [Kind, Kind];
  const both = union(a, b);
  if (isTable) return [tableKind(a.dtype as 'int64', both)];
  return [a.dtype === 'int64' ? longKind(both) : tensorKind(a.dtype)];
}

const BOUNDS = [1, 2] as const;

function clipping(kinds: Kinds): Kind[] {
  const given = [0, ...BOUNDS].filter(i => kinds.maybe(i) !== null);
  const isTable = kinds.areTables(...given);
  const { dtype } = kinds.of(0, numbers, isTable);
  const range = union(...kinds.alike(given, isTable));
  if (isTable) return [tableKind('int64', range)];
  return [dtype === 'int64' ? longKind(range) : tensorKind(dtype)];
}

/** Bounds that are constants are numbers; others are compared as tensors. */
const clipped: Operator['run'] = inputs => {
  const given = [0, ...BOUNDS].filter(i => inputs.at(i) !== null);
  const tables = inputs.tables(...given);
  if (tables !== null) {
    const [raises, lowers] = BOUNDS.map(i => given.indexOf(i));
    return [
      combineTables(tables, 'int64', (...all) => {
        const raised = larger(all[0] as bigint, all[raises as number] ?? (all[0] as bigint));
        return smaller(raised, all[lowers as number] ?? raised);
      }),
    ];
  }
  const tensors = inputs.alike(...given);
  const bounds = BOUNDS.map(i => (inputs.at(i) === null ? null : (tensors[given.indexOf(i)] as Tensor)));
  const fixed = BOUNDS.map(i => (inputs.at(i) === null ? null : (inputs.kinds.at(i).fixed?.number ?? null)));
  const [x] = tensors as [Tensor];
  const [low, high] = bounds.map((bound, i) => fixed[i] ?? bound);
  const isNumber = (bound: unknown): bound is number | null => bound === null || typeof bound === 'number';
  if (isNumber(low) && isNumber(high) && (low ?? -Infinity) <= (high ?? Infinity))
    return [clip(x, low ?? -Infinity, high ?? Infinity) as Tensor];
  const raised = low == null ? x : (maximum(x, low as never) as Tensor);
  return [high == null ? raised : (minimum(raised, high as never) as Tensor)];
};

export const importers: Readonly<Record<string, Importer>> = {
  ...Object.fromEntries(elementFunctions.map(({ operator, run }) => [operator, one(run)])),
  Sigmoid: one(sigmoid),
  Floor: one(floor),
  Ceil: one(ceil),
  Round: one(round),
  Abs: oneOf(
    abs,
    ([low, high]) => [0, Math.max(-low, high)],
    x => (x < 0n ? -x : x),
  ),
  Sign: oneOf(
    sign,
    () => [-1, 1],
    x => (x > 0n ? 1n : x < 0n ? -1n : 0n),
  ),
  Neg: oneOf(
    neg,
    ([low, high]) => [-high, -low],
    x => -x,
  ),
  Relu: oneOf(
    relu,
    ([low, high]) => [Math.max(0, low), Math.max(0, high)],
    x => larger(x, 0n),
  ),
  Not: node => {
    node.takes(1);
    return {
      gives: kinds => {
        kinds.of(0, ['bool']);
        return [kinds.areTables(0) ? tableKind('bool', [0, 1]) : tensorKind('bool')];
      },
      run: inputs => {
        const tables = inputs.tables(0);
        if (tables !== null) return [combineTables(tables, 'bool', x => 1n - (x as bigint))];
        return [logicalNot(inputs.tensor(0)) as Tensor];
      },
    };
  },
  Identity: node => {
    node.takes(1);
    return { gives: kinds => [kinds.at(0)], run: inputs => [inputs.at(0)] };
  },
  Add: arithmetic(
    add,
    (a, b) => a + b,
    (a, b) => [a[0] + b[0], a[1] + b[1]],
  ),
  Sub: arithmetic(
    sub,
    (a, b) => a - b,
    (a, b) => [a[0] - b[1], a[1] - b[0]],
  ),
  Mul: arithmetic(mul, (a, b) => a * b, products),
  Max: arithmetic(maximum, larger, (a, b) => [Math.max(a[0], b[0]), Math.max(a[1], b[1])], true),
  Min: arithmetic(minimum, smaller, (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1])], true),
  Div: node => {
    node.takes(2);
    return {
      gives: kinds => {
        if (kinds.areTables(0, 1)) {
          kinds.alike([0, 1], true);
          const [low, high] = kinds.at(0).range;
          const most = Math.max(-low, high);
          return [tableKind('int64', low < 0 || kinds.at(1).range[0] < 0 ? [-most, most] : [0, most])];
        }
        return floatKinds([0, 1])(kinds);
      },
      run: inputs => {
        const tables = inputs.tables(0, 1);
        if (tables === null) return [div(inputs.tensor(0), inputs.tensor(1)) as Tensor];
        // Towards 0, as the format has it.
        const quotient = (a: bigint, b: bigint): bigint => (b === 0n ? inputs.refuse(`${a} divided by 0`) : a / b);
        return [combineTables(tables, 'int64', quotient as never)];
      },
    };
  },
  Pow: node => {
    node.takes(2);
    return {
      gives: power,
      run: inputs => {
        const x = inputs.tensor(0);
        return [pow(x, cast(inputs.tensor(1), x.dtype) as never) as Tensor];
      },
    };
  },
  And: truth(logicalAnd as Binary, ['bool'], (a, b) => a === 1n && b === 1n),
  Or: truth(logicalOr as Binary, ['bool'], (a, b) => a === 1n || b === 1n),
  Equal: truth(equal as Binary, [...numbers, 'bool'], (a, b) => a === b),
  Less: truth(less as Binary, numbers, (a, b) => a < b),
  LessOrEqual: truth(lessEqual as Binary, numbers, (a, b) => a <= b),
  Greater: truth(greater as Binary, numbers, (a, b) => a > b),
  GreaterOrEqual: truth(greaterEqual as Binary, numbers, (a, b) => a >= b),
  LeakyRelu: rectifying(0.01, (x, alpha) => mul(x, alpha) as Tensor),
  Elu: rectifying(1, (x, alpha) => mul(expm1(minimum(x, 0)), alpha) as Tensor),
  PRelu: node => {
    node.takes(2);
    return {
      gives: floatKinds([0, 1]),
      run: inputs => {
        const x = inputs.tensor(0);
        return [where(greater(x, 0), x, mul(x, inputs.tensor(1) as never) as Tensor)];
      },
    };
  },
  Where: node => {
    node.takes(3);
    return {
      gives: selection,
      run: inputs => {
        const tables = inputs.tables(0, 1, 2);
        if (tables !== null) {
          const { dtype } = tables[1] as { dtype: 'int64' | 'bool' };
          return [combineTables(tables, dtype, (c, a, b) => (c === 1n ? a : b) as bigint)];
        }
        const [a, b] = inputs.alike(1, 2) as [Tensor, Tensor];
        return [where(inputs.tensor(0), a, b)];
      },
    };
  },
  Clip: node => {
    node.takes(1, 3);
    return { gives: clipping, run: clipped };
  },
};
