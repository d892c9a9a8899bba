import { inspect } from 'node:util';
import { ArgumentError, BlockError } from '../../errors.js';
import { ParameterDict } from '../../parameter/dict.js';
import { type InitializeOptions, initializeParameters } from '../../parameter/initialize.js';
import {
  type Held,
  type LoadParametersOptions,
  loadFromBytes,
  loadFromFile,
  saveToFile,
  toFileBytes,
} from '../../parameter/persist.js';
import { checkFunction, checkPattern, checkString, shown } from '../../support/check.js';
import type { Dt, Sh } from '../../tensor/shape-types.js';
import type { Tensor } from '../../tensor/tensor.js';
import { currentTransaction, transact } from '../../trace/transaction.js';
import { cloneBlock } from './clone.js';
import { type ExportOptions, exportNet, modelBytesOf } from './export.js';
import { addHook, type ForwardHook, type ForwardPreHook, type HookHandle } from './hooks.js';
import type { HybridizeOptions } from './hybridize.js';
import { nextPrefix } from './names.js';
import { checkInputs, outputShapes, type ShapeOptions } from './output-shape.js';
import { pictureOf } from './picture.js';
import { dropPlans } from './plans.js';
import { type PredictOptions, type PredictSyncOptions, predict, predictSync } from './predict.js';
import { callBlock, hybridizeBlock, settleFromShapes } from './run.js';
import type { Apply, DtypeAfter, fn, LayerCheck, ShapeFn } from './shape-functions.js';
import { type Summary, summarize } from './summary.js';
import { blockBrand, classOf, isBlock, membersOf, nameOwn, reserveMembers, treeOf } from './tree.js';

/** Turns an object's prototype into that of a function that calls the block. */
export function makeCallable(prototype: object): BlockBase {
  const call = (...inputs: unknown[]): unknown => callBlock(self, inputs);
  // A function's own name and length would stand in the way of a user's fields of these names.
  delete (call as { name?: unknown }).name;
  delete (call as { length?: unknown }).length;
  const self = Object.setPrototypeOf(call, prototype) as BlockBase;
  return self;
}

const prefixes = new WeakMap<BlockBase, string>();

export function givePrefix(block: BlockBase): void {
  prefixes.set(block, nextPrefix(classOf(block)));
}

/** The parameters of a block and everything below it, as files keep them. */
function heldBy(block: BlockBase): Held {
  return { who: classOf(block), parameters: treeOf(block).parameters };
}

/** The blocks that are being printed, one inside the other. */
const printing = new Set<BlockBase>();

/** A block without its call signature, which each class declares for itself. */
export class BlockBase {
  /** @internal */
  constructor() {
    const block = makeCallable(new.target.prototype);
    givePrefix(block);
    // biome-ignore lint/correctness/noConstructorReturn: a block is a function, so that it can be called
    return block as this;
  }

  /** The class's name unless set. */
  declare name: string;

  /** Gluon's running prefix of display names: `dense0_`. */
  get prefix(): string {
    return prefixes.get(this) as string;
  }

  /** The child blocks, by attribute path, in definition order. */
  get children(): ReadonlyMap<string, Block> {
    return membersOf(this).blocks as ReadonlyMap<string, Block>;
  }

  /** The block's own parameters, without those of its children, by attribute name. */
  get params(): ParameterDict {
    nameOwn(this);
    return new ParameterDict(this.prefix, classOf(this), membersOf(this).parameters);
  }

  /**
   * The parameters of the block and everything below it by path; with a pattern those whose path matches.
   */
  collectParams(pattern?: RegExp | string): ParameterDict {
    const { parameters } = treeOf(this);
    const who = classOf(this);
    return new ParameterDict(
      this.prefix,
      who,
      parameters,
      pattern === undefined ? undefined : checkPattern(`${who}.collectParams`, pattern),
    );
  }

  /**
   * Registers how parameters get their first values. Those of known shape get them at once, the others at the first call,
   * when a batch tells their sizes.
   */
  initialize(options?: InitializeOptions): void {
    initializeParameters(classOf(this), treeOf(this).parameters, options);
  }

  /** Calls `fn` for every block below, innermost first, and for this one last. */
  apply(fn: (block: Block) => void): this;
  apply(fn: (block: Block) => void, ...rest: unknown[]): this {
    const who = `${classOf(this)}.apply`;
    if (rest.length > 0 || isBlock(fn)) {
      throw new ArgumentError(`${who} takes one function of a block, as Gluon's; to call the net, write net(x)`);
    }
    checkFunction(who, fn);
    for (const block of [...treeOf(this).blocks.keys()].reverse()) fn(block as Block);
    return this;
  }

