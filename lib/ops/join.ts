import { ArgumentError, ShapeError } from '../errors.js';
import { opcode } from '../native/register.js';
import { checkOptions, shown, shownShape } from '../support/check.js';
import { type DType, promote } from '../tensor/dtype.js';
import { checkAxis, frozenShape } from '../tensor/shape.js';
import type { Cat, CatCheck, Dt } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { isBlockable } from './blocked/form.js';
import { BLOCK, type Blocked } from './blocked/value.js';
import { inDType } from './cast.js';
import { empty } from './create.js';
import { invokeInto, setInt, setReal } from './invoke.js';
import { apply, defineOp, type Op, type Operand, type Signature } from './op.js';
import { expandDims, type SliceRange, slice } from './view.js';

const COPY_INTO = opcode('copyInto');

interface AxisAttrs {
  readonly axis: number;
}

function range(axis: number, start: number, stop: number): SliceRange[] {
  return [...new Array<null>(axis).fill(null), [start, stop]];
}

const concatOp: Op<AxisAttrs> = defineOp<AxisAttrs>({
  name: 'concat',
  infer: (inputs, { axis }) => {
    const tensors = inputs as readonly Tensor[];
    const first = tensors[0] as Tensor;
    let total = 0;
    let dtype: DType = first.dtype;
    for (const t of tensors) {
      const fits = t.ndim === first.ndim && t.shape.every((size, d) => d === axis || size === first.shape[d]);
      if (!fits) {
        throw new ShapeError(
          `concat on axis ${axis}: shapes ${shownShape(first.shape)} and ${shownShape(t.shape)} differ in another axis`,
        );
      }
      total += t.shape[axis] as number;
      dtype = promote(dtype, t.dtype);
    }
    return { shape: frozenShape(first.shape.map((size, d) => (d === axis ? total : size))), dtype };
  },
  run: (inputs, { axis }, { shape, dtype }) => {
    const out = empty(shape, dtype);
    let start = 0;
    for (const t of inputs as readonly Tensor[]) {
      setInt(0, axis);
      setReal(0, start);
      invokeInto('concat', COPY_INTO, [t], out);
      start += t.shape[axis] as number;
    }
    return out;
  },
  gradient: (g, { signatures, attrs, needs }) => {
    let start = 0;
    return signatures.map(({ shape, dtype }: Signature, i) => {
      const stop = start + (shape[attrs.axis] as number);
      const part = needs[i] ? inDType(slice(g, ...range(attrs.axis, start, stop)), dtype) : null;
      start = stop;
      return part as Tensor | null;
    });
  },
  saves: {},
  // Along channels, of which all but the last operand have whole blocks.
  blocked: (inputs, { axis }, output) => {
    const tensors = inputs as readonly Tensor[];
    const isWhole = (t: Tensor, i: number): boolean =>
      isBlockable(t) && (i === tensors.length - 1 || (t.shape[1] as number) % BLOCK === 0);
    if (axis !== 1 || !isBlockable(output) || !tensors.every(isWhole)) return null;
    return {
      blocks: tensors.map((_, i) => i),
      halo: 0,
      gives: 'blocks',
      isElementwise: true,
      gain: 0,
      frame: frames => (frames.every(frame => frame === 'zero') ? 'zero' : 'any'),
      compute: (operands, halo) => ({
        tensor: apply(
          concatOp,
          operands.map(t => (t as Blocked).tensor),
          { axis },
        ),
        channels: output.shape[1] as number,
        halo,
      }),
    };
  },
});

function checkList(who: string, tensors: unknown): readonly Tensor[] {
  if (!Array.isArray(tensors)) throw new ArgumentError(`${who} takes an array of tensors, but got ${shown(tensors)}`);
  if (tensors.length === 0) throw new ArgumentError(`${who} takes at least one tensor, but got an empty array`);
  // Spread first: map() passes over the holes of an array.
  return [...tensors].map(t => checkTensor(who, t));
}

/** One after the other along an axis (0 by default); all other sizes must agree. */
export function concat<L extends readonly Tensor[], const X extends number = 0>(
  tensors: readonly [...{ [I in keyof L]: L[I] & (I extends keyof CatCheck<L, X> ? CatCheck<L, X>[I] : unknown) }],
  options?: { axis?: X },
): Tensor<Cat<L, X>, Dt<L[number]>> {
  const list = checkList('concat', tensors);
  const { axis = 0 } = checkOptions('concat', options as { axis?: number } | undefined, ['axis']);
  return apply(concatOp, list as readonly Operand[], {
    axis: checkAxis('concat', axis, (list[0] as Tensor).ndim),
  }) as never;
}

/** Tensors of one shape, side by side along a new axis (0 by default). */
export function stack(tensors: readonly Tensor[], options?: { axis?: number }): Tensor {
  const list = checkList('stack', tensors);
  const { axis = 0 } = checkOptions('stack', options, ['axis']);
  const first = list[0] as Tensor;
  for (const t of list) {
    if (t.ndim !== first.ndim || t.shape.some((size, d) => size !== first.shape[d])) {
      throw new ShapeError(`stack: shapes ${shownShape(first.shape)} and ${shownShape(t.shape)} differ`);
    }
  }
  const at = checkAxis('stack', axis, first.ndim + 1);
  return concat(
    list.map(t => expandDims(t, at)),
    { axis: at },
  );
}
