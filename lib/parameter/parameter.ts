import { inspect } from 'node:util';
import { unrecorded } from '../autograd/modes.js';
import type { GradReq, Leaf } from '../autograd/tape.js';
import { attachGrad, zeroGrad as clearGrad, readGrad } from '../autograd/variable.js';
import {
  ArgumentError,
  AutogradError,
  BlockError,
  DeferredInitializationError,
  DTypeError,
  ParameterNotInitializedError,
  ShapeError,
} from '../errors.js';
import type { Initializer } from '../init/initializer.js';
import { createInitializer, type InitializerLike } from '../init/named.js';
import { Uniform } from '../init/simple.js';
import { session } from '../native/register.js';
import { convert } from '../ops/cast.js';
import { context, within } from '../ops/context.js';
import { empty } from '../ops/create.js';
import { digest } from '../ops/digest.js';
import { generators, hashStream, programGenerator } from '../random/generator.js';
import { checkFunction, checkOneOf, checkOptions, checkRange, checkString, shownShape } from '../support/check.js';
import { checkDType, type DType, isFloat } from '../tensor/dtype.js';
import { checkShape, sameShape } from '../tensor/shape.js';
import { checkTensor, internals, type Tensor } from '../tensor/tensor.js';
import { rebinding } from '../trace/rebinding.js';
import { currentPass } from '../trace/shape-pass.js';
import { currentTransaction, runAll, transact } from '../trace/transaction.js';

/** The role of a parameter, which chooses the initializer's method. */
export type ParameterRole = 'weight' | 'bias' | 'gamma' | 'beta' | 'runningMean' | 'runningVar';

export interface ParameterOptions {
  /** Sizes, -1 where unknown. */
  shape: readonly number[];
  /** 'float32' by default. */
  dtype?: 'float32' | 'float64' | undefined;
  /** 'weight' by default. */
  role?: ParameterRole | undefined;
  /** Wins over what `initialize` is given. */
  init?: InitializerLike | undefined;
  /** 'write' by default; running statistics have no gradient, and theirs is 'null'. */
  gradReq?: GradReq | undefined;
  /** Multiplies the optimizer's learning rate; 1 by default, 0 freezes the parameter. */
  lrMult?: number | undefined;
  /** Multiplies the optimizer's weight decay; 1 by default. */
  wdMult?: number | undefined;
  /** The name in prints; by default its block's prefix and its field. */
  name?: string | undefined;
}

/** The request of `initialize`, until the shape is known. */
interface Intent {
  readonly initializer: Initializer;
  /** The seed then, which `initialize` call it was, and the path from its block: the key of the first values. */
  readonly seed: number;
  readonly count: number;
  readonly path: string;
}

const roleMethods = {
  weight: 'initWeight',
  bias: 'initBias',
  gamma: 'initGamma',
  beta: 'initBeta',
  runningMean: 'initRunningMean',
  runningVar: 'initRunningVar',
} as const satisfies Record<ParameterRole, keyof Initializer>;

const roles = Object.keys(roleMethods) as ParameterRole[];

/** Parameters that have no values yet. A call of a net looks for deferred ones only while there are any. */
const unready = { count: 0 };
const forgotten = new FinalizationRegistry<{ ready: boolean }>(status => {
  if (!status.ready) unready.count--;
});

export function anyUnready(): boolean {
  return unready.count > 0;
}

/** Sees each read of a parameter's values; blocks check by it that a net owns what its forward uses. */
let onData: ((parameter: Parameter) => void) | null = null;

export function watchData(watch: (parameter: Parameter) => void): void {
  onData = watch;
}

declare module '../ops/context.js' {
  interface Context {
    /** The parameter whose initializer runs, if one does. */
    initializing: Parameter | null;
    /** How many forwards run, one inside another; none of them may initialize. */
    forwards: number;
  }
}

context.initializing = null;
context.forwards = 0;

/** As a tensor's. */
const { 'A parameter, whose data().toTypedArray() can be,': cannotBeCloned } = {
  'A parameter, whose data().toTypedArray() can be,'() {},
};

