import { DTypeError, ShapeError } from '../../errors.js';
import type { Parameter } from '../../parameter/parameter.js';
import { shownShape } from '../../support/check.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { BlockBase } from '../block/block.js';
import { describeParameterOf } from '../block/run.js';

/** Raises ShapeError where an input does not have the size that is known (-1: any but 0). `of`: what has so many `noun`s. */
export function checkKnownSize(of: () => string, known: number, size: number, noun: string, x: Tensor): void {
  if (size > 0 && (known === -1 || known === size)) return;
  const [unit, ...where] = noun.split(' along ');
  const takes = known === -1 ? `at least 1 ${unit}` : `${known} ${unit}s`;
  throw new ShapeError(
    `${of()} takes ${[takes, ...where].join(' along ')}, but its input has shape ${shownShape(x.shape)}`,
  );
}

/**
 * Settles one size of a layer's parameter by its input: takes it where it is not known, else raises ShapeError where it differs.
 * `noun` says of what there are so many, in the singular: 'input unit', 'channel along axis 1'. A parameter that is made for
 * groups has that many times fewer.
 */
export function settleSize(
  block: BlockBase,
  parameter: Parameter,
  axis: number,
  size: number,
  noun: string,
  x: Tensor,
  groups = 1,
): void {
  const known = parameter.shape[axis] as number;
  checkKnownSize(() => describeParameterOf(block, parameter), known === -1 ? -1 : known * groups, size, noun, x);
  if (known === -1) parameter.shape = parameter.shape.with(axis, size / groups);
}

/** Raises DTypeError where an input is of another type than a layer's parameter. */
export function checkInputDType(block: BlockBase, parameter: Parameter, x: Tensor): void {
  const { dtype } = parameter;
  if (x.dtype === dtype) return;
  throw new DTypeError(
    `${describeParameterOf(block, parameter)} is ${dtype}, but its input is ${x.dtype}; cast('${dtype}') the input` +
      (x.dtype === 'float64' ? `, or cast('float64') the net` : ''),
  );
}
