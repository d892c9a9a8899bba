import { add } from '../../ops/binary.js';
import { cast } from '../../ops/cast.js';
import { greaterEqual, notEqual } from '../../ops/compare.js';
import { where } from '../../ops/select.js';
import { ceil, floor } from '../../ops/unary.js';
import { type DType, isFloat } from '../../tensor/dtype.js';
import type { Tensor } from '../../tensor/tensor.js';
import { dtypeOf, elementName } from '../elements.js';
import { type Kinds, longKind, type Range, rangeOf, tableKind, tensorKind } from '../kind.js';
import { type Importer, type Inputs, isTable } from '../reader.js';
import { DataType } from '../schema.js';
import { combineTables, type Table } from '../table.js';

/** Floats without what comes after the point, in float64, which holds every one of them. */
function truncated(x: Tensor): Tensor {
  const wide = cast(x, 'float64') as Tensor;
  // A whole number has no negative 0.
  return add(where(greaterEqual(wide, 0), floor(wide), ceil(wide)), 0) as Tensor;
}

function within([low, high]: Range, range: Range): boolean {
  return low >= range[0] && high <= range[1];
}

/**
 * To fewer bits, where runtimes disagree of what does not fit: what is computed must fit whatever it is, a table as it is.
 */
function checkFits(kinds: Kinds, dtype: DType): void {
  const { range, dtype: from, fixed } = kinds.tensor(0);
  const dependsOnShapes = kinds.areTables(0) && fixed === null;
  if (from === 'int64' && dtype !== 'bool' && !dependsOnShapes && !within(range, rangeOf[dtype]))
    kinds.refuse(`whole numbers from ${range[0]} to ${range[1]} do not fit ${dtype}; cast them to a float type before`);
}

function checkTable(inputs: Inputs, { values }: Table, dtype: DType): void {
  const [low, high] = rangeOf[dtype];
  const outside = values.find(value => value < low || value > high);
  if (outside !== undefined) inputs.refuse(`${outside} does not fit ${dtype}`);
}

export const importers: Readonly<Record<string, Importer>> = {
  Cast: node => {
    node.takes(1);
    const to = node.int('to', 0);
    const dtype = to === DataType.int64 ? null : dtypeOf(to);
    if (dtype === null && to !== DataType.int64) node.refuse(`element type ${elementName(to)} is not known`);
    return {
      gives: kinds => {
        const isKnown = kinds.areTables(0);
        const { dtype: from, range } = isKnown ? kinds.at(0) : kinds.tensor(0);
        if (dtype === null) {
          if (kinds.isKnown(0)) return [tableKind('int64', isKnown ? range : rangeOf[from as DType])];
          return [longKind(from === 'int64' ? range : rangeOf[from])];
        }
        if (isKnown && dtype === 'bool') return [tableKind('bool', [0, 1])];
        checkFits(kinds, dtype);
        return [tensorKind(dtype)];
      },
      run: inputs => {
        const given = inputs.at(0);
        const [table] = dtype === null ? (inputs.tables(0) ?? []) : [];
        if (table !== undefined) return [{ ...table, dtype: 'int64' }];
        if (isTable(given) && dtype !== null) {
          if (dtype === 'bool') return [combineTables([given], 'bool', value => (value === 0n ? 0n : 1n))];
          checkTable(inputs, given, dtype);
        }
        const x = inputs.tensor(0);
        const isLong = inputs.kinds.at(0).dtype === 'int64';
        if (dtype !== null) return [(isLong && dtype === 'bool' ? notEqual(x, 0) : cast(x, dtype)) as Tensor];
        if (isLong) return [x];
        return [isFloat(x.dtype) ? truncated(x) : (cast(x, inputs.carrier() as 'int32') as Tensor)];
      },
    };
  },
};
