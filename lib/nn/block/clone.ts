import { types } from 'node:util';
import { Parameter } from '../../parameter/parameter.js';
import { isTensor } from '../../tensor/tensor.js';
import { isPlainObject } from '../../trace/shape-pass.js';
import type { BlockBase } from './block.js';
import { isBlock, treeOf, Unowned } from './tree.js';

/**
 * A copy of a block: its own fields, with blocks, parameters and tensors in them copied, each once however often it is
 * referred to; anything else is shared. No constructor runs, so a class's private (#) fields and methods are missing in its
 * copies.
 */
export function cloneBlock(
  root: BlockBase,
  make: (prototype: object) => BlockBase,
  name: (block: BlockBase) => void,
): BlockBase {
  treeOf(root);
  const copies = new Map<unknown, unknown>();
  const references: Unowned<BlockBase>[] = [];
  const remember = <T>(original: unknown, copy: T): T => {
    copies.set(original, copy);
    return copy;
  };
  const copy = (value: unknown): unknown => {
    if (copies.has(value)) return copies.get(value);
    if (isBlock(value)) return copyBlock(value);
    if (value instanceof Parameter) return remember(value, value.clone());
    if (isTensor(value)) return remember(value, value.detach().clone());
    if (value instanceof Unowned) {
      const reference = remember(value, new Unowned(value.block));
      references.push(reference);
      return reference;
    }
    if (Array.isArray(value)) {
      const list = remember(value, [] as unknown[]);
      for (const item of value) list.push(copy(item));
      return list;
    }
    if (types.isMap(value)) {
      const map = remember(value, new Map());
      for (const [key, item] of value) map.set(key, copy(item));
      return map;
    }
    if (isPlainObject(value)) {
      const object = remember(value, Object.create(Object.getPrototypeOf(value) as object | null) as object);
      // Defined and not set: a key may be called '__proto__'.
      const facts = { writable: true, enumerable: true, configurable: true };
      for (const [key, item] of Object.entries(value))
        Object.defineProperty(object, key, { ...facts, value: copy(item) });
      return object;
    }
    return value;
  };
  const copyBlock = (block: BlockBase): BlockBase => {
    const twin = remember(block, make(Object.getPrototypeOf(block) as object));
    name(twin);
    for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(block))) {
      Object.defineProperty(
        twin,
        key,
        'value' in descriptor ? { ...descriptor, value: copy(descriptor.value) } : descriptor,
      );
    }
    return twin;
  };
  const twin = copyBlock(root);
  // A reference leads to the copy where what it refers to was copied as well, else to the original.
  for (const reference of references) {
    const { block } = reference;
    (reference as { block: BlockBase }).block = (copies.get(block) as BlockBase | undefined) ?? block;
  }
  treeOf(twin);
  return twin;
}
