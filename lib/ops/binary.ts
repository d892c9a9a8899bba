import { opcode } from '../native/register.js';
import { type DType, toFloat } from '../tensor/dtype.js';
import type { Bin, BinOut, DivOut, Shape } from '../tensor/shape-types.js';
import type { Tensor } from '../tensor/tensor.js';
import { type BlockedForm, elementwiseForm, type Frame, isBlockable } from './blocked/form.js';
import { scaleBlocked } from './blocked/pool.js';
import type { Blocked } from './blocked/value.js';
import { inDType } from './cast.js';
import { equal, greater, less } from './compare.js';
import { zerosLike } from './create.js';
import { invoke } from './invoke.js';
import type { MethodsOf } from './methods.js';
import { defineOp, type Gradient, type Op, type Operand, type Signature } from './op.js';
import { binaryFunction, bothTowards, broadcastPair, dtypeOfPair, wrapped } from './operand.js';
import { where } from './select.js';

/** A function of two operands, broadcast, and its form as a method. */
interface Combines<N extends string> {
  <T extends Tensor, U extends Tensor | number>(a: T, b: Bin<N, T, U>): BinOut<T, U>;
  readonly method?: <T extends Tensor, U extends Tensor | number>(this: T, other: Bin<N, T, U>) => BinOut<T, U>;
}

/** The same of floats: of integers the results are float32. */
interface Divides {
  <T extends Tensor, U extends Tensor | number>(a: T, b: Bin<'div', T, U>): DivOut<T, U>;
  readonly method?: <T extends Tensor, U extends Tensor | number>(this: T, other: Bin<'div', T, U>) => DivOut<T, U>;
}

/** Defines a function of two operands, which the addon has under its name, and its method. */
function binary(
  name: string,
  gradient: Gradient<object>,
  saves: Op<object>['saves'],
  dtypeRule: (d: DType) => DType = d => (d === 'bool' ? 'int32' : d),
): never {
  const code = opcode(name);
  const wraps = name === 'add' || name === 'sub' || name === 'mul';
  const operand = (x: Operand, dtype: DType) => inDType(wraps ? wrapped(x, dtype) : x, dtype);
  const op: Op<object> = defineOp<object>({
    name,
    infer: inputs => {
      const a = inputs[0] as Operand;
      const b = inputs[1] as Operand;
      return { shape: broadcastPair(name, a, b), dtype: dtypeRule(dtypeOfPair(a, b)) };
    },
    run: (inputs, _, { shape, dtype }) => {
      const a = operand(inputs[0] as Operand, dtype);
      const b = operand(inputs[1] as Operand, dtype);
      return invoke(name, code, a === inputs[0] && b === inputs[1] ? inputs : [a, b], shape, dtype);
    },
    gradient,
    saves,
    isSum: name === 'add',
    blocked: (inputs, attrs, output) =>
      elementwiseForm(op, inputs, attrs, output, frames => frameOf(name, inputs, frames)) ??
      (name === 'mul' ? gateForm(inputs, output) : null),
  });
  return binaryFunction(op);
}

/** The frame of the result, from those of the operands in order; a number is its own frame. */
function frameOf(name: string, inputs: readonly Operand[], frames: readonly Frame[]): Frame {
  let next = 0;
  const [a, b] = inputs.map((t): Frame => {
    if (typeof t !== 'number') return frames[next++] as Frame;
    return t === 0 ? 'zero' : Number.isFinite(t) ? 'finite' : 'any';
  }) as [Frame, Frame];
  if (a === 'any' || b === 'any' || name === 'pow') return 'any';
  if (name === 'div') return typeof inputs[1] === 'number' && b === 'finite' ? a : 'any';
  if (name === 'mul') return a === 'zero' || b === 'zero' ? 'zero' : 'finite';
  return a === 'zero' && b === 'zero' ? 'zero' : 'finite';
}