  /** Changes the type of all parameters: 'float32' or 'float64'. */
  cast(dtype: 'float32' | 'float64'): this {
    transact(() => {
      for (const parameter of treeOf(this).parameters.values()) parameter.cast(dtype);
    });
    return this;
  }

  /**
   * A copy with the same structure, values and pending state, ties kept; not hybridized, without hooks. No constructor
   * runs.
   */
  clone(): this {
    return cloneBlock(this, makeCallable, givePrefix) as this;
  }

  /** Settles every shape and draws all parameters, as a first batch of these shapes would; after initialize(). */
  inferShape(...shapes: readonly (readonly number[] | ShapeOptions)[]): void {
    settleFromShapes(this, checkInputs(`${classOf(this)}.inferShape`, shapes, 0));
  }

  /** The shapes that a forward would return; touches no parameter. -1 stands for any batch size. */
  outputShape(...shapes: readonly (readonly number[] | ShapeOptions)[]): any {
    return outputShapes(this, checkInputs(`${classOf(this)}.outputShape`, shapes, -1));
  }

  /** Prints a table of layers, output shapes, parameters and multiply-adds, and returns it; touches no parameter. */
  summary(...shapes: readonly (readonly number[] | ShapeOptions)[]): Summary {
    const table = summarize(this, checkInputs(`${classOf(this)}.summary`, shapes, 0));
    console.log(table.toString());
    return table;
  }

  /**
   * A picture of the forward for inputs of these shapes, as SVG: layers with their settings, output shapes and parameters,
   * and what blocks do between them; touches no parameter.
   */
  toSVG(...shapes: readonly (readonly number[] | ShapeOptions)[]): string {
    return pictureOf(this, checkInputs(`${classOf(this)}.toSVG`, shapes, 0));
  }

  /** Writes all parameters to a safetensors file, whole or not at all. */
  saveParameters(path: string): void {
    saveToFile(heldBy(this), 'saveParameters', path);
  }

  /** Reads all parameters from a safetensors file, also before any shape is known; all or nothing. */
  loadParameters(path: string, options?: LoadParametersOptions): void {
    loadFromFile(heldBy(this), 'loadParameters', path, options);
  }

  /** The bytes that `saveParameters` writes. */
  toBytes(): Uint8Array {
    return toFileBytes(heldBy(this));
  }

  /** Reads all parameters from such bytes, into this net; all or nothing. */
  fromBytes(bytes: Uint8Array, options?: LoadParametersOptions): void {
    loadFromBytes(heldBy(this), bytes, options);
  }

  /**
   * Writes the forward in prediction mode as an ONNX model (opset 17), whole or not at all: `net.export('net.onnx', {
   * inputShape: [-1, 784] })`, -1 for an open batch size. Values are those of now. Raises BlockError for what ONNX cannot say.
   */
  export(path: string, options: ExportOptions): Promise<void> {
    return exportNet(this, path, options);
  }

  /** The bytes that `export` writes. */
  toOnnx(options: ExportOptions): Uint8Array {
    return modelBytesOf(this, options);
  }

  /** Calls `hook(block, inputs, output)` after each forward. Hooks watch; shape passes run without them. */
  registerForwardHook(hook: ForwardHook): HookHandle {
    return addHook(this, 'after', checkFunction('registerForwardHook', hook));
  }

  /** Calls `hook(block, inputs)` before each forward. */
  registerForwardPreHook(hook: ForwardPreHook): HookHandle {
    return addHook(this, 'before', checkFunction('registerForwardPreHook', hook));
  }

  /**
   * Has calls of this block run by a plan: the forward is traced once for each kind of inputs, then each call is one native
   * call. Results are the same. `hybridize(false)` goes back.
   */
  hybridize(active?: boolean, options?: HybridizeOptions): void {
    hybridizeBlock(this, active, options);
  }

  /** Has the forward of a hybridized block traced again: for when plain JavaScript values that it reads have changed. */
  retrace(): void {
    dropPlans(this);
  }

  /**
   * The forward's result in prediction mode, computed on a native thread: timers and sockets go on meanwhile, and several
   * predictions run at once. Each sees inputs and parameters as they were when it was asked for. Several inputs come as an
   * array. Rejects with what the forward raises; hooks do not run.
   */
  predict(input: Tensor | readonly any[], options?: PredictOptions): Promise<any> {
    return predict(this, input, options);
  }

