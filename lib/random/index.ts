import { ArgumentError, DTypeError, ShapeError, ValueError } from '../errors.js';
import { fromTypedArray } from '../ops/create.js';
import { create } from '../ops/op.js';
import { take } from '../ops/pick.js';
import { checkInteger, checkOptions, checkRange, checkSize, shownShape } from '../support/check.js';
import { checkDType, type DType, isFloat } from '../tensor/dtype.js';
import { checkShape, sizeOf } from '../tensor/shape.js';
import type { Mut, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { bernoulliOf, draw } from './draw.js';
import { checkGenerator, defaultGenerator, type Generator, generators, programGenerator } from './generator.js';
import { setInitializeCount } from './initialize-count.js';

export { Generator } from './generator.js';

/** Starts the program's stream anew from a seed (a whole number from 0), and the count of `initialize` calls with it. */
export function seed(value: number): void {
  if (defaultGenerator() !== programGenerator()) {
    throw new ArgumentError(
      'random.seed was called from inside an initializer, whose numbers come from the stream of its parameter',
    );
  }
  generators.reseed(programGenerator(), checkInteger('random.seed', value, 0));
  setInitializeCount(0);
}

interface Common<D extends DType> {
  /** The type of the result. */
  dtype?: D | undefined;
  /** The generator; the program's by default. */
  generator?: Generator | undefined;
}

function checkFloatType(who: string, dtype: DType): DType {
  checkDType(`${who}: dtype`, dtype);
  if (!isFloat(dtype)) throw new DTypeError(`${who} draws float32 or float64, but got dtype ${dtype}`);
  return dtype;
}

const LARGEST_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

export interface UniformOptions<D extends DType> extends Common<D> {
  /** 0 by default. */
  low?: number | undefined;
  /** 1 by default; not itself drawn. */
  high?: number | undefined;
}

/** Numbers from [low, high), all equally likely. */
export function uniform<const S extends Shape, D extends DType = 'float32'>(
  shape: S,
  options?: UniformOptions<D>,
): Tensor<Mut<S>, NoInfer<D>> {
  const {
    low = 0,
    high = 1,
    dtype = 'float32',
    generator,
  } = checkOptions<UniformOptions<DType>>('random.uniform', options, ['low', 'high', 'dtype', 'generator']);
  const largest = checkFloatType('random.uniform', dtype) === 'float32' ? LARGEST_FLOAT32 : Number.MAX_VALUE;
  checkRange('random.uniform: low', low, -largest, largest);
  checkRange('random.uniform: high', high, low, largest);
  return draw(
    'uniform',
    checkShape('random.uniform', shape),
    dtype,
    checkGenerator('random.uniform', generator),
    dtype === 'float32' ? 4 : 2,
    [low, high],
  ) as never;
}

export interface NormalOptions<D extends DType> extends Common<D> {
  /** 0 by default. */
  mean?: number | undefined;
  /** The standard deviation; 1 by default. */
  std?: number | undefined;
}

/** Normally distributed numbers. */
export function normal<const S extends Shape, D extends DType = 'float32'>(
  shape: S,
  options?: NormalOptions<D>,
): Tensor<Mut<S>, NoInfer<D>> {
  const {
    mean = 0,
    std = 1,
    dtype = 'float32',
    generator,
  } = checkOptions<NormalOptions<DType>>('random.normal', options, ['mean', 'std', 'dtype', 'generator']);
  checkRange('random.normal: mean', mean, -Number.MAX_VALUE, Number.MAX_VALUE);
  checkRange('random.normal: std', std, 0, Number.MAX_VALUE);
  checkFloatType('random.normal', dtype);
  return draw(
    'normal',
    checkShape('random.normal', shape),
    dtype,
    checkGenerator('random.normal', generator),
    dtype === 'float32' ? 4 : 2,
    [mean, std],
  ) as never;
}

/** Whole numbers from [low, high), all equally likely; int32 by default. */
export function randint(low: number, high: number, shape: readonly number[], options?: Common<DType>): Tensor {
  const { dtype = 'int32', generator } = checkOptions('random.randint', options, ['dtype', 'generator']);
  checkInteger('random.randint: low', low);
  checkInteger('random.randint: high', high);
  if (!(low < high)) throw new ArgumentError(`random.randint takes low < high, but got ${low} and ${high}`);
  checkDType('random.randint: dtype', dtype);
  const [least, most] =
    dtype === 'uint8'
      ? [0, 255]
      : dtype === 'int32'
        ? [-(2 ** 31), 2 ** 31 - 1]
        : dtype === 'float32'
          ? [-(2 ** 24), 2 ** 24]
          : [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
  if (dtype === 'bool' || low < least || high - 1 > most)
    throw new DTypeError(`random.randint: ${dtype} does not hold the numbers from ${low} to ${high - 1}`);
  return draw('randint', checkShape('random.randint', shape), dtype, checkGenerator('random.randint', generator), 2, [
    low,
    high,
  ]);
}

export interface BernoulliOptions<D extends DType> extends Common<D> {
  /** The probability of true (1); 0.5 by default. */
  p?: number | undefined;
}

/** Independent coin tosses; bool by default, 0 and 1 in other dtypes. */
export function bernoulli<const S extends Shape, D extends DType = 'bool'>(
  shape: S,
  options?: BernoulliOptions<D>,
): Tensor<Mut<S>, NoInfer<D>> {
  const {
    p = 0.5,
    dtype = 'bool',
    generator,
  } = checkOptions<BernoulliOptions<DType>>('random.bernoulli', options, ['p', 'dtype', 'generator']);
  return bernoulliOf(
    checkRange('random.bernoulli: p', p, 0, 1),
    1,
    checkShape('random.bernoulli', shape),
    checkDType('random.bernoulli: dtype', dtype),
    checkGenerator('random.bernoulli', generator),
  ) as never;
}

/** The numbers 0 … n-1 in random order, as int32. */
export function permutation(n: number, options?: { generator?: Generator }): Tensor {
  const { generator } = checkOptions('random.permutation', options, ['generator']);
  if (checkInteger('random.permutation', n, 0) >= 2 ** 31)
    throw new ShapeError(`random.permutation takes less than 2^31 elements, but got ${n}`);
  return draw(
    'permutation',
    checkShape('random.permutation', [n]),
    'int32',
    checkGenerator('random.permutation', generator),
    1,
    [],
  );
}

/** A copy with the slices along the first axis in random order. */
export function shuffle<T extends Tensor>(x: T, options?: { generator?: Generator }): Tensor<Sh<T>, T['dtype']> {
  checkTensor('random.shuffle', x);
  if (x.ndim === 0) throw new ShapeError('random.shuffle takes a tensor of one dimension or more, but got a scalar');
  const { generator } = checkOptions('random.shuffle', options, ['generator']);
  return take(x, permutation(x.shape[0] as number, { generator })) as never;
}

export interface MultinomialOptions {
  /** Draws from each row; 1 by default. */
  count?: number | undefined;
  /** The generator; the program's by default. */
  generator?: Generator | undefined;
}

/**
 * Indices (int32) drawn with replacement, each with its weight's share: weights[n] → [count], weights[m, n] → [m, count].
 * Weights are 0 or more and need not add up to 1.
 */
export function multinomial(weights: Tensor, options?: MultinomialOptions): Tensor {
  checkTensor('random.multinomial', weights);
  const { count = 1, generator } = checkOptions('random.multinomial', options, ['count', 'generator']);
  checkSize('random.multinomial: count', count);
  if (!isFloat(weights.dtype) || (weights.ndim !== 1 && weights.ndim !== 2)) {
    throw new ShapeError(
      `random.multinomial takes float weights of shape [n] or [m, n], but got ${weights.dtype} of shape ${shownShape(weights.shape)}`,
    );
  }
  const n = weights.shape.at(-1) as number;
  const shape = checkShape('random.multinomial', [...weights.shape.slice(0, -1), count]);
  return create({ shape, dtype: 'int32' }, () => {
    const values = weights.toTypedArray();
    const rows = sizeOf(shape) / count;
    // All rows are looked at before the stream moves.
    const totals = Array.from({ length: rows }, (_, r) => runningTotals(values.subarray(r * n, (r + 1) * n)));
    // A tensor first: what is too large for memory is refused as one.
    const tosses = uniform([rows, count], {
      dtype: 'float64',
      generator: checkGenerator('random.multinomial', generator),
    }).toTypedArray();
    const picks = new Int32Array(rows * count);
    totals.forEach((row, r) => {
      for (let i = r * count; i < (r + 1) * count; i++) {
        picks[i] = firstAbove(row, (tosses[i] as number) * (row[n - 1] as number));
      }
    });
    return fromTypedArray(shape, 'int32', picks);
  });
}

function runningTotals(weights: ArrayLike<number>): Float64Array {
  const totals = new Float64Array(weights.length);
  let total = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number;
    if (!(weight >= 0) || weight === Infinity)
      throw new ValueError(`random.multinomial: weights are finite and not negative, but one is ${weight}`);
    total += weight;
    totals[i] = total;
  }
  if (!(total > 0)) throw new ValueError('random.multinomial: a row of weights adds up to 0');
  return totals;
}

/** The first place whose running total exceeds x. */
function firstAbove(totals: Float64Array, x: number): number {
  let low = 0;
  let high = totals.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((totals[middle] as number) > x) high = middle;
    else low = middle + 1;
  }
  return low;
}
