import { FormatError } from '../errors.js';
import { fromTypedArray, full } from '../ops/create.js';
import { stack } from '../ops/join.js';
import { reshape } from '../ops/view.js';
import { type DType, isFloat } from '../tensor/dtype.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import { MOST_SIZES, makeTable, type Table } from './table.js';

/** An element type of the format, as far as it is known here. */
export type Element = DType | 'int64';

/** The least and the largest that whole numbers can be. */
export type Range = readonly [number, number];

/** A value that neither inputs nor training change, in the forms in which it can be taken. */
export interface Fixed {
  /** null for whole numbers beyond 2^53, which no tensor holds. */
  readonly tensor: Tensor | null;
  /** null for floats, and for more elements than any shape is computed from. */
  readonly table: Table | null;
  /** The one element, if it is one. */
  readonly number: number | null;
}

/**
 * The facts about a value that are known before any forward runs. No tensor has elements of int64. Such elements are kept in a
 * table, which is exact, where they depend on shapes alone. Where they are computed from tensors they are kept in int32 or, where
 * `range` is wider, in float64.
 */
export interface Kind {
  readonly dtype: Element;
  readonly isTable: boolean;
  /** Of int64. */
  readonly range: Range;
  readonly fixed: Fixed | null;
}

const INT32: Range = [-(2 ** 31), 2 ** 31 - 1];
export const EVERYTHING: Range = [-Infinity, Infinity];
/** Places along axes, and sizes. */
export const PLACES: Range = [0, 2 ** 31 - 1];
/** Whole numbers that float64 holds one and all. */
const EXACT = 2 ** 53;

export const rangeOf: Readonly<Record<DType, Range>> = {
  bool: [0, 1],
  uint8: [0, 255],
  int32: INT32,
  float32: EVERYTHING,
  float64: EVERYTHING,
};

export function tensorKind(dtype: DType): Kind {
  return { dtype, isTable: false, range: EVERYTHING, fixed: null };
}

export function longKind(range: Range): Kind {
  return { dtype: 'int64', isTable: false, range, fixed: null };
}

export function tableKind(dtype: Table['dtype'], range: Range): Kind {
  return { dtype, isTable: true, range, fixed: null };
}

export function isExact([low, high]: Range): boolean {
  return low >= -EXACT && high <= EXACT;
}

/** The type in which whole numbers of a range lie. */
export function carrierOf([low, high]: Range): 'int32' | 'float64' {
  return low >= INT32[0] && high <= INT32[1] ? 'int32' : 'float64';
}

/** The kind of a value that is what it is. */
export function fixedKind(value: Tensor | Table): Kind {
  if (!isTensor(value)) {
    const numbers = value.values.map(Number);
    const range: Range = [Math.min(...numbers, Infinity), Math.max(...numbers, -Infinity)];
    const within: Range = numbers.length === 0 ? [0, 0] : range;
    const tensor = isExact(within) ? constantOf(value, carriedAs(value.dtype, within)) : null;
    const number = value.values.length === 1 && tensor !== null ? (numbers[0] as number) : null;
    return { dtype: value.dtype, isTable: true, range: within, fixed: { tensor, table: value, number } };
  }
  const number = value.size === 1 ? Number(value.item()) : null;
  const isSmall = !isFloat(value.dtype) && value.size <= MOST_SIZES;
  const fixed: Fixed = {
    tensor: value,
    number,
    // When it is asked for: a file may have many, of which a byte here takes as much room as eight there.
    get table() {
      return isSmall ? tableOf(value) : null;
    },
  };
  return { ...tensorKind(value.dtype), fixed };
}

/** The kind of more whole numbers of eight bytes than a table has, in a tensor that holds them. */
export function fixedLongKind(tensor: Tensor): Kind {
  let [low, high] = [Infinity, -Infinity];
  for (const value of tensor.toTypedArray() as Iterable<number>)
    [low, high] = [Math.min(low, value), Math.max(high, value)];
  return { ...longKind([low, high]), fixed: { tensor, table: null, number: null } };
}

function tableOf(t: Tensor): Table {
  const values = Array.from(t.toTypedArray() as ArrayLike<number>, BigInt);
  return makeTable(t.shape, values, t.dtype === 'bool' ? 'bool' : 'int64');
}

function carriedAs(dtype: Element, range: Range): DType {
  return dtype === 'int64' ? carrierOf(range) : dtype;
}

function constantOf({ shape, values }: Table, dtype: DType): Tensor {
  const numbers = values.map(Number);
  const data = dtype === 'bool' ? Uint8Array.from(numbers) : dtype === 'int32' ? Int32Array.from(numbers) : null;
  return fromTypedArray(shape, dtype, data ?? Float64Array.from(numbers));
}

/** A table as a tensor, in the type that its kind lies in. */
export function tensorOfTable(table: Table, { dtype, range, fixed }: Kind): Tensor {
  if (fixed?.tensor) return fixed.tensor;
  const outside = table.values.find(value => value > BigInt(EXACT) || value < -BigInt(EXACT));
  if (outside !== undefined) throw new FormatError(`${outside} lies beyond 2^53, which no tensor holds`);
  const carrier = carriedAs(dtype, range);
  // Filled, for a fill may depend on the batch where a constant may not.
  const sizes = table.values.map(value => full([], Number(value), { dtype: carrier }) as Tensor);
  if (sizes.length === 0) return full([...table.shape], 0, { dtype: carrier }) as Tensor;
  return table.shape.length === 0 ? (sizes[0] as Tensor) : (reshape(stack(sizes), [...table.shape]) as Tensor);
}