  /** The same on the calling thread. */
  predictSync(input: Tensor | readonly any[], options?: PredictSyncOptions): any {
    return predictSync(this, input, options);
  }

  /** Sets the gradients of all parameters to zeros. */
  zeroGrad(): void {
    for (const parameter of treeOf(this).parameters.values()) parameter.zeroGrad();
  }

  /** Makes a block that private fields would hide a child under a name of its own; returns it. */
  own<B extends BlockBase>(name: string, block: B): B {
    const who = `${classOf(this)}.own`;
    checkString(`${who}: name`, name);
    if (!isBlock(block)) throw new ArgumentError(`${who} takes a block, but got ${shown(block)}`);
    if (Object.hasOwn(this, name)) throw new BlockError(`${who}: there is a field '${name}' already`);
    Object.defineProperty(this, name, { value: block, enumerable: true, configurable: true, writable: true });
    currentTransaction()?.note(() => {
      Reflect.deleteProperty(this, name);
    });
    return block;
  }

  /** For blocks of your own: define it, and call the block: `block(x)`. Called directly it skips hooks and deferral. */
  forward(..._inputs: any[]): any {
    throw new ArgumentError(`${classOf(this)} has no forward; define forward(x) in the class`);
  }

  get [blockBrand](): true {
    return true;
  }

  /** One line for a block without children; else one for each child. A layer adds what it is made of. */
  describe(): string {
    return '';
  }

  toString(): string {
    const name = classOf(this);
    if (printing.has(this)) return `${name}(the block that contains it)`;
    printing.add(this);
    try {
      const blocks = [...membersOf(this).blocks];
      if (blocks.length === 0) return `${name}(${this.describe()})`;
      const lines = blocks.map(([key, child]) => `  (${key}): ${String(child).replaceAll('\n', '\n  ')}\n`);
      return `${name}(\n${lines.join('')})`;
    } finally {
      printing.delete(this);
    }
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

// A block has what functions have (bind, call), but for what Block itself defines.
Object.setPrototypeOf(BlockBase.prototype, Function.prototype);
Object.defineProperty(BlockBase.prototype, 'length', { value: 0, writable: true, configurable: true });
Object.defineProperty(BlockBase.prototype, 'name', {
  get(this: BlockBase) {
    return classOf(this);
  },
  set(this: BlockBase, value: unknown) {
    Object.defineProperty(this, 'name', { value, writable: true, enumerable: true, configurable: true });
  },
  configurable: true,
});
Object.defineProperty(BlockBase, 'name', { value: 'Block' });

reserveMembers(
  Object.getOwnPropertyNames(BlockBase.prototype).filter(
    name => !['constructor', 'forward', 'describe'].includes(name),
  ),
);

type Result<R> = 0 extends 1 & R ? Tensor : R;

/**
 * The base of every layer and net. Extend it, hold layers and parameters in fields, and define `forward`:
 *
 * ```ts
 * class Mlp extends nn.Block {
 *   hidden = new nn.Dense(256, { activation: 'relu' });
 *   out = new nn.Dense(10);
 *   forward(x: Tensor) { return this.out(this.hidden(x)); }
 * }
 * ```
 *
 * Blocks are called as functions: `net(x)`. A class with `static shapePass = false` opts out of shape passes: its
 * parameters become ready as its first forward reaches them.
 */
export interface Block extends BlockBase {
  (...inputs: Parameters<this['forward']>): Result<ReturnType<this['forward']>>;
}

/** A layer that is called as its shape function F says. */
export interface Layer<F extends ShapeFn> extends BlockBase {
  <T extends Tensor>(x: T & LayerCheck<F, Sh<T>>): Tensor<Apply<F, Sh<T>>, DtypeAfter<F, Dt<T>>>;
  readonly [fn]?: F;
}

/** The class under the type of what it constructs: its constructor makes an object callable, which no class can declare. */
const callable = <C>(): C => BlockBase as C;

export const Block = callable<{ new (): Block; shapePass?: boolean }>();
/** The base of the library's layers: a Block whose call has the types of a shape function. */
export const Layer = callable<new <F extends ShapeFn>() => Layer<F>>();
/** The same for blocks that are called in ways of their own. */
export const CallableBlock = callable<new <C extends BlockBase>() => C>();
