import { opcode } from '../native/register.js';
import { context } from '../ops/context.js';
import { invoke, setReal } from '../ops/invoke.js';
import { create } from '../ops/op.js';
import type { DType } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { type Generator, generators } from './generator.js';

const codes = {
  uniform: opcode('uniform'),
  normal: opcode('normal'),
  randint: opcode('randint'),
  bernoulli: opcode('bernoulli'),
  permutation: opcode('permutation'),
};

/** A tensor drawn by a native operation that spends a block of the stream on `perBlock` elements. */
export function draw(
  name: keyof typeof codes,
  shape: readonly number[],
  dtype: DType,
  generator: Generator,
  perBlock: number,
  numbers: readonly number[],
): Tensor {
  return create(
    { shape, dtype },
    () => {
      const before = generators.position(generator);
      if (context.recorder !== null) context.recorder.draw(generator, perBlock);
      else generators.take(generator, Math.ceil(sizeOf(shape) / perBlock));
      numbers.forEach((value, i) => {
        setReal(i, value);
      });
      try {
        return invoke(`random.${name}`, codes[name], [], shape, dtype);
      } catch (error) {
        generators.setPosition(generator, before);
        throw error;
      }
    },
    true,
  );
}

/** `value` with probability p, else 0: a dropout mask in one pass. */
export function bernoulliOf(
  p: number,
  value: number,
  shape: readonly number[],
  dtype: DType,
  generator: Generator,
): Tensor {
  return draw('bernoulli', shape, dtype, generator, 4, [p, value]);
}