/** The kinds of a node's inputs, by their places; null for one that is left out. */
export class Kinds {
  constructor(
    private readonly kinds: readonly (Kind | null)[],
    private readonly where: string,
  ) {}

  get count(): number {
    return this.kinds.length;
  }

  refuse(why: string): never {
    throw new FormatError(`${this.where}: ${why}`);
  }

  /** For whole numbers of int64 in tensors: the range in which a result would be is too wide. */
  refuseRange(): never {
    return this.refuse(
      'whole numbers of int64 that are computed from tensors may become larger here than 2^53, up to which tensors hold them; cast them to a float type before',
    );
  }

  maybe(i: number): Kind | null {
    return this.kinds[i] ?? null;
  }

  at(i: number): Kind {
    return this.maybe(i) ?? this.refuse(`input ${i} is missing`);
  }

  /** An input that is taken as a tensor. */
  tensor(i: number): Kind {
    const kind = this.at(i);
    if (kind.fixed !== null && kind.fixed.tensor === null)
      this.refuse(`input ${i} holds whole numbers beyond 2^53, which no tensor holds`);
    // A number computed from shapes that float64 can't hold is refused when the net runs.
    return kind.isTable && !isExact(kind.range) ? { ...kind, range: [-EXACT, EXACT] } : kind;
  }

  /** An input of one of these types: as a tensor, if the result is no table. */
  of(i: number, dtypes: readonly Element[], isTable = false): Kind {
    const kind = this.#taken(i, isTable);
    if (!dtypes.includes(kind.dtype))
      this.refuse(`input ${i} is ${kind.dtype}, and only ${dtypes.join(', ')} are known`);
    return kind;
  }

  #taken(i: number, isTable: boolean): Kind {
    return isTable ? this.at(i) : this.tensor(i);
  }

  /** For operators whose answer for integers is another than ours, or that the format has for floats alone. */
  float(i: number): Kind {
    const kind = this.tensor(i);
    if (kind.dtype !== 'float32' && kind.dtype !== 'float64')
      this.refuse(`input ${i} is ${kind.dtype}, and only floats are known; cast it to a float type before`);
    return kind;
  }

  /** Inputs of one float type; others may be left out. */
  floats(places: readonly number[], others: readonly number[] = []): Kind {
    const given = others.filter(i => this.maybe(i) !== null);
    return this.#alike([...places, ...given], i => this.float(i));
  }

  /** Inputs of one type: as tensors, if the result is no table. */
  alike(places: readonly number[], isTable = false): readonly [Kind, ...Kind[]] {
    this.#alike(places, i => this.#taken(i, isTable));
    return places.map(i => this.#taken(i, isTable)) as [Kind, ...Kind[]];
  }

  #alike(places: readonly number[], kindOf: (i: number) => Kind): Kind {
    const [first = 0] = places;
    const kind = kindOf(first);
    for (const i of places.slice(1)) {
      const { dtype } = kindOf(i);
      if (dtype !== kind.dtype)
        this.refuse(`input ${i} is ${dtype}, and input ${first} ${kind.dtype}; cast one before`);
    }
    return kind;
  }

  /** Whether a result of these inputs is a table: one of them is, and the others are known as well. */
  areTables(...places: readonly number[]): boolean {
    return places.some(i => this.at(i).isTable) && places.every(i => this.isKnown(i));
  }

  /** Whether an input can be taken as a table: it is one, or a constant of whole numbers or booleans. */
  isKnown(i: number): boolean {
    const { isTable, fixed } = this.at(i);
    return isTable || fixed?.table != null;
  }

  /** An input that says sizes, axes or places: whole numbers that are known whenever a forward runs. */
  sizes(i: number): void {
    const { dtype, isTable, fixed } = this.at(i);
    const isKnown = isTable ? dtype === 'int64' : dtype === 'int32' && fixed?.table != null;
    if (!isKnown) {
      const what = fixed === null ? 'is computed from tensors' : `has elements of ${dtype}`;
      this.refuse(
        `input ${i} must be known before the graph runs, as whole numbers that are a constant or made from shapes, but it ${what}`,
      );
    }
  }

  /** The one number that an input is in every forward, whatever training does. */
  number(i: number): number {
    return this.at(i).fixed?.number ?? this.refuse(`input ${i} must be a constant of one element`);
  }
}

/** The kind of what only moves elements of an input. */
export function movedKind(kinds: Kinds, i = 0): Kind {
  return { ...(kinds.areTables(i) ? kinds.at(i) : kinds.tensor(i)), fixed: null };
}

/** The kind of one result in the float type that these inputs have, and others if they are there. */
export const floatKinds =
  (places: readonly number[], others: readonly number[] = []) =>
  (kinds: Kinds): Kind[] => [tensorKind(kinds.floats(places, others).dtype as DType)];

export const union = (...kinds: readonly Kind[]): Range => [
  Math.min(...kinds.map(({ range }) => range[0])),
  Math.max(...kinds.map(({ range }) => range[1])),
];
