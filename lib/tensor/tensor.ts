import { inspect, types } from 'node:util';
import { ArgumentError, DisposedError } from '../errors.js';
import { session } from '../native/register.js';
import { shown } from '../support/check.js';
import type { DType } from './dtype.js';
import { sizeOf } from './shape.js';
import type { Loose, Sh, Shape } from './shape-types.js';

declare const shapeTag: unique symbol;
declare const dtypeTag: unique symbol;

/** Autograd's data of a tensor; owned and read by lib/autograd alone. */
export interface GradState {
  readonly kind: string;
}

/** A shape pass, to the tensors that live in it; owned by lib/trace. */
export interface PassState {
  /** Raises when an abstract tensor's value is asked for. */
  refuseRead(what: string): never;
}

const DISPOSED = 0;
const ABSTRACT = -1;
const key = Symbol('latent internal');
const brand = Symbol.for('latent.tensor');

/**
 * A field that is a function makes structuredClone and postMessage raise, where they would leave the values behind.
 * DataCloneError shows the function's text: the name is the message.
 */
const { 'A tensor, whose toTypedArray() can be,': cannotBeCloned } = {
  'A tensor, whose toTypedArray() can be,'() {},
};

interface Internals {
  create(shape: readonly number[], dtype: DType): Tensor;
  createView(of: Tensor, shape: readonly number[], dtype: DType): Tensor;
  createAbstract(pass: PassState, shape: readonly number[], dtype: DType): Tensor;
  isTensor(v: unknown): v is Tensor;
  /** The slot; raises for a disposed or an abstract tensor. */
  idOf(t: Tensor): number;
  setId(t: Tensor, id: number): void;
  isAbstract(t: Tensor): boolean;
  isDisposed(t: Tensor): boolean;
  passOf(t: Tensor): PassState | null;
  ownerOf(t: Tensor): string | null;
  setOwner(t: Tensor, owner: string | null): void;
  isView(t: Tensor): boolean;
  baseOf(t: Tensor): Tensor;
  repeats(t: Tensor): boolean;
  markRepeating(t: Tensor): void;
  version(t: Tensor): number;
  bump(t: Tensor): void;
  gradState(t: Tensor): GradState | null;
  setGradState(t: Tensor, state: GradState | null): void;
}

/** The internal interface of a tensor. */
export let internals: Internals;

/**
 * A dense array of numbers in native memory.
 *
 * Handles are plain objects: a tensor that nobody refers to is freed by itself, also in a loop that never yields.
 * Tensors are immutable but for `copyFrom`, `set` and optimizers; views made by `transpose`, `slice`, `reshape` and their
 * like share their elements. Shapes may be given in the type (`Tensor<[32, 10]>`), where literal sizes are checked by
 * the compiler; sizes that it doesn't know fit everything.
 */
export class Tensor<S extends Shape = Shape, D extends DType = DType> {
  declare readonly [shapeTag]?: Loose<S>;
  declare readonly [dtypeTag]?: DType extends D ? any : D;
  /** The size of each dimension. */
  readonly shape: readonly number[];
  /** The type of the elements. */
  readonly dtype: DType;
  /** @internal */
  readonly cloned: () => void = cannotBeCloned;
  #id: number = DISPOSED;
  /** The tensor whose version counts for this one's storage: itself, or what it is a view of. */
  #base: Tensor;
  #version = 0;
  /** Elements that share one place in memory can't be written one by one. */
  #repeats = false;
  #grad: GradState | null = null;
  #pass: PassState | null = null;
  /** The owner of the tensor, without which it must not be disposed of. */
  #owner: string | null = null;

  /** Not for users: `tensor()`, `zeros()` and their like make tensors. */
  /** @internal */
  constructor(token: symbol, shape: readonly number[], dtype: DType) {
    if (token !== key) throw new TypeError('Tensors are made by tensor(), zeros() and their like, not by new Tensor()');
    this.shape = shape;
    this.dtype = dtype;
    this.#base = this as Tensor;
  }

  /** The number of dimensions. */
  get ndim(): number {
    return this.shape.length;
  }

  /** The number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** The shape, typed as precisely as the tensor is. */
  dims<T extends Tensor>(this: T): Sh<T> {
    return this.shape as never;
  }

