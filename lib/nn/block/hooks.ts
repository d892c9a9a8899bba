import type { BlockBase } from './block.js';

/** A function that is called after a block's forward with the block, its inputs and its output. */
export type ForwardHook = (block: any, inputs: readonly any[], output: any) => void;
/** A function that is called with a block and its inputs before its forward. */
export type ForwardPreHook = (block: any, inputs: readonly any[]) => void;

/** Takes a hook off again. */
export interface HookHandle {
  /** Takes the hook off its block. */
  remove(): void;
}

export interface Hooks {
  readonly before: ((...args: any[]) => void)[];
  readonly after: ((...args: any[]) => void)[];
}

const hooks = new WeakMap<BlockBase, Hooks>();

/** Counts how often a hook came or went. */
export const hooking = { count: 0 };

export function hooksOf(block: BlockBase): Hooks | undefined {
  return hooks.get(block);
}

export function addHook(block: BlockBase, when: keyof Hooks, hook: (...args: any[]) => void): HookHandle {
  const own = hooks.get(block) ?? { before: [], after: [] };
  hooks.set(block, own);
  // One entry per registration, also of the same function.
  const entry = (...args: any[]) => hook(...args);
  own[when].push(entry);
  hooking.count++;
  return {
    remove() {
      const at = own[when].indexOf(entry);
      if (at >= 0) own[when].splice(at, 1);
      hooking.count++;
    },
  };
}
