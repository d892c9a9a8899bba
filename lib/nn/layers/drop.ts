import { isTraining } from '../../autograd/modes.js';
import { mul } from '../../ops/binary.js';
import { bernoulliOf } from '../../random/draw.js';
import { defaultGenerator } from '../../random/generator.js';
import type { Tensor } from '../../tensor/tensor.js';

/** Whether anything is dropped. */
export function drops(rate: number): boolean {
  return rate > 0 && isTraining();
}

/** In training each element is zero with probability `rate`, and the others are 1/(1 - rate) times what they were. */
export function drop(x: Tensor, rate: number): Tensor {
  if (!drops(rate)) return x;
  if (rate === 1) return mul(x, 0);
  const keep = 1 - rate;
  return mul(x, bernoulliOf(keep, 1 / keep, x.shape, x.dtype, defaultGenerator()));
}
