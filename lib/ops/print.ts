import { session } from '../native/register.js';
import { shownShape } from '../support/check.js';
import { type DType, isFloat, newTypedArray } from '../tensor/dtype.js';
import { installInspect, internals, type Tensor } from '../tensor/tensor.js';
import { within } from './context.js';
import { concat } from './join.js';
import { slice } from './view.js';

/** Beyond this many elements the middle of each dimension is left out. */
const WHOLE = 1000;
const EDGE = 3;

function shownNumber(value: number, dtype: DType): string {
  if (dtype === 'bool') return value !== 0 ? 'true' : 'false';
  if (!isFloat(dtype)) return String(value);
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : value < 0 ? '-inf' : 'nan';
  return String(Number(value.toPrecision(dtype === 'float64' ? 8 : 6)));
}

/** The edges of each long dimension, side by side. */
function edges(t: Tensor): Tensor {
  let out = t;
  t.shape.forEach((size, d) => {
    if (size <= 2 * EDGE) return;
    const before = new Array<null>(d).fill(null);
    out = concat([slice(out, ...before, [0, EDGE]), slice(out, ...before, [-EDGE])], { axis: d });
  });
  return out;
}

function valuesOf(t: Tensor): string[] {
  const array = newTypedArray(t.dtype, t.size);
  session.read(internals.idOf(t), array);
  return Array.from(array, value => shownNumber(value, t.dtype));
}

function layOut(texts: readonly string[], shape: readonly number[], whole: readonly number[], indent: number): string {
  const width = Math.max(0, ...texts.map(text => text.length));
  let at = 0;
  const level = (d: number): string => {
    if (d === shape.length) return (texts[at++] as string).padStart(width);
    const parts: string[] = [];
    const cut = (whole[d] as number) !== (shape[d] as number);
    for (let i = 0; i < (shape[d] as number); i++) {
      if (cut && i === EDGE) parts.push('...');
      parts.push(level(d + 1));
    }
    const last = d === shape.length - 1;
    const gap = last ? ', ' : `,${'\n'.repeat(shape.length - 1 - d)}${' '.repeat(indent + d + 1)}`;
    return `[${parts.join(gap)}]`;
  };
  return level(0);
}

/** The text that `console.log` shows: NumPy's layout. Never throws. */
export function printTensor(t: Tensor): string {
  const about = `shape=${shownShape(t.shape)}, dtype=${t.dtype}`;
  if (internals.isAbstract(t)) return `tensor(abstract, ${about})`;
  if (internals.isDisposed(t)) return `tensor(disposed, ${about})`;
  try {
    return within({ abstract: null, tape: null, scope: null }, () => {
      const shortened = t.size > WHOLE ? edges(t) : t;
      const plain = t.dtype === 'float32' || t.dtype === 'bool' ? '' : `, dtype=${t.dtype}`;
      if (t.size === 0) return `tensor([], shape=${shownShape(t.shape)}${plain})`;
      return `tensor(${layOut(valuesOf(shortened), shortened.shape, t.shape, 'tensor('.length)}${plain})`;
    });
  } catch (error) {
    return `tensor(unreadable: ${error instanceof Error ? error.message : String(error)}, ${about})`;
  }
}

installInspect(printTensor);
