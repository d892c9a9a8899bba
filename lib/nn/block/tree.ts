import { types } from 'node:util';
import { BlockError } from '../../errors.js';
import { Parameter, parameterInternals } from '../../parameter/parameter.js';
import { isTensor } from '../../tensor/tensor.js';
import { isPlainObject } from '../../trace/shape-pass.js';
import type { BlockBase } from './block.js';

const brand = Symbol.for('latent.block');

/** Whether a value is a block; to be asked before `typeof value === 'function'`, for blocks are callable. */
export function isBlock(value: unknown): value is BlockBase {
  return typeof value === 'function' && (value as { [brand]?: unknown })[brand] === true;
}

export { brand as blockBrand };

/** The children and parameters in a block's own fields, by attribute path. */
export interface Members {
  readonly blocks: ReadonlyMap<string, BlockBase>;
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Blocks that are only referred to, by `unowned`. */
  readonly references: ReadonlySet<BlockBase>;
}

/** Everything below a block, by path from it, the block itself under ''. The same block or parameter has its first path. */
export interface Tree {
  readonly root: BlockBase;
  readonly blocks: ReadonlyMap<BlockBase, string>;
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Blocks below, and those that they only refer to: what may run inside a forward. */
  readonly runnable: ReadonlySet<BlockBase>;
  /** The parameters of those. */
  readonly readable: ReadonlySet<Parameter>;
}

/** Names of Block's own members, which a field of a user's block would break. */
const reserved = new Set<string>();

export function reserveMembers(names: Iterable<string>): void {
  for (const name of names) if (name !== 'name' && name !== 'length') reserved.add(name);
}

/** Whether a field of such a name would break a block. */
export function isReserved(key: string): boolean {
  return reserved.has(key);
}

function checkName(block: BlockBase, key: string): void {
  if (!reserved.has(key)) return;
  throw new BlockError(
    `${classOf(block)} has a field named '${key}', which is a member of nn.Block; give it another name`,
  );
}

export function classOf(block: BlockBase): string {
  return block.constructor.name || 'Block';
}

