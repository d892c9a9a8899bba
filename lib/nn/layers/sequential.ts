import { ArgumentError } from '../../errors.js';
import { checkInteger, shown } from '../../support/check.js';
import type { Dt, IsAny, Sh, Shape } from '../../tensor/shape-types.js';
import type { Tensor } from '../../tensor/tensor.js';
import { Block, type BlockBase, CallableBlock } from '../block/block.js';
import type {
  Checked,
  ClassOf,
  fn,
  Join2,
  LayerCheck,
  SeqDt,
  SeqFn,
  SeqOut,
  Verdicts,
} from '../block/shape-functions.js';
import { isBlock } from '../block/tree.js';

/** How a Sequential is called, and what its places hold. */
interface SequentialCall<L extends readonly Block[]> extends BlockBase {
  <T extends Tensor>(x: T & LayerCheck<SeqFn<L>, Sh<T>>): Tensor<SeqOut<L, Sh<T>>, SeqDt<L, Dt<T>>>;
  readonly [fn]?: IsAny<L> extends true ? any : SeqFn<L>;
  readonly [index: number]: Block;
}

type Items<L extends readonly Block[]> = number extends L['length']
  ? unknown
  : { readonly [I in keyof L as I extends `${number}` ? I : never]: L[I] };

/** The advice for an argument that is no block. */
function insteadOf(layer: unknown): string {
  if (Array.isArray(layer)) return '; pass them one by one, as in new nn.Sequential(...layers)';
  if (typeof layer !== 'function') return '';
  if (layer.prototype instanceof Block) return `; make one of them, as in new nn.${layer.name}()`;
  return '; wrap a function as new nn.Lambda(f)';
}

/** Whether `instanceof` takes it: arrow functions and methods have no prototype. */
const isClass = (type: unknown): boolean =>
  typeof type === 'function' && typeof type.prototype === 'object' && type.prototype !== null;

class SequentialLayers<L extends readonly Block[]> extends CallableBlock<SequentialCall<L>> {
  static override readonly name = 'Sequential';

  constructor(...layers: readonly Block[]) {
    super();
    this.add(...layers);
  }

  get layers(): L {
    const layers: Block[] = [];
    for (let i = 0; Object.hasOwn(this, i); i++) layers.push(this[i] as Block);
    return layers as readonly Block[] as L;
  }

  /** The number of layers. */
  override get length(): number {
    return this.layers.length;
  }

  [Symbol.iterator](): IterableIterator<Block> {
    return this.layers[Symbol.iterator]();
  }

  /** Adds layers at the end, and returns the net typed with them. */
  add<M extends readonly Block[]>(...layers: Checked<M, Verdicts<M, SeqOut<L, Shape>>>): Sequential<Join2<L, M>>;
  add(...layers: readonly unknown[]): unknown {
    for (const layer of layers) {
      if (!isBlock(layer))
        throw new ArgumentError(`Sequential takes blocks, but got ${shown(layer)}${insteadOf(layer)}`);
    }
    let at = this.length;
    for (const layer of layers)
      Object.defineProperty(this, at++, { value: layer, enumerable: true, configurable: true });
    return this;
  }

  /** The layer at an index (from the end when negative), checked to be of the class where one is given. */
  get<B extends BlockBase = Block>(index: number, type?: ClassOf<B>): B {
    const layers: readonly BlockBase[] = this.layers;
    const layer = layers[checkInteger('Sequential.get', index) < 0 ? index + layers.length : index];
    if (layer === undefined)
      throw new ArgumentError(`Sequential.get: there is no layer ${index} among ${layers.length}`);
    if (type === undefined) return layer as B;
    if (!isClass(type))
      throw new ArgumentError(`Sequential.get takes a class of layers, as nn.Dense, but got ${shown(type)}`);
    if (!(layer instanceof type))
      throw new ArgumentError(`Sequential.get: layer ${index} is a ${layer.constructor.name}, no ${type.name}`);
    return layer;
  }

  override forward(x: Tensor): Tensor {
    let h = x;
    for (let i = 0; ; i++) {
      const layer = this[i];
      if (layer === undefined) return h;
      h = layer(h) as Tensor;
    }
  }

  /** Without layers. */
  override describe(): string {
    return '';
  }
}

/**
 * Layers one after the other, typed as their tuple: `net[0]` is the first, and neighbours whose sizes don't fit fail to
 * compile. Prints its layers; raises what they raise.
 *
 * ```ts
 * const net = new nn.Sequential(new nn.Dense(256, { activation: 'relu' }), new nn.Dense(10));
 * ```
 */
export type Sequential<L extends readonly Block[] = any> = SequentialLayers<L> & Items<L>;
export const Sequential = SequentialLayers as new <L extends readonly Block[] = any>(
  ...layers: Checked<L, Verdicts<L, Shape>>
) => Sequential<L>;