/** Of channels times a factor of each: [images, channels, rows, columns] and [images, channels, 1, 1], in either order. */
function gateForm(inputs: readonly Operand[], output: Signature): BlockedForm | null {
  const place = inputs.findIndex(
    t => typeof t !== 'number' && isBlockable(t) && t.shape.every((n, d) => n === output.shape[d]),
  );
  const [x, factors] = [inputs[place], inputs[1 - place]];
  if (place < 0 || typeof x === 'number' || factors === undefined || typeof factors === 'number') return null;
  const [images, channels] = output.shape;
  const expected = [images, channels, 1, 1];
  if (!isBlockable(factors) || !factors.shape.every((n, d) => n === expected[d])) return null;
  return {
    blocks: [place],
    halo: 0,
    gives: 'blocks',
    isElementwise: true,
    gain: 0,
    compute: (operands, halo) => ({
      tensor: scaleBlocked(operands[place] as Blocked, operands[1 - place] as Tensor),
      channels: channels as number,
      halo,
    }),
  };
}

/** The share of the gradient of max or min that goes to `a`: all where it wins, half where both are equal. */
function winner(g: Tensor, a: Operand, b: Operand, wins: (a: Tensor, b: Operand) => Tensor): Tensor {
  const won = typeof a === 'number' ? wins((b as Tensor).neg(), -a) : wins(a, b);
  const tied = typeof a === 'number' ? equal(b as Tensor, a) : equal(a, b);
  return where(won, g, where(tied, mul(g, 0.5), 0));
}

/** a + b, broadcast. */
export const add: Combines<'add'> = binary(
  'add',
  (g, c) =>
    bothTowards(
      c,
      () => g,
      () => g,
    ),
  {},
);
/** a - b, broadcast. */
export const sub: Combines<'sub'> = binary(
  'sub',
  (g, c) =>
    bothTowards(
      c,
      () => g,
      () => g.neg(),
    ),
  {},
);
/** a · b element by element, broadcast. */
export const mul: Combines<'mul'> = binary(
  'mul',
  (g, c) => {
    const [a, b] = c.inputs as readonly [Operand, Operand];
    return bothTowards(
      c,
      () => mul(g, b as Tensor),
      () => mul(g, a as Tensor),
    );
  },
  { inputs: [0, 1] },
);
/** a / b, broadcast; integers divide to float32. */
export const div: Divides = binary(
  'div',
  (g, c) => {
    const [a, b] = c.inputs as readonly [Tensor, Tensor];
    return bothTowards(
      c,
      () => div(g, b),
      () => (div(mul(g, a), b.square()) as Tensor).neg(),
    );
  },
  { inputs: [0, 1] },
  toFloat,
);
/** a to the power b, broadcast. */
export const pow: Combines<'pow'> = binary(
  'pow',
  (g, c) => {
    const [a, b] = c.inputs as readonly [Operand, Operand];
    return bothTowards(
      c,
      () => {
        if (b === 0) return zerosLike(g);
        const slope = mul(mul(g, b as Tensor), pow(a as Tensor, (typeof b === 'number' ? b - 1 : sub(b, 1)) as Tensor));
        return typeof b === 'number' ? slope : where(equal(b, 0), 0, slope);
      },
      () => {
        // 0^b is 0 or 1, whatever b is near to.
        if (a === 0) return zerosLike(g);
        if (typeof a === 'number') return mul(mul(g, c.output as Tensor), Math.log(a));
        return where(equal(a, 0), 0, mul(mul(g, c.output as Tensor), a.log()));
      },
    );
  },
  { inputs: [0, 1], output: true },
);
/** The larger of a and b, broadcast; NaN where either is. */
export const maximum: Combines<'maximum'> = binary(
  'maximum',
  (g, c) => {
    const [a, b] = c.inputs as readonly [Operand, Operand];
    return bothTowards(
      c,
      () => winner(g, a, b, greater),
      () => winner(g, b, a, greater),
    );
  },
  { inputs: [0, 1] },
);
/** The smaller of a and b, broadcast; NaN where either is. */
export const minimum: Combines<'minimum'> = binary(
  'minimum',
  (g, c) => {
    const [a, b] = c.inputs as readonly [Operand, Operand];
    return bothTowards(
      c,
      () => winner(g, a, b, less),
      () => winner(g, b, a, less),
    );
  },
  { inputs: [0, 1] },
);

/** number - tensor */
export function rsub(a: number, b: Tensor): Tensor {
  return (sub as (a: unknown, b: Tensor) => Tensor)(a, b);
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> extends MethodsOf<typeof import('./binary.js')> {}
}
