import { opcode } from '../native/register.js';
import { toFloat } from '../tensor/dtype.js';
import type { Counted, Dt, Real, Sh } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { mul } from './binary.js';
import { elementwiseForm, frameAtZero } from './blocked/form.js';
import { inDType } from './cast.js';
import { context } from './context.js';
import { invoke, setInt } from './invoke.js';
import { installFunctions } from './methods.js';
import { apply, defineOp, type Gradient, noAttrs, type Op, type Signature, tellOperation } from './op.js';

export type Same<T> = Tensor<Sh<T>, Counted<Dt<T>>>;
export type Floats<T> = Tensor<Sh<T>, Real<Dt<T>>>;

/** A function of one tensor whose results have its type, and its form as a method. */
export interface ToSame {
  <T extends Tensor>(x: T): Same<T>;
  readonly method?: <T extends Tensor>(this: T) => Same<T>;
}

/** The same of floats: of integers the results are float32. */
export interface ToFloat {
  <T extends Tensor>(x: T): Floats<T>;
  readonly method?: <T extends Tensor>(this: T) => Floats<T>;
}

interface UnarySpec {
  /** Whether integers stay integers; else they are computed as float32. */
  readonly integers?: boolean;
  readonly saves: 'input' | 'output' | 'nothing';
  /** Whether f(0) is another finite number than 0, or infinite; 0 where it isn't told. */
  readonly atZero?: 'finite' | 'infinite';
  /** dL/dx from g = dL/dy and the saved x or y. */
  readonly gradient?: (g: Tensor, saved: Tensor) => Tensor;
  /** In place of a gradient: f' of the saved x or y, by which the addon multiplies g in one pass. */
  readonly slope?: (saved: Tensor) => Tensor;
}

const ACTIVATION_GRADIENT = opcode('activationGradient');

/** g·f'(x). Where the gradient is recorded itself, by operations that have gradients. */
function slopeGradient(name: string, slope: (saved: Tensor) => Tensor): (g: Tensor, saved: Tensor) => Tensor {
  const code = opcode(name);
  return (g, saved) => {
    if (context.tape !== null) return mul(g, slope(saved));
    setInt(0, code);
    return invoke(name, ACTIVATION_GRADIENT, [g, saved], g.shape, g.dtype);
  };
}

/** Defines a function of each element, which the addon has under its name, and its method. */
export function unary(name: string, spec: UnarySpec, isMethod = true): ToSame & ToFloat {
  const code = opcode(name);
  const { saves, slope, integers, atZero } = spec;
  const differentiate = (slope === undefined ? spec.gradient : slopeGradient(name, slope)) as (
    g: Tensor,
    saved: Tensor,
  ) => Tensor;
  const gradient: Gradient<object> = (g, { inputs, output, signatures }) => {
    const saved = saves === 'output' ? output : inputs[0];
    return [inDType(differentiate(g, saved as Tensor), (signatures[0] as Signature).dtype) as Tensor];
  };
  const op: Op<object> = defineOp<object>({
    name,
    infer: inputs => {
      const { shape, dtype } = inputs[0] as Tensor;
      if (integers !== true) return { shape, dtype: toFloat(dtype) };
      return { shape, dtype: dtype === 'bool' ? 'int32' : dtype };
    },
    run: (inputs, _, { shape, dtype }) => invoke(name, code, [inDType(inputs[0] as Tensor, dtype)], shape, dtype),
    gradient,
    slope,
    blocked: (inputs, attrs, output) =>
      atZero === 'infinite' ? null : elementwiseForm(op, inputs, attrs, output, frameAtZero(atZero ?? 'zero')),
    saves: saves === 'output' ? { output: true } : saves === 'input' ? { inputs: [0] } : {},
  });
  const f = { [name]: (x: Tensor) => apply(op, [checkTensor(name, x)], noAttrs) as never }[name] as ToSame & ToFloat;
  tellOperation(f, op);
  if (isMethod) installFunctions({ [name]: f });
  return f;
}
