import { DisposedError, LatentError, OutOfMemoryError, ValueError } from '../errors.js';
import { addon } from '../native/addon.js';
import { ints, MAX_INPUTS, MAX_RANK, OutputKind, Place, reals, Status, session } from '../native/register.js';
import { shownShape } from '../support/check.js';
import { bytesOf, type DType, dtypeCode } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import { context, type ViewStrides } from './context.js';
import type { Operand } from './op.js';

/**
 * Runs `body` with a scope of its own, or (null) with none, so that tensors belong to their handles. For each operation of
 * a backward.
 */
export function withScope<R>(list: Tensor[] | null, body: () => R): R {
  const outer = context.scope;
  context.scope = list;
  try {
    return body();
  } finally {
    context.scope = outer;
  }
}

/** Frees a tensor of a scope. */
export function releaseScoped(t: Tensor): void {
  if (internals.isDisposed(t)) return;
  session.release(internals.idOf(t));
  internals.setId(t, 0);
}

/** Makes a tensor of a scope one that lives as long as its handle. */
export function keepScoped(t: Tensor): void {
  const status = session.manage(t, internals.idOf(t));
  if (status !== Status.ok) failed(status, 'keep', t.shape, t.dtype);
}

/** The same for all from place `first` on, or, where memory is short, for none: they are freed then. */
export function keepAll(tensors: readonly Tensor[], first = 0): void {
  try {
    for (let i = first; i < tensors.length; i++) keepScoped(tensors[i] as Tensor);
  } catch (error) {
    for (const t of tensors.slice(first)) {
      session.dispose(internals.idOf(t));
      internals.setId(t, 0);
    }
    throw error;
  }
}

export function setInt(place: number, value: number): void {
  ints[Place.ints + place] = value;
}

export function setReal(place: number, value: number): void {
  reals[Place.reals + place] = value;
}

function writeRequest(
  code: number,
  inputs: readonly Operand[],
  scalarDType: DType,
  shape: readonly number[],
  dtype: DType,
): void {
  // Ids are read first: a disposed tensor raises here, before anything is written.
  const n = inputs.length;
  if (n > MAX_INPUTS) throw new LatentError('ERR_LATENT_INTERNAL', `latent: ${n} inputs for one native call`);
  for (let i = 0; i < n; i++) {
    const input = inputs[i] as Operand;
    if (typeof input === 'number') {
      ints[Place.inputIds + i] = 0;
      reals[Place.scalars + i] = input;
    } else {
      ints[Place.inputIds + i] = internals.idOf(input);
    }
  }
  ints[Place.opcode] = code;
  ints[Place.inputCount] = n;
  ints[Place.scalarDType] = dtypeCode(scalarDType);
  ints[Place.outputDType] = dtypeCode(dtype);
  ints[Place.outputRank] = shape.length;
  for (let d = 0; d < shape.length; d++) reals[Place.outputShape + d] = shape[d] as number;
}

function runInto(output: Tensor, name: string): Tensor {
  if (context.scope === null) {
    ints[Place.outputKind] = OutputKind.managed;
    session.call(output);
  } else {
    ints[Place.outputKind] = OutputKind.unmanaged;
    session.call(undefined);
  }
  const status = ints[Place.status] as number;
  if (status !== Status.ok) failed(status, name, output.shape, output.dtype);
  internals.setId(output, ints[Place.outputId] as number);
  if (context.scope !== null) context.scope.push(output);
  return output;
}

/** A native operation with a new tensor for its result. Numbers among the inputs become scalars of `scalarDType`. */
export function invoke(
  name: string,
  code: number,
  inputs: readonly Operand[],
  shape: readonly number[],
  dtype: DType,
  scalarDType: DType = dtype,
): Tensor {
  if (context.recorder !== null) return context.recorder.make(code, inputs, [shape], dtype, scalarDType)[0] as Tensor;
  writeRequest(code, inputs, scalarDType, shape, dtype);
  return runInto(internals.create(shape, dtype), name);
}

/** A native operation with several new tensors of one dtype for its results, in a scope. */
export function invokeSeveral(
  name: string,
  code: number,
  inputs: readonly Operand[],
  shapes: readonly (readonly number[])[],
  dtype: DType,
): Tensor[] {
  if (context.recorder !== null) return context.recorder.make(code, inputs, shapes, dtype, dtype);
  if (context.scope === null)
    throw new LatentError('ERR_LATENT_INTERNAL', `latent: ${name} with several results, outside a scope`);
  const first = shapes[0] as readonly number[];
  writeRequest(code, inputs, dtype, first, dtype);
  ints[Place.outputKind] = OutputKind.several;
  ints[Place.moreOutputs] = shapes.length - 1;
  for (let i = 1; i < shapes.length; i++) {
    const shape = shapes[i] as readonly number[];
    ints[Place.moreRanks + i - 1] = shape.length;
    for (let d = 0; d < shape.length; d++) reals[Place.moreShapes + (i - 1) * MAX_RANK + d] = shape[d] as number;
  }
  session.call(undefined);
  const status = ints[Place.status] as number;
  if (status !== Status.ok) failed(status, name, first, dtype);
  const made: Tensor[] = [];
  for (let i = 0; i < shapes.length; i++) {
    const t = internals.create(shapes[i] as readonly number[], dtype);
    internals.setId(t, ints[i === 0 ? Place.outputId : Place.moreIds + i - 1] as number);
    made.push(t);
    context.scope.push(t);
  }
  return made;
}

