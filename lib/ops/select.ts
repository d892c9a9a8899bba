import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { opcode } from '../native/register.js';
import { checkNumber, shownShape } from '../support/check.js';
import { type DType, isFloat } from '../tensor/dtype.js';
import { broadcastShapes } from '../tensor/shape.js';
import type { Dt, Sh, Shape } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { elementwiseForm } from './blocked/form.js';
import { inDType } from './cast.js';
import { greater, less } from './compare.js';
import { context } from './context.js';
import { invoke, setReal } from './invoke.js';
import { installFunctions } from './methods.js';
import { apply, defineOp, noAttrs, type Op, type Operand, type Signature } from './op.js';
import { broadcastPair, checkOperand, dtypeOfPair, towards } from './operand.js';

const WHERE = opcode('where');
const CLIP = opcode('clip');
const CLIP_GRADIENT = opcode('clipGradient');

interface Bounds {
  readonly low: number;
  readonly high: number;
}

const whereOp = defineOp<object>({
  name: 'where',
  infer: ([c, a, b]) => {
    const pair = broadcastPair('where', a as Operand, b as Operand);
    const shape = broadcastShapes((c as Tensor).shape, pair);
    if (shape === undefined) {
      throw new ShapeError(
        `where: the condition's shape ${shownShape((c as Tensor).shape)} and ${shownShape(pair)} do not broadcast`,
      );
    }
    if (typeof a === 'number' && typeof b === 'number') {
      return { shape, dtype: Number.isInteger(a) && Number.isInteger(b) ? 'int32' : 'float32' };
    }
    return { shape, dtype: dtypeOfPair(a as Operand, b as Operand) };
  },
  run: ([c, a, b], _, { shape, dtype }) =>
    invoke('where', WHERE, [c as Tensor, inDType(a as Operand, dtype), inDType(b as Operand, dtype)], shape, dtype),
  gradient: (g, context) => {
    const condition = context.inputs[0] as Tensor;
    const [, a, b] = context.signatures as readonly [Signature, Signature, Signature];
    return [
      null,
      context.needs[1] ? towards(where(condition, g, 0), a) : null,
      context.needs[2] ? towards(where(condition, 0, g), b) : null,
    ];
  },
  saves: { inputs: [0] },
});

/** a where the condition (bool) holds, else b; all broadcast. */
export function where(condition: Tensor, a: Tensor | number, b: Tensor | number): Tensor {
  checkTensor('where', condition);
  if (condition.dtype !== 'bool') {
    throw new DTypeError(
      `where takes a bool condition, but got ${condition.dtype}; compare it first, as in x.greater(0)`,
    );
  }
  return apply(whereOp, [condition, checkOperand('where', a), checkOperand('where', b)], noAttrs);
}

const clipOp: Op<Bounds> = defineOp<Bounds>({
  name: 'clip',
  infer: ([x]) => {
    const { shape, dtype } = x as Tensor;
    return { shape, dtype: dtype === 'bool' ? 'int32' : dtype };
  },
  run: ([x], { low, high }, { shape, dtype }) => {
    const input = inDType(x as Tensor, dtype);
    setReal(0, low);
    setReal(1, high);
    return invoke('clip', CLIP, [input], shape, dtype);
  },
  gradient: (g, { inputs, attrs }) => {
    const x = inputs[0] as Tensor;
    // A gradient that is recorded itself is computed by operations that have gradients.
    if (context.tape !== null) return [where(less(x, attrs.low), 0, where(greater(x, attrs.high), 0, g))];
    setReal(0, attrs.low);
    setReal(1, attrs.high);
    return [invoke('clip', CLIP_GRADIENT, [g, x], g.shape, g.dtype)];
  },
  saves: { inputs: [0] },
  clamps: ({ low, high }) => [low, high],
  blocked: (inputs, attrs, output) =>
    elementwiseForm(clipOp, inputs, attrs, output, ([frame]) => {
      if (frame === 'zero' && attrs.low <= 0 && attrs.high >= 0) return 'zero';
      return frame === 'any' ? 'any' : 'finite';
    }),
});

/** min(max(x, low), high) with numbers for bounds, -Infinity and Infinity among them; NaN stays. */
export function clip<T extends Tensor>(x: T, low: number, high: number): Tensor<Sh<T>, Dt<T>> {
  checkTensor('clip', x);
  checkNumber('clip: low', low);
  checkNumber('clip: high', high);
  if (low > high) throw new ArgumentError(`clip takes low ≤ high, but got ${low} and ${high}`);
  if (
    !isFloat(x.dtype) &&
    !((Number.isInteger(low) || low === -Infinity) && (Number.isInteger(high) || high === Infinity))
  ) {
    throw new DTypeError(`clip takes whole bounds for ${x.dtype}, but got ${low} and ${high}; cast to float32 first`);
  }
  return apply(clipOp, [x], { low, high }) as never;
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> {
    /** min(max(x, low), high) */
    clip<T extends Tensor>(this: T, low: number, high: number): Tensor<Sh<T>, Dt<T>>;
  }
}

installFunctions({ clip });
