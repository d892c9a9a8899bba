import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { opcode } from '../native/register.js';
import { checkBoolean, checkOptions, checkRange, shownShape } from '../support/check.js';
import { isFloat } from '../tensor/dtype.js';
import { broadcastShapes, frozenShape, sameShape, sizeOf } from '../tensor/shape.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { mul } from './binary.js';
import { lessEqual } from './compare.js';
import { context } from './context.js';
import { arange } from './create.js';
import { invoke, setInt, setReal } from './invoke.js';
import { logicalAnd } from './logical.js';
import { matmul } from './matmul.js';
import { apply, defineOp, notDifferentiable } from './op.js';
import { where } from './select.js';
import { softmax } from './softmax.js';
import { broadcastTo, reshape, swapAxes } from './view.js';

const ATTENTION = opcode('attention');

interface AttentionAttrs {
  readonly causal: boolean;
  readonly scale: number;
}

/** The sizes in front of scores and of results. */
function batchesOf(q: Tensor, k: Tensor, v: Tensor): [scores: readonly number[], results: readonly number[]] {
  const scores = broadcastShapes(q.shape.slice(0, -2), k.shape.slice(0, -2));
  const results = scores === undefined ? undefined : broadcastShapes(scores, v.shape.slice(0, -2));
  if (scores === undefined || results === undefined) {
    throw new ShapeError(
      `scaledDotProductAttention: the batch sizes of q ${shownShape(q.shape)}, k ${shownShape(k.shape)} and v ${shownShape(v.shape)} do not broadcast`,
    );
  }
  return [scores, results];
}

/** The whole of it as one operation, whose scores are no tensor: for what nobody takes gradients of. */
const attentionOp = defineOp<AttentionAttrs>({
  name: 'attention',
  infer: inputs => {
    const [q, k, v] = inputs as readonly Tensor[] as readonly [Tensor, Tensor, Tensor];
    const [, batch] = batchesOf(q, k, v);
    return { shape: frozenShape([...batch, q.shape.at(-2) as number, v.shape.at(-1) as number]), dtype: q.dtype };
  },
  run: (inputs, { causal, scale }, { shape, dtype }) => {
    setInt(0, Number(causal));
    setReal(0, scale);
    return invoke('attention', ATTENTION, inputs, shape, dtype);
  },
  gradient: notDifferentiable('where gradients are recorded, its products and its softmax are operations of their own'),
  saves: {},
  multiplyAdds: ([q, k], { shape }) =>
    sizeOf(shape.slice(0, -1)) *
    ((k as Tensor).shape.at(-2) as number) *
    (((q as Tensor).shape.at(-1) as number) + (shape.at(-1) as number)),
});

export interface AttentionOptions {
  /** Whether a place sees those before it and itself alone; false by default. */
  causal?: boolean | undefined;
  /** Where true, a place of the queries sees one of the keys: bool, broadcast to [..., queries, keys]. All by default. */
  mask?: Tensor | undefined;
  /** The factor of the scores; 1/√depth by default. */
  scale?: number | undefined;
  /** A function that is applied to the weights before they multiply the values, such as a dropout; none by default. */
  through?: ((weights: Tensor) => Tensor) | undefined;
}

/** Which places of the keys those of the queries see, or null: all. Queries stand at the end of the keys. */
export function visible(queries: number, keys: number, causal: boolean, mask: Tensor | undefined): Tensor | null {
  if (!causal) return mask ?? null;
  const last: Tensor = reshape(arange(keys - queries, keys) as Tensor, [queries, 1]);
  const before = lessEqual(arange(0, keys) as Tensor, last) as Tensor;
  return mask === undefined ? before : (logicalAnd(mask, before) as Tensor);
}

function checkMask(who: string, mask: Tensor, scores: readonly number[]): void {
  checkTensor(`${who}: mask`, mask);
  if (mask.dtype !== 'bool')
    throw new DTypeError(`${who}: mask takes bool, true where a key is seen, but got ${mask.dtype}; compare it first`);
  const together = broadcastShapes(mask.shape, scores);
  if (together === undefined || !sameShape(together, scores)) {
    throw new ShapeError(
      `${who}: a mask of shape ${shownShape(mask.shape)} does not broadcast to scores of shape ${shownShape(scores)}`,
    );
  }
}

/**
 * softmax(q·kᵀ·scale)·v for q[..., queries, depth], k[..., keys, depth], v[..., keys, size] → [..., queries, size]
 * (Vaswani et al. 2017). A query that sees no key gets zeros.
 */
export function scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, options?: AttentionOptions): Tensor {
  const who = 'scaledDotProductAttention';
  const given = checkOptions(who, options, ['causal', 'mask', 'scale', 'through']);
  for (const [name, t] of [
    ['q', q],
    ['k', k],
    ['v', v],
  ] as const) {
    checkTensor(`${who}: ${name}`, t);
    if (t.ndim < 2)
      throw new ShapeError(`${who}: ${name} takes two dimensions or more, but has shape ${shownShape(t.shape)}`);
    if (!isFloat(t.dtype)) throw new DTypeError(`${who}: ${name} takes floats, but got ${t.dtype}; cast it first`);
  }
  const [queries, depth] = q.shape.slice(-2) as [number, number];
  const [keys, width] = k.shape.slice(-2) as [number, number];
  if (depth !== width || v.shape.at(-2) !== keys) {
    throw new ShapeError(
      `${who}: q ${shownShape(q.shape)}, k ${shownShape(k.shape)} and v ${shownShape(v.shape)} must be [..., queries, depth], [..., keys, depth] and [..., keys, size]`,
    );
  }
  const causal = checkBoolean(`${who}: causal`, given.causal ?? false);
  if (causal && queries > keys)
    throw new ArgumentError(`${who}: causal takes no more queries than keys, but got ${queries} and ${keys}`);
  const scale = checkRange(`${who}: scale`, given.scale ?? 1 / Math.sqrt(depth), -Number.MAX_VALUE, Number.MAX_VALUE);
  const shape = [...batchesOf(q, k, v)[0], queries, keys];
  if (given.mask !== undefined) checkMask(who, given.mask, shape);
  const isPlain = context.tape === null && given.through === undefined && q.dtype === k.dtype && q.dtype === v.dtype;
  if (isPlain) {
    const mask = given.mask === undefined ? [] : [broadcastTo(given.mask, shape) as Tensor];
    return apply(attentionOp, [q, k, v, ...mask], { causal, scale });
  }
  const scores: Tensor = matmul(mul(q, scale), swapAxes(k, -1, -2));
  const seen = visible(queries, keys, causal, given.mask);
  // A score that is not seen is -∞ to the softmax; where none is, its weights are no numbers, and nobody's.
  const weights: Tensor = seen === null ? softmax(scores) : where(seen, softmax(where(seen, scores, -Infinity)), 0);
  return matmul(given.through === undefined ? weights : given.through(weights), v) as Tensor;
}
