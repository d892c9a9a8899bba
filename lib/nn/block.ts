import { inspect } from 'node:util';
import { ArgumentError, BlockError } from '../errors.js';
import { ParameterDict } from '../parameter/dict.js';
import { type InitializeOptions, initializeParameters } from '../parameter/initialize.js';
import {
  type Held,
  type LoadParametersOptions,
  loadFromBytes,
  loadFromFile,
  saveToFile,
  toFileBytes,
} from '../parameter/persist.js';
import { checkFunction, checkPattern, checkString, shown } from '../support/check.js';
import { currentTransaction, transact } from '../trace/transaction.js';
import type { BlockBase, Block as BlockType, ShapeOptions } from './block-base.js';
import { callBlock, hybridizeBlock, settleFromShapes } from './call.js';
import { cloneBlock } from './clone.js';
import { type ExportOptions, exportNet, modelBytesOf } from './export.js';
import { addHook, type ForwardHook, type ForwardPreHook, type HookHandle } from './hooks.js';
import type { HybridizeOptions } from './hybrid.js';
import { nextPrefix } from './names.js';
import { pictureOf } from './picture.js';
import { dropPlans } from './planned.js';
import { type PredictOptions, type PredictSyncOptions, predict, predictSync } from './predict.js';
import { checkInputs, outputShapes } from './shapes.js';
import { blockBrand, classOf, isBlock, membersOf, nameOwn, reserveMembers, treeOf } from './structure.js';
import { type Summary, summarize } from './summary.js';

