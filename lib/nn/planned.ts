import { type Found, PlanCache } from '../plan/cache.js';
import type { Asker, Subject } from '../plan/evaluate.js';
import type { BlockBase } from './block-base.js';
import { watchStructure } from './structure.js';

/** A block's plans, and whether it is still built as when they were traced. */
export class Planned {
  readonly cache: PlanCache;
  #isSame: (() => boolean) | null = null;

  constructor(
    private readonly block: BlockBase,
    subject: Subject,
  ) {
    this.cache = new PlanCache(subject);
  }

  find(inputs: unknown[], asker: Asker): Found {
    if (this.#isSame?.() !== true) {
      this.cache.clear();
      this.#isSame = watchStructure(this.block);
    }
    return this.cache.find(inputs, asker);
  }
}

const planned = new WeakMap<BlockBase, Planned>();

/** The plans of a block, made where there are none yet. */
export function plansFor(block: BlockBase, subject: Subject): Planned {
  let plans = planned.get(block);
  if (plans === undefined) {
    plans = new Planned(block, subject);
    planned.set(block, plans);
  }
  return plans;
}

/** The plans that a block has. */
export function plansOf(block: BlockBase): PlanCache | undefined {
  return planned.get(block)?.cache;
}

/** Forgets a block's plans: the next use traces it again. */
export function dropPlans(block: BlockBase): void {
  planned.delete(block);
}