/** The blocks and parameters in a block's own string-keyed fields: directly, and in arrays, plain objects and Maps. */
export function membersOf(block: BlockBase): Members {
  const blocks = new Map<string, BlockBase>();
  const parameters = new Map<string, Parameter>();
  const containers = new Set<unknown>();
  const references = new Set<BlockBase>();
  const take = <T>(into: Map<string, T>, path: string, member: T): void => {
    if (blocks.has(path) || parameters.has(path)) {
      throw new BlockError(
        `${classOf(block)} has two members with the path '${path}'; one of them would be lost, so rename its key`,
      );
    }
    into.set(path, member);
  };
  const look = (value: unknown, path: string): void => {
    if (isBlock(value)) {
      take(blocks, path, value);
    } else if (value instanceof Parameter) {
      take(parameters, path, value);
    } else if (value instanceof Unowned) {
      references.add(value.block);
    } else if (Array.isArray(value) || types.isMap(value) || isPlainObject(value)) {
      if (isTensor(value) || containers.has(value)) return;
      containers.add(value);
      const entries: Iterable<[unknown, unknown]> = types.isMap(value) ? value.entries() : Object.entries(value);
      for (const [key, item] of entries) look(item, `${path}.${String(key)}`);
    }
  };
  for (const key of Object.keys(block)) {
    checkName(block, key);
    look(Reflect.get(block, key), key);
  }
  return { blocks, parameters, references };
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

/** Tells a block's own parameters their names. */
export function nameOwn(block: BlockBase): void {
  for (const [key, parameter] of membersOf(block).parameters) {
    parameterInternals.identify(
      parameter,
      `${block.prefix}${key.replaceAll('.', '_')}`,
      parameter.path === 'parameter' ? key : parameter.path,
    );
  }
}

/** Looks through a block and everything below it, and tells the parameters their names and paths. */
export function treeOf(root: BlockBase): Tree {
  const blocks = new Map<BlockBase, string>();
  const parameters = new Map<string, Parameter>();
  const seen = new Set<Parameter>();
  const open = new Set<BlockBase>();
  const runnable = new Set<BlockBase>();
  const readable = new Set<Parameter>();
  const visit = (block: BlockBase, path: string): void => {
    if (open.has(block))
      throw new BlockError(
        `${classOf(block)} '${path}' in ${classOf(root)} contains itself; hold it with nn.unowned() where it is only referred to`,
      );
    if (blocks.has(block)) return;
    blocks.set(block, path);
    runnable.add(block);
    open.add(block);
    const members = membersOf(block);
    for (const reference of members.references) {
      if (runnable.has(reference)) continue;
      const below = treeOf(reference);
      for (const one of below.runnable) runnable.add(one);
      for (const one of below.readable) readable.add(one);
    }
    for (const [key, parameter] of members.parameters) {
      if (seen.has(parameter)) continue;
      seen.add(parameter);
      readable.add(parameter);
      const at = join(path, key);
      if (parameters.has(at))
        throw new BlockError(`${classOf(root)} has two parameters with the path '${at}'; rename a key`);
      parameters.set(at, parameter);
      parameterInternals.identify(parameter, `${block.prefix}${key.replaceAll('.', '_')}`, at);
    }
    for (const [key, child] of members.blocks) visit(child, join(path, key));
    open.delete(block);
  };
  visit(root, '');
  return { root, blocks, parameters, runnable, readable };
}

/** A reference to a block that is not a child of the one that holds it. */
export class Unowned<B extends BlockBase> {
  /** The block that is referred to. */
  readonly block: B;
  /** @internal */
  constructor(block: B) {
    this.block = block;
  }
}

/** Holds a block without owning it: its parameters are not the holder's. Reach it as `reference.block`. */
export function unowned<B extends BlockBase>(block: B): Unowned<B> {
  return new Unowned(block);
}

/**
 * A question whether a block is still made of the same blocks, parameters and tensors, which costs a look at each place that
 * holds one. Fields that are new since then go unseen, but for a further layer of a Sequential.
 */
export function watchStructure(root: BlockBase): () => boolean {
  const places: { readonly holder: Record<string, unknown>; readonly key: string; readonly value: unknown }[] = [];
  const maps: {
    readonly map: ReadonlyMap<unknown, unknown>;
    readonly entries: readonly (readonly [unknown, unknown])[];
  }[] = [];
  const seen = new Set<unknown>();
  const place = (holder: object, key: string): void => {
    places.push({ holder: holder as Record<string, unknown>, key, value: (holder as Record<string, unknown>)[key] });
  };
  const look = (value: unknown): boolean => {
    if (value instanceof Parameter || value instanceof Unowned || isTensor(value)) return true;
    const isContainer = Array.isArray(value) || types.isMap(value) || isPlainObject(value);
    if (!isBlock(value) && !isContainer) return false;
    if (seen.has(value)) return true;
    seen.add(value);
    if (types.isMap(value)) {
      const entries = [...value.entries()] as [unknown, unknown][];
      if (entries.map(([, item]) => look(item)).includes(true)) maps.push({ map: value, entries });
      return true;
    }
    const before = places.length;
    for (const key of Object.keys(value as object))
      if (look((value as Record<string, unknown>)[key])) place(value as object, key);
    if (Array.isArray(value) && places.length > before) place(value, 'length');
    // Layers in numbered places: one more would be in the next.
    if (isBlock(value) && Object.hasOwn(value, 0)) {
      let count = 0;
      while (Object.hasOwn(value, count)) count++;
      place(value, String(count));
    }
    return true;
  };
  look(root);
  return () => {
    for (let i = 0; i < places.length; i++) {
      const { holder, key, value } = places[i] as (typeof places)[number];
      if (holder[key] !== value) return false;
    }
    return maps.every(
      ({ map, entries }) => map.size === entries.length && entries.every(([key, item]) => map.get(key) === item),
    );
  };
}
