import { DTypeError, ShapeError, ValueError } from '../errors.js';
import { opcode } from '../native/register.js';
import { checkInteger, checkOptions, shownShape } from '../support/check.js';
import { checkDType, type DType } from '../tensor/dtype.js';
import { checkAxis, frozenShape } from '../tensor/shape.js';
import type { Shape } from '../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../tensor/tensor.js';
import { invoke, setInt } from './invoke.js';
import { type AsMethods, installFunctions } from './methods.js';
import { apply, defineOp, notDifferentiable, type Op, type Signature } from './op.js';

interface AxisAttrs {
  readonly axis: number;
  /** Whether negative indices count from the end; true by default. */
  readonly fromEnd?: boolean;
  /** Who looks up, for messages; the operation itself by default. */
  readonly who?: () => string;
}

interface ShapedAttrs extends AxisAttrs {
  readonly shape: readonly number[];
}

function checkIndices(who: string, indices: unknown): Tensor {
  const t = checkTensor(who, indices);
  if (t.dtype !== 'int32') throw new DTypeError(`${who} takes int32 indices, but got ${t.dtype}; cast them first`);
  return t;
}

/** Which index lies outside, for the message: looked for only once the native call has refused. */
function outside(name: string, indices: Tensor, { axis, fromEnd = true, who }: AxisAttrs, size: number): ValueError {
  const values = indices.toTypedArray();
  const at = values.findIndex(index => index < (fromEnd ? -size : 0) || index >= size);
  return new ValueError(
    `${who?.() ?? name}: index ${values[at]} (number ${at} of ${values.length}) lies outside axis ${axis} of size ${size}`,
  );
}

function pick(
  name: string,
  code: number,
  operands: readonly Tensor[],
  attrs: AxisAttrs,
  size: number,
  { shape, dtype }: Signature,
): Tensor {
  setInt(0, attrs.axis);
  setInt(1, attrs.fromEnd === false ? 1 : 0);
  try {
    return invoke(name, code, operands, shape, dtype);
  } catch (error) {
    throw error instanceof ValueError ? outside(name, operands[1] as Tensor, attrs, size) : error;
  }
}

/**
 * An operation that picks, and the one that adds what it picked back into zeros, or into a third operand; each is the
 * other's gradient.
 */
function definePicking(
  name: string,
  outShape: (x: readonly number[], indices: readonly number[], axis: number) => readonly number[],
  picksRows?: (attrs: AxisAttrs) => boolean,
): Op<AxisAttrs> {
  const code = opcode(name);
  const back = opcode(`${name}Gradient`);
  const picking: Op<AxisAttrs> = defineOp<AxisAttrs>({
    name,
    infer: ([x, indices], { axis }) => ({
      shape: frozenShape([...outShape((x as Tensor).shape, (indices as Tensor).shape, axis)]),
      dtype: (x as Tensor).dtype,
    }),
    run: (inputs, attrs, signature) => {
      const operands = inputs as readonly Tensor[];
      return pick(name, code, operands, attrs, (operands[0] as Tensor).shape[attrs.axis] as number, signature);
    },
    gradient: (g, { inputs, signatures, attrs, before }) => {
      const operands = [g, inputs[1] as Tensor];
      const earlier = before[0] ?? null;
      if (earlier !== null) operands.push(earlier);
      return [apply(adding, operands, { axis: attrs.axis, shape: (signatures[0] as Signature).shape }), null];
    },
    saves: { inputs: [1] },
    absorbs: [0],
    picksRows,
  });
  const adding: Op<ShapedAttrs> = defineOp<ShapedAttrs>({
    name: `${name}Gradient`,
    infer: ([g], { shape }) => ({ shape, dtype: (g as Tensor).dtype }),
    run: (inputs, attrs, signature) =>
      pick(`${name}Gradient`, back, inputs as readonly Tensor[], attrs, attrs.shape[attrs.axis] as number, signature),
    gradient: (g, { inputs, attrs }) => [apply(picking, [g, inputs[1] as Tensor], { axis: attrs.axis }), null, g],
    saves: { inputs: [1] },
  });
  return picking;
}

const takeOp = definePicking(
  'take',
  (x, indices, axis) => [...x.slice(0, axis), ...indices, ...x.slice(axis + 1)],
  ({ axis }) => axis === 0,
);
const gatherOp = definePicking('gather', (_, indices) => indices);

/**
 * Slices of x at the indices (int32, counted from the end when negative) along an axis (0 by default):
 * the result has the indices' shape in the axis's place.
 */
export function take(x: Tensor, indices: Tensor, options?: { axis?: number }): Tensor {
  checkTensor('take', x);
  const { axis = 0 } = checkOptions('take', options, ['axis']);
  return apply(takeOp, [x, checkIndices('take', indices)], { axis: checkAxis('take', axis, x.ndim) });
}

/** Rows of a table at indices from 0; negative ones are refused, as in the name of `who`. */
export function lookUp(table: Tensor, indices: Tensor, who: () => string): Tensor {
  return apply(takeOp, [table, checkIndices('lookUp', indices)], { axis: 0, fromEnd: false, who });
}

/** out[i][j].. = x[i][indices[i][j]].. along an axis (the last by default); indices have x's rank. */
export function gather(x: Tensor, indices: Tensor, options?: { axis?: number }): Tensor {
  checkTensor('gather', x);
  checkIndices('gather', indices);
  const { axis = -1 } = checkOptions('gather', options, ['axis']);
  const at = checkAxis('gather', axis, x.ndim);
  if (indices.ndim !== x.ndim || indices.shape.some((size, d) => d !== at && size > (x.shape[d] as number))) {
    throw new ShapeError(
      `gather on axis ${at}: indices of shape ${shownShape(indices.shape)} reach outside shape ${shownShape(x.shape)}`,
    );
  }
  return apply(gatherOp, [x, indices], { axis: at });
}

const ONE_HOT = opcode('oneHot');

const oneHotOp = defineOp<{ readonly depth: number; readonly dtype: DType }>({
  name: 'oneHot',
  infer: ([indices], { depth, dtype }) => ({ shape: frozenShape([...(indices as Tensor).shape, depth]), dtype }),
  run: ([indices], _, { shape, dtype }) => invoke('oneHot', ONE_HOT, [indices as Tensor], shape, dtype),
  gradient: notDifferentiable('its input is an index'),
  saves: {},
});

/** A new last dimension of size `depth` with 1 at the index and 0 elsewhere; an index outside gives zeros. */
export function oneHot(indices: Tensor, depth: number, options?: { dtype?: DType }): Tensor {
  const { dtype = 'float32' } = checkOptions('oneHot', options, ['dtype']);
  checkIndices('oneHot', indices);
  return apply(oneHotOp, [indices], {
    depth: checkInteger('oneHot: depth', depth, 0),
    dtype: checkDType('oneHot: dtype', dtype),
  });
}

declare module '../tensor/tensor.js' {
  interface Tensor<S extends Shape, D extends DType> extends AsMethods<typeof import('./pick.js'), 'take' | 'gather'> {}
}

installFunctions({ take, gather });
