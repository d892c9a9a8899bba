import { opcode } from '../../native/register.js';
import { frozenShape } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import { invoke, setInt } from '../invoke.js';
import { apply, defineOp } from '../op.js';
import type { Windows } from '../pool.js';
import { type Blocked, predictsOnly } from './value.js';

interface PoolAttrs extends Windows {
  readonly isMean: boolean;
  readonly halo: number;
  readonly shape: readonly number[];
  readonly outHalo: number;
}

const POOL = opcode('poolBlocked');
const MEAN = opcode('meanBlocked');
const SCALE = opcode('scaleBlocked');

const poolBlockedOp = defineOp<PoolAttrs>({
  name: 'poolBlocked',
  infer: (_, { shape }) => ({ shape, dtype: 'float32' }),
  run: (inputs, { isMean, size, strides, padding, countsOutside, halo, outHalo }, { shape, dtype }) => {
    [Number(isMean), ...size, ...strides, ...padding, Number(countsOutside), halo, outHalo].forEach((value, i) => {
      setInt(i, value);
    });
    return invoke('poolBlocked', POOL, inputs, shape, dtype);
  },
  gradient: predictsOnly,
  saves: {},
});

/** The largest elements or the means of windows over a value in blocks, as a tensor of this shape and halo. */
export function poolBlocked(
  { tensor, halo }: Blocked,
  windows: Windows,
  isMean: boolean,
  shape: readonly number[],
  outHalo: number,
): Tensor {
  return apply(poolBlockedOp, [tensor], { ...windows, isMean, halo, shape, outHalo });
}

const meanBlockedOp = defineOp<{ readonly channels: number; readonly halo: number }>({
  name: 'meanBlocked',
  infer: ([x], { channels }) => ({
    shape: frozenShape([(x as Tensor).shape[0] as number, channels, 1, 1]),
    dtype: 'float32',
  }),
  run: (inputs, { halo }, { shape, dtype }) => {
    setInt(0, halo);
    return invoke('meanBlocked', MEAN, inputs, shape, dtype);
  },
  gradient: predictsOnly,
  saves: {},
});

/** The mean of each channel of a value in blocks: [images, channels, 1, 1]. */
export function meanBlocked({ tensor, channels, halo }: Blocked): Tensor {
  return apply(meanBlockedOp, [tensor], { channels, halo });
}

const scaleBlockedOp = defineOp<{ readonly halo: number }>({
  name: 'scaleBlocked',
  infer: ([x]) => ({ shape: (x as Tensor).shape, dtype: 'float32' }),
  run: (inputs, { halo }, { shape, dtype }) => {
    setInt(0, halo);
    return invoke('scaleBlocked', SCALE, inputs, shape, dtype);
  },
  gradient: predictsOnly,
  saves: {},
});

/** A value in blocks times factors[images, channels, 1, 1]. */
export function scaleBlocked({ tensor, halo }: Blocked, factors: Tensor): Tensor {
  return apply(scaleBlockedOp, [tensor, factors], { halo });
}