/** As invokeSeveral, of tensors that belong to their handles outside of a scope. */
export function invokeKept(
  name: string,
  code: number,
  inputs: readonly Operand[],
  shapes: readonly (readonly number[])[],
  dtype: DType,
): Tensor[] {
  if (context.scope !== null || context.recorder !== null) return invokeSeveral(name, code, inputs, shapes, dtype);
  const made = withScope([], () => invokeSeveral(name, code, inputs, shapes, dtype));
  keepAll(made);
  return made;
}

/** A native operation whose result is a window onto its input's elements, with strides as they are told. */
export function invokeView<A>(
  name: string,
  code: number,
  input: Tensor,
  shape: readonly number[],
  strides: ViewStrides<A>,
  attrs: A,
): Tensor {
  if (context.recorder !== null) return context.recorder.view(code, input, shape, strides, attrs);
  writeRequest(code, [input], input.dtype, shape, input.dtype);
  return runInto(internals.createView(input, shape, input.dtype), name);
}

/** Makes the native call that runs a plan, whose first output belongs to `handle`; answers its status. */
export type PlanCall = (plan: number, sizes: number, handle: object | undefined) => number;

const runPlan: PlanCall = (plan, sizes, handle) => {
  ints[Place.opcode] = plan;
  ints[Place.sizes] = sizes;
  session.runPlan(handle);
  return ints[Place.status] as number;
};

/**
 * A run of a plan: new tensors for its outputs, whose numbers come in `words` from `first` on. `fail` words the error of a
 * step.
 */
export function invokePlan(
  plan: number,
  sizes: number,
  shapes: readonly (readonly number[])[],
  dtypes: readonly DType[],
  words: Int32Array,
  first: number,
  fail: (status: number, step: number) => never,
  call: PlanCall = runPlan,
): Tensor[] {
  const made: Tensor[] = [];
  for (let i = 0; i < shapes.length; i++) {
    made.push(internals.create(shapes[i] as readonly number[], dtypes[i] as DType));
    words[first + i] = 0;
  }
  const status = call(plan, sizes, context.scope === null ? made[0] : undefined);
  if (status !== Status.ok) {
    // A call that does more than run the plan may fail after it; what has a handle goes with that.
    for (let i = context.scope === null ? 1 : 0; i < made.length; i++) session.release(words[first + i] as number);
    fail(status, ints[Place.outputId] as number);
  }
  for (let i = 0; i < made.length; i++) {
    const t = made[i] as Tensor;
    internals.setId(t, words[first + i] as number);
    if (context.scope !== null) context.scope.push(t);
  }
  // The first one belongs to its handle.
  if (context.scope === null) keepAll(made, 1);
  return made;
}

/** A native operation that writes into an existing tensor. */
export function invokeInto(name: string, code: number, inputs: readonly Operand[], target: Tensor): void {
  if (context.recorder !== null) {
    context.recorder.into(code, inputs, target);
    return;
  }
  const id = internals.idOf(target);
  writeRequest(code, inputs, target.dtype, target.shape, target.dtype);
  ints[Place.outputKind] = OutputKind.existing;
  ints[Place.outputId] = id;
  internals.bump(target);
  session.call(undefined);
  const status = ints[Place.status] as number;
  if (status !== Status.ok) failed(status, name, target.shape, target.dtype);
}

/** Whether a tensor's elements are contiguous in memory. */
export function isContiguous(t: Tensor): boolean {
  const recorded = context.recorder?.isContiguous(t);
  if (recorded !== undefined) return recorded;
  if (!internals.isView(t)) return true;
  const status = session.isContiguous(internals.idOf(t));
  if (status !== Status.ok) failed(status, 'isContiguous', t.shape, t.dtype);
  return ints[Place.outputId] === 1;
}

/** Whether no other tensor looks onto the elements of this one. */
export function isExclusive(t: Tensor): boolean {
  const status = session.isExclusive(internals.idOf(t));
  if (status !== Status.ok) failed(status, 'isExclusive', t.shape, t.dtype);
  return ints[Place.outputId] === 1;
}

function outOfMemory(name: string, shape: readonly number[], dtype: DType): OutOfMemoryError {
  const bytes = sizeOf(shape) * bytesOf(dtype);
  return noMemoryFor(
    `${name}: no memory for a ${dtype} tensor of shape ${shownShape(shape)} (${megabytes(bytes)}), or for what computing it takes`,
  );
}

/** The error for memory that there is not; `what` says for what. */
export function noMemoryFor(what: string): OutOfMemoryError {
  session.info();
  const [live = 0, , , , limit = 0] = reals;
  return new OutOfMemoryError(
    `${what}; ${megabytes(live)} are in use in this thread and the limit is ${megabytes(limit)} (memory.setLimit)`,
  );
}

export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${bytes} bytes` : `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: 1 })} MB`;
}

/** Where a contract was broken, in a debug build of the addon. */
function brokenAt(status: number): string {
  const place = status === Status.contract ? addon.brokenContract() : undefined;
  return place === undefined ? '' : ` at ${place}`;
}

/** The error for a status that a native call answered. */
export function failed(status: number, name: string, shape: readonly number[], dtype: DType): never {
  switch (status) {
    case Status.outOfMemory:
      throw outOfMemory(name, shape, dtype);
    case Status.badHandle:
      throw new DisposedError(`${name}: a tensor was used after it was disposed of`);
    case Status.overflow:
      throw new ValueError(`${name}: the result does not fit int32; cast the input to float64 first`);
    case Status.index:
      throw new ValueError(`${name}: an index lies outside its axis`);
    case Status.domain:
      throw new ValueError(`${name}: an integer cannot be raised to a negative power; cast the base to float32 first`);
    default:
      throw new LatentError(
        'ERR_LATENT_INTERNAL',
        `latent: ${name} was refused by the addon (status ${status}${brokenAt(status)}); this is a bug in the library`,
      );
  }
}