  /** Frees the memory now. Never needed; a disposed tensor raises DisposedError when used. */
  dispose(): void {
    checkTensor('dispose', this);
    if (this.#owner !== null)
      throw new ArgumentError(`dispose: the tensor belongs to ${this.#owner}; clone() it to have one of your own`);
    if (this.#id > 0) session.dispose(this.#id);
    if (this.#id !== ABSTRACT) this.#id = DISPOSED;
  }

  /** JavaScript's operators would quietly make NaN or a text of a tensor. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return String(this.toString());
    throw new ArgumentError(
      'Tensors have no operators in JavaScript: write x.add(y) or x.sub(1), and x.item() for a number',
    );
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  get [brand](): true {
    return true;
  }

  static {
    internals = {
      create: (shape, dtype) => new Tensor(key, shape, dtype),
      createView: (of, shape, dtype) => {
        const view = new Tensor(key, shape, dtype);
        view.#base = of.#base;
        view.#repeats = of.#repeats;
        return view;
      },
      createAbstract: (pass, shape, dtype) => {
        const t = new Tensor(key, shape, dtype);
        t.#id = ABSTRACT;
        t.#pass = pass;
        return t;
      },
      isTensor: (v): v is Tensor => typeof v === 'object' && v !== null && #id in v,
      idOf: t => (t.#id > 0 ? t.#id : t.#unusable()),
      setId: (t, id) => {
        t.#id = id;
      },
      isAbstract: t => t.#id === ABSTRACT,
      isDisposed: t => t.#id === DISPOSED,
      passOf: t => t.#pass,
      ownerOf: t => t.#owner,
      setOwner: (t, owner) => {
        t.#owner = owner;
      },
      isView: t => t.#base !== t,
      baseOf: t => t.#base,
      repeats: t => t.#repeats,
      markRepeating: t => {
        t.#repeats = true;
      },
      version: t => t.#base.#version,
      bump: t => {
        t.#base.#version++;
      },
      gradState: t => t.#grad,
      setGradState: (t, state) => {
        t.#grad = state;
      },
    };
  }

  #unusable(): never {
    if (this.#id === ABSTRACT && this.#pass !== null) this.#pass.refuseRead('its value was read');
    throw new DisposedError(`A tensor of shape [${this.shape.join(', ')}] was used after it was disposed of`);
  }
}

export function isTensor(value: unknown): value is Tensor {
  return internals.isTensor(value);
}

/** The value as a tensor of this load of the library; raises for anything else. */
export function checkTensor(caller: string | (() => string), value: unknown): Tensor {
  if (internals.isTensor(value)) return value;
  const who = typeof caller === 'string' ? caller : caller();
  if (typeof value === 'object' && value !== null && (value as { [brand]?: unknown })[brand] === true) {
    if (types.isProxy(value)) {
      throw new ArgumentError(
        `${who} takes a tensor, but got a Proxy of one; pass the tensor that it was made of (of Vue's, toRaw(t), or markRaw(t) before)`,
      );
    }
    throw new ArgumentError(
      `${who} got a tensor of another load of latent (another version, or another test file's); take its values with toArray() and make a new one with tensor()`,
    );
  }
  throw new ArgumentError(`${who} takes a tensor, but got ${shown(value)}`);
}

/** Adds methods to the prototype; the family that defines them also declares them, by augmenting Tensor. */
export function installMethods(methods: object): void {
  for (const name of Reflect.ownKeys(methods)) {
    const descriptor = Object.getOwnPropertyDescriptor(methods, name) as PropertyDescriptor;
    Object.defineProperty(Tensor.prototype, name, { ...descriptor, enumerable: false });
  }
}

/**
 * The key by which deep equality compares tensors, for their values are no fields: jest, vitest, chai, node:assert and
 * util.isDeepStrictEqual compare what `Object.prototype.toString` says of two objects. Set by lib/ops, which can read values.
 */
export function installTag(tag: (t: Tensor) => string): void {
  Object.defineProperty(Tensor.prototype, Symbol.toStringTag, {
    get(this: unknown) {
      return isTensor(this) ? tag(this) : 'Tensor';
    },
    configurable: true,
  });
}

/** How tensors print themselves; set by lib/ops, which can read their values. */
export function installInspect(print: (t: Tensor) => string): void {
  Object.defineProperty(Tensor.prototype, inspect.custom, {
    value(this: Tensor) {
      return print(this);
    },
    configurable: true,
  });
  Object.defineProperty(Tensor.prototype, 'toString', {
    value(this: Tensor) {
      return print(checkTensor('toString', this));
    },
    configurable: true,
    writable: true,
  });
}