interface Internals {
  /** Called by the block that looks through its fields: the name sticks, the path is that of the last look. */
  identify(parameter: Parameter, name: string, path: string): void;
  /** Registers how the parameter gets its values. */
  intend(parameter: Parameter, initializer: Initializer, count: number, path: string): void;
  /** Draws the first values, if the parameter is deferred and its shape known. */
  materialize(parameter: Parameter): void;
  /** New values from the intent, in a tensor of their own. */
  draw(parameter: Parameter): Tensor;
  /** Puts values in the place of those that are there. */
  overwrite(parameter: Parameter, values: Tensor): void;
  /** As `setData`, of a tensor that nobody else has: a parameter without values keeps it. */
  give(parameter: Parameter, values: Tensor): void;
  /** The variable's state, when there are values and a gradient is kept. */
  variable(parameter: Parameter): Leaf | null;
  /** Whether training leaves it as it is: for want of a gradient, or a running statistic that is to stay. */
  isFrozen(parameter: Parameter): boolean;
  /** Sets `gradReq`, where 'null' freezes running statistics as well: forwards in training leave them as they are. */
  train(parameter: Parameter, gradReq: GradReq): void;
}

/** The internal interface of a parameter. */
export let parameterInternals: Internals;

/**
 * A tensor that is learnt. It exists from its block's construction on, whether its shape is known or not: first *bare*,
 * *deferred* once `initialize` was called, *ready* when it has values. Its identity never changes.
 */
export class Parameter {
  readonly role: ParameterRole;
  /** @internal */
  readonly cloned: () => void = cannotBeCloned;
  #shape: readonly number[];
  #dtype: DType;
  #gradReq: GradReq;
  #isFrozen = false;
  #lrMult: number;
  #wdMult: number;
  #initializer: Initializer | null;
  #intent: Intent | null = null;
  #data: Tensor | null = null;
  #leaf: Leaf | null = null;
  #name: string | null;
  #path = '';
  #ready: (() => void)[] = [];
  /** Shared with the registry of forgotten parameters, which must not hold the parameter. */
  readonly #status = { ready: false };

