import { isRecording } from '../autograd/modes.js';
import { BlockError } from '../errors.js';
import { watchers } from '../ops/watch.js';
import { PlanCache, type Subject } from '../plan/cache.js';
import { type Flat, flatten, sameFrame } from '../plan/structure.js';
import { checkBoolean, checkInteger, checkOptions, shownShape } from '../support/check.js';
import { sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { transact } from '../trace/transaction.js';
import type { BlockBase } from './block-base.js';
import { hooking, hooksOf } from './hooks.js';
import { treeOf, watchStructure } from './structure.js';

export interface HybridizeOptions {
  /**
   * For how many calls the forward runs beside the plan, for a difference to raise: float32 values may differ by 1e-4 of
   * the result's largest, float64 ones by 1e-10. 0 by default.
   */
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
  #toVerify: number;
  #hooksAt = -1;
  #hooked = false;

  constructor(
    private readonly block: BlockBase,
    private readonly subject: Subject,
    readonly options: HybridizeOptions,
  ) {
    this.cache = new PlanCache(subject);
    this.#toVerify = options.verify ?? 0;
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
    return this.#toVerify > 0 ? this.#verified(inputs) : this.cache.run(inputs);
  }

  /** The plan's result, once the forward has given the same and what it changed is taken back. */
  #verified(inputs: unknown[]): unknown {
    const expected = transact(transaction => {
      const mark = transaction.mark();
      try {
        return flatten(this.block.forward(...inputs) as unknown);
      } finally {
        transaction.rollbackTo(mark);
      }
    });
    const result = this.cache.run(inputs);
    checkAlike(this.subject.describe(null), expected, flatten(result));
    this.#toVerify--;
    return result;
  }
}

function checkAlike(who: string, expected: Flat, given: Flat): void {
  const differs = (how: string): never => {
    throw new BlockError(
      `hybridize: the plan of ${who} does not do what its forward does: ${how}. What forward reads besides its inputs and parameters is constant in a plan; ` +
        'pass it as a tensor, call retrace() when it changes, or call hybridize(false)',
    );
  };
  if (!sameFrame(expected.frame, given.frame)) differs('the results are built differently');
  expected.tensors.forEach((a, i) => {
    const b = given.tensors[i] as Tensor;
    if (a.dtype !== b.dtype || !sameShape(a.shape, b.shape))
      differs(
        `result ${i} is ${a.dtype} of shape ${shownShape(a.shape)} by forward and ${b.dtype} of shape ${shownShape(b.shape)} by the plan`,
      );
    const [x, y] = [a, b].map(t => Array.from<number>(t.toTypedArray())) as [number[], number[]];
    const most = x.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 0);
    const allowed = most * (a.dtype === 'float64' ? 1e-10 : a.dtype === 'float32' ? 1e-4 : 0);
    const at = x.findIndex((v, j) => !Object.is(v, y[j]) && !(Math.abs(v - (y[j] as number)) <= allowed));
    if (at >= 0) differs(`element ${at} of result ${i} is ${x[at]} by forward and ${y[at]} by the plan`);
  });
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

/** Has a hybridized block traced again at its next call. */
export function retrace(block: BlockBase): void {
  hybrids.get(block)?.cache.clear();
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
