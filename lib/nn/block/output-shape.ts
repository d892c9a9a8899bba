import { ArgumentError, ShapeError } from '../../errors.js';
import { checkOptions, shownShape } from '../../support/check.js';
import { checkDType, type DType } from '../../tensor/dtype.js';
import { checkShape } from '../../tensor/shape.js';
import { isPlainObject } from '../../trace/shape-pass.js';
import type { BlockBase } from './block.js';
import { evaluateShapes, type Input } from './run.js';

export interface ShapeOptions {
  /** The inputs' dtype, or one for each; 'float32' by default. */
  dtype?: DType | readonly DType[] | undefined;
}

/** A shape for each tensor that a forward returns, in the forward's own structure. */
export type OutputShape = readonly number[] | readonly OutputShape[] | { readonly [key: string]: OutputShape };

/** The signatures that `inferShape([2, 20], { dtype })` and its like name. */
export function checkInputs(who: string, args: readonly (readonly number[] | ShapeOptions)[], least: number): Input[] {
  const last = args.at(-1);
  const options = last !== undefined && !Array.isArray(last) ? (last as ShapeOptions) : undefined;
  const shapes = options === undefined ? args : args.slice(0, -1);
  if (shapes.length === 0)
    throw new ArgumentError(`${who} takes the shape of each input, as in ${who.split('.').pop()}([32, 784])`);
  const { dtype = 'float32' } = checkOptions(who, options, ['dtype']);
  if (Array.isArray(dtype) && dtype.length !== shapes.length) {
    throw new ArgumentError(`${who}: ${dtype.length} dtypes for ${shapes.length} inputs`);
  }
  return shapes.map((shape, i) => {
    const sizes = checkShape(who, shape, least);
    if (sizes.some((size, d) => size === -1 && d > 0))
      throw new ShapeError(`${who}: only the first size, the batch's, may be -1, but got ${shownShape(sizes)}`);
    return { shape: sizes, dtype: checkDType(`${who}: dtype`, Array.isArray(dtype) ? dtype[i] : dtype) };
  });
}

// Two batch sizes that no other size is likely to meet; a dimension of the result that differs between them follows the batch.
const probes = [3, 5] as const;

/** The shapes of two evaluations as one: -1 where they differ. */
function merge(a: unknown, b: unknown): unknown {
  if (typeof a === 'number') return a === b ? a : -1;
  if (Array.isArray(a)) return a.map((item, i) => merge(item, (b as unknown[])[i]));
  if (isPlainObject(a))
    return Object.fromEntries(
      Object.entries(a).map(([key, item]) => [key, merge(item, (b as Record<string, unknown>)[key])]),
    );
  return a;
}

export function outputShapes(block: BlockBase, inputs: readonly Input[]): unknown {
  if (inputs.every(({ shape }) => shape[0] !== -1)) return evaluateShapes(block, 'outputShape', inputs);
  const [a, b] = probes.map(batch =>
    evaluateShapes(
      block,
      'outputShape',
      inputs.map(({ shape, dtype }) => ({ shape: shape[0] === -1 ? [batch, ...shape.slice(1)] : shape, dtype })),
    ),
  );
  return merge(a, b);
}
