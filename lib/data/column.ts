import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { element, fromTypedArray } from '../ops/create.js';
import { stack } from '../ops/join.js';
import { take } from '../ops/pick.js';
import { slice } from '../ops/view.js';
import { isThenable, shown, shownShape } from '../support/check.js';
import { type AnyTypedArray, type DType, dtypeOfTypedArray, newTypedArray } from '../tensor/dtype.js';
import { sameShape, sizeOf } from '../tensor/shape.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';

/** One entry for each sample: a tensor's slices, or the elements of an array. */
export type Column = Tensor | readonly unknown[] | AnyTypedArray;

/** The shape and dtype that all samples of a column share, so that they make one tensor. */
interface Form {
  readonly kind: 'tensors' | 'numbers';
  readonly shape: readonly number[];
  /** The element type of samples that are typed arrays; null for plain numbers. */
  readonly typed: DType | null;
}

/** The number of samples; undefined for what is no column. */
export function lengthOf(column: unknown): number | undefined {
  if (isTensor(column)) return column.shape[0];
  if (Array.isArray(column)) return column.length;
  return ArrayBuffer.isView(column) && dtypeOfTypedArray(column) !== undefined
    ? (column as AnyTypedArray).length
    : undefined;
}

/** The sample with that number. */
export function entryOf(column: Column, index: number): unknown {
  return isTensor(column) ? slice(column, index) : column[index];
}

/** The sizes along the first entries. */
function shapeAlong(value: unknown): number[] {
  if (ArrayBuffer.isView(value)) return [(value as AnyTypedArray).length];
  return Array.isArray(value) ? [value.length, ...shapeAlong(value[0])] : [];
}

function isNumber(value: unknown): value is number | boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}

/** Nested arrays that hold numbers and nothing else. */
export function isNumeric(value: unknown): boolean {
  if (!Array.isArray(value)) return isNumber(value) || ArrayBuffer.isView(value);
  return Array.from(value).every(isNumeric);
}

function innermost(value: unknown): unknown {
  return Array.isArray(value) ? innermost(value[0]) : value;
}

/** The form that a column's first sample demands of the others; null when samples make no tensor, as texts don't. */
function formOf(who: string, first: unknown): Form | null {
  if (isThenable(first)) {
    throw new ArgumentError(
      `${who} takes values, but got a promise of one; await it first, as in await Promise.all(samples), or in an async get()`,
    );
  }
  if (isTensor(first)) return { kind: 'tensors', shape: first.shape, typed: null };
  if (!isNumeric(first)) return null;
  const inner = innermost(first);
  if (!ArrayBuffer.isView(inner)) return { kind: 'numbers', shape: shapeAlong(first), typed: null };
  const typed = dtypeOfTypedArray(inner);
  if (typed === undefined) {
    throw new DTypeError(
      `${who} takes samples that are a Float32Array, Float64Array, Int32Array or Uint8Array, but got ${shown(inner)}; convert them to one of these`,
    );
  }
  return { kind: 'numbers', shape: shapeAlong(first), typed };
}

function fits(value: unknown, { kind, shape, typed }: Form, depth = 0): boolean {
  if (kind === 'tensors') return isTensor(value) && sameShape(value.shape, shape);
  if (depth === shape.length) return isNumber(value);
  if (ArrayBuffer.isView(value))
    return (
      depth === shape.length - 1 &&
      dtypeOfTypedArray(value) === typed &&
      (value as AnyTypedArray).length === shape[depth]
    );
  if (!Array.isArray(value) || value.length !== shape[depth] || (typed !== null && depth === shape.length - 1))
    return false;
  // Not every(): it would pass over holes.
  for (const inner of value) if (!fits(inner, { kind, shape, typed }, depth + 1)) return false;
  return true;
}

function misfit(who: string, form: Form, index: number, value: unknown): Error {
  const element = form.kind === 'tensors' ? 'tensor' : (form.typed ?? 'number');
  const wanted =
    form.shape.length === 0 && form.kind === 'numbers'
      ? 'a number for each sample'
      : `${element}${form.kind === 'tensors' ? 's' : ' arrays'} of shape ${shownShape(form.shape)}`;
  const remedy = 'bring all samples to one shape, or give DataLoader a batchify that does';
  const shape = isTensor(value) ? value.shape : isNumeric(value) ? shapeAlong(value) : form.shape;
  if (!sameShape(shape, form.shape)) {
    return new ShapeError(
      `${who} takes ${wanted}, as sample 0 is, but sample ${index} has shape ${shownShape(shape)}; ${remedy}`,
    );
  }
  return new ArgumentError(
    `${who} takes ${wanted}, as sample 0 is, but got ${shown(value)} in sample ${index}; ${remedy}`,
  );
}

/** Whether nested arrays hold booleans and nothing else. */
function isBoolean(value: unknown): boolean {
  return Array.isArray(value) ? value.every(isBoolean) : typeof value === 'boolean';
}

/** Writes a sample's numbers from a place on; returns the place after them. */
function write(value: unknown, dtype: DType, out: AnyTypedArray, at: number): number {
  if (ArrayBuffer.isView(value)) {
    out.set(value as AnyTypedArray, at);
    return at + (value as AnyTypedArray).length;
  }
  if (Array.isArray(value)) return value.reduce<number>((place, inner) => write(inner, dtype, out, place), at);
  out[at] = element('ArrayDataset', value as number | boolean, dtype);
  return at + 1;
}

/**
 * Gathers samples of a column: tensors and numbers into one tensor, anything else into an array.
 *
 * A plain column is looked through once, when its first batch is made: a sample that doesn't fit is told of at once and
 * not in the middle of an epoch, and not earlier, because a loader with a batchify of its own never stacks.
 */
export class ColumnGatherer {
  readonly #column: Column;
  readonly #who: string;
  #plan: { readonly form: Form | null; readonly dtype: DType } | undefined;

  constructor(column: Column, who: string) {
    this.#column = column;
    this.#who = who;
  }

  gather(indices: Int32Array): unknown {
    const column = this.#column;
    if (isTensor(column)) return take(column, fromTypedArray([indices.length], 'int32', indices));
    this.#plan ??= this.#look(column);
    const { form, dtype } = this.#plan;
    const samples = Array.from(indices, i => column[i] as unknown);
    if (form === null) return samples;
    // Again, because arrays may have changed since.
    for (const [k, sample] of samples.entries()) this.#check(form, indices[k] as number, sample);
    if (form.kind === 'tensors' && samples.length > 0) return stack(samples as Tensor[]);
    const out = newTypedArray(dtype, samples.length * sizeOf(form.shape));
    samples.reduce<number>((at, sample) => write(sample, dtype, out, at), 0);
    return fromTypedArray([samples.length, ...form.shape], dtype, out);
  }

  #look(column: readonly unknown[] | AnyTypedArray): { form: Form | null; dtype: DType } {
    if (ArrayBuffer.isView(column)) {
      const typed = dtypeOfTypedArray(column) as DType;
      return { form: { kind: 'numbers', shape: [], typed }, dtype: typed };
    }
    const form = column.length === 0 ? null : formOf(this.#who, column[0]);
    if (form === null) return { form, dtype: 'float32' };
    for (let i = 0; i < column.length; i++) this.#check(form, i, column[i]);
    return { form, dtype: form.typed ?? (form.kind === 'numbers' && column.every(isBoolean) ? 'bool' : 'float32') };
  }

  #check(form: Form, index: number, sample: unknown): void {
    if (!fits(sample, form)) throw misfit(this.#who, form, index, sample);
  }
}
