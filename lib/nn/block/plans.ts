import { type Parameter, parameterInternals } from '../../parameter/parameter.js';
import { type Found, PlanCache } from '../../plan/cache.js';
import type { Requester, Subject } from '../../plan/evaluate.js';
import type { OptimizeOptions } from '../../plan/passes/index.js';
import { recordedSubject } from '../../plan/recorded.js';
import type { BlockBase } from './block.js';
import { treeOf, watchStructure } from './tree.js';

/** A block's plans, and whether it is still built as when they were traced. */
export class Planned {
  readonly cache: PlanCache;
  #isSame: (() => boolean) | null = null;

  /** `watch`: a question whether all is as it was when it was made. */
  constructor(
    subject: Subject,
    private readonly watch: () => () => boolean,
    options?: OptimizeOptions,
  ) {
    this.cache = new PlanCache(subject, options);
  }

  find(inputs: unknown[], requester: Requester): Found {
    if (this.#isSame?.() !== true) {
      this.cache.clear();
      this.#isSame = this.watch();
    }
    return this.cache.find(inputs, requester);
  }
}

/** Whether a block is still built as it is, and the same gradients are wanted. */
function watchGradients(block: BlockBase): () => boolean {
  const isSame = watchStructure(block);
  const wanted = [...treeOf(block).parameters.values()].map(parameter => [parameter, wants(parameter)] as const);
  return () => isSame() && wanted.every(([parameter, before]) => wants(parameter) === before);
}

/** Whether a block is still built as it is, and the same running statistics are frozen. */
function watchStatistics(block: BlockBase): () => boolean {
  const isSame = watchStructure(block);
  const statistics = [...treeOf(block).parameters.values()].filter(({ role }) => role.startsWith('running'));
  const wanted = statistics.map(parameter => [parameter, wants(parameter)] as const);
  return () => isSame() && wanted.every(([parameter, before]) => wants(parameter) === before);
}

const wants = (parameter: Parameter): boolean => !parameterInternals.isFrozen(parameter);

const planned = new WeakMap<BlockBase, Planned>();
const recorded = new WeakMap<BlockBase, Planned>();
/** The options by which plans of a block are optimized, where they aren't the default. */
const chosen = new WeakMap<BlockBase, OptimizeOptions>();

function obtain(from: WeakMap<BlockBase, Planned>, block: BlockBase, make: () => Planned): Planned {
  let plans = from.get(block);
  if (plans === undefined) {
    plans = make();
    from.set(block, plans);
  }
  return plans;
}

/** The plans of a block, made where there are none yet. */
export function plansFor(block: BlockBase, subject: Subject): Planned {
  return obtain(planned, block, () => new Planned(subject, () => watchStatistics(block), chosen.get(block)));
}

/** The same for calls that are recorded. */
export function recordedPlansFor(block: BlockBase, subject: Subject): Planned {
  return obtain(recorded, block, () => new Planned(recordedSubject(subject), () => watchGradients(block)));
}

/** The plans that a block has, those for calls that are recorded among them or alone. */
export function plansOf(block: BlockBase, which: 'plain' | 'recorded' = 'plain'): PlanCache | undefined {
  return (which === 'plain' ? planned : recorded).get(block)?.cache;
}

/** Sets the options by which plans of a block are optimized, null for the default, and forgets the plans that it has. */
export function chooseOptions(block: BlockBase, options: OptimizeOptions | null): void {
  dropPlans(block);
  if (options === null) chosen.delete(block);
  else chosen.set(block, options);
}

/** Forgets a block's plans: the next use traces it again. */
export function dropPlans(block: BlockBase): void {
  planned.delete(block);
  recorded.delete(block);
}
