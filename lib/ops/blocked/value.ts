import { opcode } from '../../native/register.js';
import { frozenShape } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import { invoke, setInt } from '../invoke.js';
import { apply, defineOp, type NotDifferentiable, notDifferentiable } from '../op.js';

/** The channels of a block. */
export const BLOCK = 16;

/**
 * A value[images, channels, rows, columns] whose channels lie in blocks: its tensor is [images, blocks, rows + 2·halo,
 * columns + 2·halo, 16], with `halo` rows and columns of zeros around each plane for filters that reach outside. Channels
 * that fill up the last block hold anything.
 */
export interface Blocked {
  readonly tensor: Tensor;
  readonly channels: number;
  readonly halo: number;
}

/** Of operations on such values, which plans that predict are made of. */
export const predictsOnly: NotDifferentiable = notDifferentiable(
  'values whose channels lie in blocks occur where nothing is recorded',
);

/** The shape of the tensor of a value of this shape. */
export function blockedShape(shape: readonly number[], halo: number): readonly number[] {
  const [images, channels, rows, columns] = shape as [number, number, number, number];
  return frozenShape([images, Math.ceil(channels / BLOCK), rows + 2 * halo, columns + 2 * halo, BLOCK]);
}

/** The shape of the value. */
export function shapeOfBlocked({ tensor, channels, halo }: Blocked): readonly [number, number, number, number] {
  const [images, , rows, columns] = tensor.shape as readonly [number, number, number, number];
  return [images, channels, rows - 2 * halo, columns - 2 * halo];
}

const TO_BLOCKED = opcode('toBlocked');
const FROM_BLOCKED = opcode('fromBlocked');

const toBlockedOp = defineOp<{ readonly halo: number }>({
  name: 'toBlocked',
  infer: ([x], { halo }) => ({ shape: blockedShape((x as Tensor).shape, halo), dtype: 'float32' }),
  run: (inputs, { halo }, { shape, dtype }) => {
    setInt(0, halo);
    return invoke('toBlocked', TO_BLOCKED, inputs, shape, dtype);
  },
  gradient: predictsOnly,
  saves: {},
});

/** x[images, channels, rows, columns] in blocks. */
export function toBlocked(x: Tensor, halo: number): Blocked {
  return { tensor: apply(toBlockedOp, [x], { halo }), channels: x.shape[1] as number, halo };
}

const fromBlockedOp = defineOp<{ readonly halo: number; readonly channels: number }>({
  name: 'fromBlocked',
  infer: ([x], { halo, channels }) => {
    const shape = frozenShape([...shapeOfBlocked({ tensor: x as Tensor, channels, halo })]);
    return { shape, dtype: 'float32' };
  },
  run: (inputs, { halo }, { shape, dtype }) => {
    setInt(0, halo);
    return invoke('fromBlocked', FROM_BLOCKED, inputs, shape, dtype);
  },
  gradient: predictsOnly,
  saves: {},
});

/** A value in blocks as [images, channels, rows, columns]. */
export function fromBlocked({ tensor, channels, halo }: Blocked): Tensor {
  return apply(fromBlockedOp, [tensor], { halo, channels });
}