  constructor(options: ParameterOptions) {
    const given = checkOptions('Parameter', options, [
      'shape',
      'dtype',
      'role',
      'init',
      'gradReq',
      'lrMult',
      'wdMult',
      'name',
    ]);
    this.#shape = checkParameterShape('Parameter', given.shape);
    this.#dtype = checkParameterType('Parameter: dtype', given.dtype ?? 'float32');
    this.role = checkOneOf('Parameter: role', given.role ?? 'weight', roles);
    this.#gradReq = checkGradReq(given.gradReq ?? 'write');
    if (isStatistic(this.role)) this.#gradReq = 'null';
    else this.#isFrozen = this.#gradReq === 'null';
    this.#lrMult = checkRange('Parameter: lrMult', given.lrMult ?? 1, 0, Number.MAX_VALUE);
    this.#wdMult = checkRange('Parameter: wdMult', given.wdMult ?? 1, 0, Number.MAX_VALUE);
    this.#initializer = given.init === undefined ? null : createInitializer('Parameter', given.init);
    this.#name = given.name === undefined ? null : checkString('Parameter: name', given.name);
    unready.count++;
    forgotten.register(this, this.#status);
  }

  /** The display name, with Gluon's running prefixes: `dense0_weight`. For printing; files and patterns use paths. */
  get name(): string {
    return this.#name ?? 'parameter';
  }

  /** The attribute names from the outermost block that was last looked through: `0.weight`. */
  get path(): string {
    return this.#path === '' ? this.name : this.#path;
  }

  /** The sizes known so far, -1 where unknown. */
  get shape(): readonly number[] {
    return this.#shape;
  }

  /** Merges with what is known: -1 fits any size; two known sizes that differ raise ShapeError. */
  set shape(wanted: readonly number[]) {
    if (currentTransaction() !== null) {
      this.#merge(wanted);
      return;
    }
    transact(() => {
      this.#merge(wanted);
      this.#materialize();
    });
  }

  get dtype(): DType {
    return this.#dtype;
  }

  /** 'bare' before `initialize`, 'deferred' until its shape is known, then 'ready'. */
  get state(): 'bare' | 'deferred' | 'ready' {
    if (this.#data !== null) return 'ready';
    return this.#intent === null ? 'bare' : 'deferred';
  }

  /**
   * How a backward treats the gradient: 'write' overwrites it, 'add' adds to it, 'null' computes none, and the parameter
   * is frozen. Running statistics have no gradient, so theirs is always 'null', and to set what it is changes nothing;
   * `ParameterDict.setAttr` freezes them, and to set another lets them go on.
   */
  get gradReq(): GradReq {
    return this.#gradReq;
  }

  set gradReq(value: GradReq) {
    if (!isStatistic(this.role) || checkGradReq(value) !== 'null') this.#train(value);
  }

  #train(value: GradReq): void {
    const [before, isFrozen] = [this.#gradReq, this.#isFrozen];
    const leaf = this.#leaf;
    const grad = leaf?.grad ?? null;
    currentTransaction()?.note(() => {
      this.#gradReq = before;
      this.#isFrozen = isFrozen;
      leaf?.restore(before, grad);
    });
    this.#isFrozen = checkGradReq(value) === 'null';
    if (isStatistic(this.role)) return;
    this.#gradReq = value;
    leaf?.restore(value, value === 'null' ? null : grad);
  }

  /** Multiplies the optimizer's learning rate; 0 freezes the parameter. */
  get lrMult(): number {
    return this.#lrMult;
  }

  set lrMult(value: number) {
    const before = this.#lrMult;
    currentTransaction()?.note(() => {
      this.#lrMult = before;
    });
    this.#lrMult = checkRange('Parameter: lrMult', value, 0, Number.MAX_VALUE);
  }

  /** Multiplies the optimizer's weight decay. */
  get wdMult(): number {
    return this.#wdMult;
  }

  set wdMult(value: number) {
    const before = this.#wdMult;
    currentTransaction()?.note(() => {
      this.#wdMult = before;
    });
    this.#wdMult = checkRange('Parameter: wdMult', value, 0, Number.MAX_VALUE);
  }

  /** `0.weight, dense0_weight`, or the name alone: how messages call it. */
  describe(): string {
    return this.#path === '' || this.#path === this.name ? this.name : `${this.#path}, ${this.name}`;
  }

  #identify(name: string, path: string): void {
    const before = this.describe();
    this.#name ??= name;
    // A look from further in doesn't take back what one from further out has told.
    if (!this.#path.endsWith(`.${path}`)) this.#path = path;
    if (this.#data !== null && this.describe() !== before) this.#own(this.#data);
  }

  /** Whether every size is known. */
  get known(): boolean {
    return this.#shape.every(size => size >= 0);
  }

  /**
   * The values: one lasting tensor, written in place by optimizers, `setData` and `forceReinit`, replaced by `cast`.
   * During a shape pass it answers with a tensor that has a shape and no values.
   */
  data(): Tensor {
    onData?.(this);
    const pass = currentPass();
    if (pass !== null) return this.#abstract();
    if (this.#data !== null) return this.#data;
    if (this.#intent === null) {
      throw new ParameterNotInitializedError(
        `Parameter ${this.describe()} has not been initialized: call initialize() on its block first`,
      );
    }
    if (!this.known) throw this.#deferredError();
    this.#materialize();
    return this.data();
  }

  #abstract(): Tensor {
    const pass = currentPass();
    if (this.state === 'bare' && !pass?.lenient) {
      throw new ParameterNotInitializedError(
        `Parameter ${this.describe()} has not been initialized: call initialize() on its block before the first batch`,
      );
    }
    if (!this.known || pass === null) throw this.#deferredError();
    return pass.standFor(this, { shape: this.#shape, dtype: this.#dtype });
  }

  #deferredError(): DeferredInitializationError {
    return new DeferredInitializationError(
      `Parameter ${this.describe()} waits for its shape, so far ${shownShape(this.#shape)}: pass a batch through its block, or call inferShape() on it with the shape of one`,
    );
  }

  /** The gradient: zeros until the first backward. */
  grad(): Tensor {
    const data = this.data();
    if (isStatistic(this.role)) {
      throw new AutogradError(
        `Parameter ${this.describe()} has no gradient, for it is a running statistic, which forwards in training write`,
      );
    }
    if (this.#gradReq === 'null') {
      throw new AutogradError(
        `Parameter ${this.describe()} has no gradient, for its gradReq is 'null'; set gradReq to 'write' first`,
      );
    }
    return currentPass() === null ? readGrad(this.#leaf as Leaf) : data;
  }

  /** Sets the gradient to zeros. */
  zeroGrad(): void {
    if (this.#leaf !== null) clearGrad(this.#leaf);
  }

  /** Gives values: copied in when the parameter is ready, else its first ones, whose shape settles the parameter's. */
  setData(values: Tensor): void {
    checkTensor(`setData of ${this.describe()}`, values);
    this.#set(values, () => unrecorded(() => convert(values, values.dtype)));
  }

  /** `own` gives the tensor that the parameter keeps where it has none. */
  #set(values: Tensor, own: () => Tensor): void {
    if (values.dtype !== this.#dtype) {
      throw new DTypeError(
        `Parameter ${this.describe()} takes ${this.#dtype} values, but got ${values.dtype}; cast('${this.#dtype}') them, or cast the parameter first`,
      );
    }
    const data = this.#data;
    if (data !== null) {
      if (!sameShape(values.shape, this.#shape)) {
        throw new ShapeError(
          `Parameter ${this.describe()} has shape ${shownShape(this.#shape)}, but got values of shape ${shownShape(values.shape)}`,
        );
      }
      unrecorded(() => data.copyFrom(values));
      return;
    }
    transact(() => {
      this.#merge(values.shape);
      this.#adopt(own());
    });
  }

  #intend(initializer: Initializer, count: number, path: string): void {
    const before = this.#intent;
    currentTransaction()?.note(() => {
      this.#intent = before;
    });
    this.#intent = { initializer, seed: programGenerator().seed, count, path };
  }

  #materialize(): void {
    if (this.#data !== null || this.#intent === null || !this.known) return;
    transact(() => this.#adopt(this.#draw()));
  }

  #draw(): Tensor {
    const intent = this.#intent as Intent;
    if (context.initializing !== null) {
      throw new BlockError(
        `Parameter ${this.describe()} cannot be initialized from inside the initializer of ${context.initializing.describe()}`,
      );
    }
    const data = unrecorded(() => empty(this.#shape, this.#dtype));
    currentTransaction()?.noteNew(data);
    const stream = generators.withStream(intent.seed, hashStream(`${intent.count}/${intent.path}`));
    const initializer = this.#initializer ?? intent.initializer;
    const method = this.#initializer === null ? roleMethods[this.role] : 'initWeight';
    // An initializer that goes by the path sees the one that the values belong to, whichever block runs first.
    const path = this.#path;
    this.#path = intent.path;
    let result: unknown;
    try {
      result = within({ initializing: this, generator: stream }, () =>
        unrecorded(() => initializer[method](this.name, data, this)),
      );
    } finally {
      this.#path = path;
    }
    if (result !== undefined) {
      throw new ArgumentError(
        `${initializer.constructor.name}.${method} returned a value for ${this.describe()}; an initializer fills its data with copyFrom() or set() and returns nothing`,
      );
    }
    return data;
  }

  #adopt(data: Tensor): void {
    const transaction = currentTransaction();
    const intent = this.#intent;
    transaction?.noteNew(data);
    transaction?.note(() => {
      internals.setOwner(data, null);
      data.dispose();
      this.#bindTo(null);
      this.#leaf = null;
      this.#intent = intent;
      this.#status.ready = false;
      unready.count++;
    });
    this.#bindTo(data);
    this.#attach();
    this.#status.ready = true;
    unready.count--;
    const fire = () => {
      const callbacks = this.#ready;
      this.#ready = [];
      runAll(callbacks);
    };
    if (transaction === null) fire();
    else transaction.afterCommit(fire);
  }

  #bindTo(data: Tensor | null): void {
    this.#data = data;
    rebinding.count++;
  }

  #attach(): void {
    const data = this.#data as Tensor;
    this.#leaf = attachGrad(data, { gradReq: this.#gradReq });
    this.#own(data);
    if (data.ndim >= 2) session.keepPacked(internals.idOf(data));
  }

  /** Messages about the tensor name the parameter. */
  #own(data: Tensor): void {
    internals.setOwner(data, `parameter ${this.describe()}`);
  }

  #merge(shape: readonly number[]): void {
    const wanted = checkParameterShape(`Parameter ${this.describe()}`, shape);
    const now = this.#shape;
    const merged = mergeShapes(now, wanted);
    if (merged === null) {
      throw new ShapeError(
        `Parameter ${this.describe()} has shape ${shownShape(now)}, which cannot become ${shownShape(wanted)}`,
      );
    }
    if (merged === now) return;
    currentTransaction()?.note(() => {
      this.#shape = now;
    });
    this.#shape = merged;
  }

  /** Changes the type, now or when there are values; the tensor of `data()` is another one from then on. */
  cast(dtype: DType): void {
    checkParameterType(`cast of ${this.describe()}`, dtype);
    if (dtype === this.#dtype) return;
    const [before, data, leaf] = [this.#dtype, this.#data, this.#leaf];
    const owner = data === null ? null : internals.ownerOf(data);
    const converted = data === null ? null : unrecorded(() => convert(data, dtype));
    currentTransaction()?.note(() => {
      this.#dtype = before;
      this.#bindTo(data);
      this.#leaf = leaf;
      if (data !== null) internals.setOwner(data, owner);
    });
    this.#dtype = dtype;
    if (converted === null) return;
    if (data !== null) internals.setOwner(data, null);
    this.#bindTo(converted);
    this.#attach();
  }

  /** Runs `callback` once the parameter has values: now, if it has. */
  onReady(callback: () => void): void {
    checkFunction('onReady', callback);
    if (this.#data !== null) callback();
    else this.#ready.push(callback);
  }

  /** A parameter of its own with the same values or pending state, and without callbacks. */
  clone(): Parameter {
    const copy = new Parameter({
      shape: this.#shape,
      dtype: this.#dtype as 'float32',
      role: this.role,
      gradReq: this.#gradReq,
      lrMult: this.#lrMult,
      wdMult: this.#wdMult,
    });
    copy.#isFrozen = this.#isFrozen;
    copy.#initializer = this.#initializer;
    copy.#intent = this.#intent;
    const data = this.#data;
    if (data !== null) copy.#adopt(unrecorded(() => convert(data, data.dtype)));
    return copy;
  }

  toString(): string {
    const sizes = this.#shape.length === 1 ? `${this.#shape[0]},` : this.#shape.join(', ');
    return `Parameter ${this.name} (shape=(${sizes}), dtype=${this.#dtype})`;
  }

  [inspect.custom](): string {
    return this.toString();
  }

  /** Values are no fields: deep equality tells parameters apart by this, as it does tensors. */
  get [Symbol.toStringTag](): string {
    if (!(#data in this)) return 'Parameter';
    const about = `Parameter ${this.#dtype} [${this.#shape.join(', ')}] ${this.#gradReq}`;
    return `${about} ${this.#data === null ? this.state : digest(this.#data)}`;
  }

  /** @internal jest and vitest compare by it in toMatchObject; a parameter is no list. */
  *[Symbol.iterator](): Generator<unknown> {
    yield this.#data?.toArray() ?? this.state;
  }

  static {
    parameterInternals = {
      identify: (parameter, name, path) => parameter.#identify(name, path),
      intend: (parameter, initializer, count, path) => parameter.#intend(initializer, count, path),
      materialize: parameter => parameter.#materialize(),
      draw: parameter => parameter.#draw(),
      overwrite: (parameter, values) => {
        const data = parameter.#data as Tensor;
        unrecorded(() => data.copyFrom(values));
      },
      give: (parameter, values) => parameter.#set(values, () => values),
      variable: parameter => (parameter.#gradReq === 'null' ? null : parameter.#leaf),
      isFrozen: parameter => parameter.#isFrozen,
      train: (parameter, gradReq) => parameter.#train(gradReq),
    };
  }
}

/** The default initializer of `initialize`, as in Gluon: Uniform(0.07) for weights. */
export const defaultInitializer: Initializer = new Uniform(0.07);

function isStatistic(role: ParameterRole): boolean {
  return role === 'runningMean' || role === 'runningVar';
}

function checkGradReq(value: unknown): GradReq {
  return checkOneOf('Parameter: gradReq', value, ['write', 'add', 'null'] as const);
}

function checkParameterType(who: string, dtype: unknown): DType {
  if (!isFloat(checkDType(who, dtype)))
    throw new DTypeError(`${who} takes float32 or float64, but got ${dtype as string}`);
  return dtype as DType;
}

/** Sizes of -1, or from 1: a parameter without elements could learn nothing. */
function checkParameterShape(who: string, shape: unknown): readonly number[] {
  const checked = checkShape(who, shape, -1);
  const zero = checked.indexOf(0);
  if (zero >= 0)
    throw new ShapeError(
      `${who}: a parameter has sizes from 1, or -1 where unknown, but dimension ${zero} of ${shownShape(checked)} is 0`,
    );
  return checked;
}

/** Known sizes win over -1; null when known sizes differ. The first shape itself when nothing is new. */
function mergeShapes(now: readonly number[], wanted: readonly number[]): readonly number[] | null {
  if (now.length !== wanted.length) return null;
  let changed = false;
  for (let d = 0; d < now.length; d++) {
    if (wanted[d] === -1 || wanted[d] === now[d]) continue;
    if (now[d] !== -1) return null;
    changed = true;
  }
  return changed ? Object.freeze(now.map((size, d) => (size === -1 ? (wanted[d] as number) : size))) : now;
}