/** Turns an object's prototype into that of a function that calls the block. */
export function makeCallable(prototype: object): BlockBase {
  const self = ((...inputs: unknown[]) => callBlock(self, inputs)) as unknown as BlockBase;
  // A function's own name and length would stand in the way of a user's fields of these names.
  delete (self as { name?: unknown }).name;
  delete (self as { length?: unknown }).length;
  Object.setPrototypeOf(self, prototype);
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

/** What the constructor made of `this`. */
function self(block: object): BlockType {
  return block as BlockType;
}

class BlockClass {
  constructor() {
    const block = makeCallable(new.target.prototype);
    givePrefix(block);
    // biome-ignore lint/correctness/noConstructorReturn: a block is a function, so that it can be called
    return block as unknown as this;
  }

  declare name: string;

  get prefix(): string {
    return prefixes.get(self(this)) as string;
  }

  get children(): ReadonlyMap<string, BlockType> {
    return membersOf(self(this)).blocks as ReadonlyMap<string, BlockType>;
  }

  get params(): ParameterDict {
    nameOwn(self(this));
    return new ParameterDict(this.prefix, classOf(self(this)), membersOf(self(this)).parameters);
  }

  collectParams(pattern?: RegExp | string): ParameterDict {
    const { parameters } = treeOf(self(this));
    const who = classOf(self(this));
    return new ParameterDict(
      this.prefix,
      who,
      parameters,
      pattern === undefined ? undefined : checkPattern(`${who}.collectParams`, pattern),
    );
  }

  initialize(options?: InitializeOptions): void {
    initializeParameters(classOf(self(this)), treeOf(self(this)).parameters, options);
  }

  apply(fn: (block: BlockType) => void, ...rest: unknown[]): this {
    const who = `${classOf(self(this))}.apply`;
    if (rest.length > 0 || isBlock(fn)) {
      throw new ArgumentError(`${who} takes one function of a block, as Gluon's; to call the net, write net(x)`);
    }
    checkFunction(who, fn);
    for (const block of [...treeOf(self(this)).blocks.keys()].reverse()) fn(block as BlockType);
    return this;
  }

  cast(dtype: 'float32' | 'float64'): this {
    transact(() => {
      for (const parameter of treeOf(self(this)).parameters.values()) parameter.cast(dtype);
    });
    return this;
  }

  clone(): this {
    return cloneBlock(self(this), makeCallable, givePrefix) as unknown as this;
  }

  inferShape(...shapes: readonly (readonly number[] | ShapeOptions)[]): void {
    settleFromShapes(self(this), checkInputs(`${classOf(self(this))}.inferShape`, shapes, 0));
  }

  outputShape(...shapes: readonly (readonly number[] | ShapeOptions)[]): unknown {
    return outputShapes(self(this), checkInputs(`${classOf(self(this))}.outputShape`, shapes, -1));
  }

  summary(...shapes: readonly (readonly number[] | ShapeOptions)[]): Summary {
    const table = summarize(self(this), checkInputs(`${classOf(self(this))}.summary`, shapes, 0));
    console.log(table.toString());
    return table;
  }

  toSVG(...shapes: readonly (readonly number[] | ShapeOptions)[]): string {
    return pictureOf(self(this), checkInputs(`${classOf(self(this))}.toSVG`, shapes, 0));
  }

  saveParameters(path: string): void {
    saveToFile(heldBy(self(this)), 'saveParameters', path);
  }

  loadParameters(path: string, options?: LoadParametersOptions): void {
    loadFromFile(heldBy(self(this)), 'loadParameters', path, options);
  }

  toBytes(): Uint8Array {
    return toFileBytes(heldBy(self(this)));
  }

  fromBytes(bytes: Uint8Array, options?: LoadParametersOptions): void {
    loadFromBytes(heldBy(self(this)), bytes, options);
  }

  export(path: string, options: ExportOptions): Promise<void> {
    return exportNet(self(this), path, options);
  }

  toOnnx(options: ExportOptions): Uint8Array {
    return modelBytesOf(self(this), options);
  }

  registerForwardHook(hook: ForwardHook): HookHandle {
    return addHook(self(this), 'after', checkFunction('registerForwardHook', hook));
  }

  registerForwardPreHook(hook: ForwardPreHook): HookHandle {
    return addHook(self(this), 'before', checkFunction('registerForwardPreHook', hook));
  }

  hybridize(active?: boolean, options?: HybridizeOptions): void {
    hybridizeBlock(self(this), active, options);
  }

  retrace(): void {
    dropPlans(self(this));
  }

  predict(input: unknown, options?: PredictOptions): Promise<unknown> {
    return predict(self(this), input, options);
  }

  predictSync(input: unknown, options?: PredictSyncOptions): unknown {
    return predictSync(self(this), input, options);
  }

  zeroGrad(): void {
    for (const parameter of treeOf(self(this)).parameters.values()) parameter.zeroGrad();
  }

  own<B extends BlockBase>(name: string, block: B): B {
    const who = `${classOf(self(this))}.own`;
    checkString(`${who}: name`, name);
    if (!isBlock(block)) throw new ArgumentError(`${who} takes a block, but got ${shown(block)}`);
    if (Object.hasOwn(this, name)) throw new BlockError(`${who}: there is a field '${name}' already`);
    Object.defineProperty(this, name, { value: block, enumerable: true, configurable: true, writable: true });
    currentTransaction()?.note(() => {
      Reflect.deleteProperty(this, name);
    });
    return block;
  }

  forward(..._inputs: unknown[]): unknown {
    throw new ArgumentError(`${classOf(self(this))} has no forward; define forward(x) in the class`);
  }

  get [blockBrand](): true {
    return true;
  }

  /** One line for a block without children; else one for each child. A layer adds what it is made of. */
  describe(): string {
    return '';
  }

  toString(): string {
    const blocks = [...membersOf(self(this)).blocks];
    const name = classOf(self(this));
    if (blocks.length === 0) return `${name}(${this.describe()})`;
    const lines = blocks.map(([key, child]) => `  (${key}): ${String(child).replaceAll('\n', '\n  ')}\n`);
    return `${name}(\n${lines.join('')})`;
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

// A block has what functions have (bind, call), but for what Block itself defines.
Object.setPrototypeOf(BlockClass.prototype, Function.prototype);
Object.defineProperty(BlockClass.prototype, 'length', { value: 0, writable: true, configurable: true });
Object.defineProperty(BlockClass.prototype, 'name', {
  get(this: BlockBase) {
    return classOf(this);
  },
  set(this: BlockBase, value: unknown) {
    Object.defineProperty(this, 'name', { value, writable: true, enumerable: true, configurable: true });
  },
  configurable: true,
});
Object.defineProperty(BlockClass, 'name', { value: 'Block' });

reserveMembers(
  Object.getOwnPropertyNames(BlockClass.prototype).filter(
    name => !['constructor', 'forward', 'describe'].includes(name),
  ),
);

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
export type Block = BlockType;
export const Block = BlockClass as unknown as { new (): BlockType; shapePass?: boolean };
