import { isRecording } from '../autograd/modes.js';
import { watchers } from '../ops/watch.js';
import { PlanCache, type Subject } from '../plan/cache.js';
import { checkBoolean, checkInteger, checkOptions } from '../support/check.js';
import type { BlockBase } from './block-base.js';
import { hooking, hooksOf } from './hooks.js';
import { treeOf, watchStructure } from './structure.js';

export interface HybridizeOptions {
  /** For how many calls the forward runs beside the plan, and a difference raises; 0 by default. */
  verify?: number | undefined;
}

function hooksBelow(block: BlockBase): boolean {
  return [...treeOf(block).blocks.keys()].some(below => {
    const hooks = below === block ? undefined : hooksOf(below);
    return hooks !== undefined && hooks.before.length + hooks.after.length > 0;
  });
}

/** A net whose calls are run by plans. */
class Hybrid {
  readonly cache: PlanCache;
  /** Whether the net is still built as when it was traced. */
  #isSame: (() => boolean) | null = null;
  #hooksAt = -1;
  #hooked = false;

  constructor(
    private readonly block: BlockBase,
    subject: Subject,
    readonly options: HybridizeOptions,
  ) {
    this.cache = new PlanCache(subject);
  }

  /** Hooks of blocks inside see each forward, which a plan has not. */
  get #hasHooks(): boolean {
    if (this.#hooksAt !== hooking.count) {
      this.#hooksAt = hooking.count;
      this.#hooked = hooksBelow(this.block);
    }
    return this.#hooked;
  }

  /** Whether the call that is coming can be a plan's. */
  get serves(): boolean {
    return watchers.abstract === null && !isRecording() && !this.#hasHooks;
  }

  run(inputs: unknown[]): unknown {
    if (this.#isSame === null || !this.#isSame()) {
      this.cache.clear();
      this.#isSame = watchStructure(this.block);
    }
    return this.cache.run(inputs);
  }

  retrace(): void {
    this.cache.clear();
  }
}

const hybrids = new WeakMap<BlockBase, Hybrid>();
/** How many nets were ever hybridized: while there is none, no call looks for one. */
let count = 0;

/** What runs a block's calls by plans, if it is hybridized and the call that is coming can be. */
export function hybridOf(block: BlockBase): Hybrid | null {
  if (count === 0) return null;
  const hybrid = hybrids.get(block);
  return hybrid?.serves === true ? hybrid : null;
}

/** The plans of a hybridized block; for tests and tools. */
export function plansOf(block: BlockBase): PlanCache | undefined {
  return hybrids.get(block)?.cache;
}

export function hybridize(
  block: BlockBase,
  who: string,
  active: boolean | undefined,
  options: HybridizeOptions | undefined,
  subject: Subject,
): void {
  checkBoolean(`${who}.hybridize`, active ?? true);
  const given = checkOptions(`${who}.hybridize`, options, ['verify']);
  if (given.verify !== undefined) checkInteger(`${who}.hybridize: verify`, given.verify, 0);
  hybrids.delete(block);
  if (active === false) return;
  hybrids.set(block, new Hybrid(block, subject, given));
  count++;
}
