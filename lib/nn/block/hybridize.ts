import { isRecording, unrecorded } from '../../autograd/modes.js';
import { BlockError } from '../../errors.js';
import { context } from '../../ops/context.js';
import type { Requester, Subject } from '../../plan/evaluate.js';
import { type Flat, fill, flatten, sameFrame } from '../../plan/frame.js';
import { runRecorded } from '../../plan/recorded.js';
import { checkBoolean, checkInteger, checkNumberOf, checkOptions, shownShape } from '../../support/check.js';
import { sameShape } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import { explained, rolledBack } from '../../trace/transaction.js';
import type { BlockBase } from './block.js';
import { hooking, hooksOf } from './hooks.js';
import { chooseOptions, plansFor, recordedPlansFor } from './plans.js';
import { treeOf } from './tree.js';

export interface HybridizeOptions {
  /**
   * For how many calls the forward runs beside the plan, for a difference to raise: float32 values may differ by 1e-4 of
   * the result's largest, float64 ones by 1e-10. 0 by default.
   */
  verify?: number | undefined;
  /**
   * The largest tiles, of m × m outputs, in which plans that predict compute 3 × 3 convolutions of stride 1 by Winograd's
   * algorithm F(m × m, 3 × 3), where that is quicker. 2 by default, which is as exact as sums of taps; 4 is up to twice as
   * quick again, with about three times the rounding error; 0 computes each output by itself, bit for bit as the forward
   * does.
   */
  winograd?: 0 | 2 | 4 | undefined;
}

function hooksBelow(block: BlockBase): boolean {
  return [...treeOf(block).blocks.keys()].some(below => {
    const hooks = below === block ? undefined : hooksOf(below);
    return hooks !== undefined && hooks.before.length + hooks.after.length > 0;
  });
}

const requester: Requester = { who: 'hybridize', instead: 'call hybridize(false)' };

/** A net whose calls are run by plans. */
class Hybrid {
  #toVerify: number;
  #hooksAt = -1;
  #hooked = false;

  constructor(
    private readonly block: BlockBase,
    private readonly subject: Subject,
    options: HybridizeOptions,
  ) {
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
    return context.abstract === null && !this.#hasHooks;
  }

  run(inputs: unknown[]): unknown {
    return this.#toVerify > 0 ? this.#verified(inputs) : this.#planned(inputs);
  }

  #planned(inputs: unknown[]): unknown {
    return isRecording() ? this.#recorded(inputs) : this.#unrecorded(inputs);
  }

  /** A call whose gradients a plan computes as well; the forward itself where there can be none. */
  #recorded(inputs: unknown[]): unknown {
    const found = recordedPlansFor(this.block, this.subject).find(inputs, requester);
    const forward = (): unknown => this.block.forward(...inputs) as unknown;
    const outputs = runRecorded(found, body => explained(body, () => unrecorded(forward)));
    if (outputs === null) return forward();
    return found.result === null ? outputs[0] : fill(found.result, outputs);
  }

  #unrecorded(inputs: unknown[]): unknown {
    const { plan, tensors, result } = plansFor(this.block, this.subject).find(inputs, requester);
    const outputs = explained(
      () => plan.run(tensors),
      () => this.block.forward(...inputs) as unknown,
    );
    return result === null ? outputs[0] : fill(result, outputs);
  }

  /** The plan's result, once the forward has given the same and what it changed is taken back. */
  #verified(inputs: unknown[]): unknown {
    const expected = rolledBack(() => unrecorded(() => flatten(this.block.forward(...inputs) as unknown)));
    const result = this.#planned(inputs);
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

/** The object that runs a block's calls by plans, if it is hybridized and the coming call allows it. */
export function hybridOf(block: BlockBase): Hybrid | null {
  if (count === 0) return null;
  const hybrid = hybrids.get(block);
  return hybrid?.serves === true ? hybrid : null;
}

export function hybridize(
  block: BlockBase,
  who: string,
  active: boolean | undefined,
  options: HybridizeOptions | undefined,
  subject: Subject,
): void {
  checkBoolean(`${who}.hybridize`, active ?? true);
  const given = checkOptions(`${who}.hybridize`, options, ['verify', 'winograd']);
  if (given.verify !== undefined) checkInteger(`${who}.hybridize: verify`, given.verify, 0);
  if (given.winograd !== undefined) checkNumberOf(`${who}.hybridize: winograd`, given.winograd, [0, 2, 4]);
  hybrids.delete(block);
  chooseOptions(block, active === false || given.winograd === undefined ? null : { winograd: given.winograd });
  if (active === false) return;
  hybrids.set(block, new Hybrid(block, subject, given));
  count++;
}
