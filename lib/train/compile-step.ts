import { noteWrites } from '../autograd/commit.js';
import { isRecording, recorded, trainMode, unrecorded } from '../autograd/modes.js';
import { RowMarks } from '../autograd/rows.js';
import { edgeOf, type GradReq, type Leaf } from '../autograd/tape.js';
import { ArgumentError, AutogradError, OutOfMemoryError } from '../errors.js';
import type * as nn from '../nn/block/block.js';
import type { BlockBase } from '../nn/block/block.js';
import { describeBlock, runningBlock, settleFromShapes, whereIn } from '../nn/block/run.js';
import { classOf, isBlock, treeOf, watchStructure } from '../nn/block/tree.js';
import { empty, ones } from '../ops/create.js';
import type { PlanCall } from '../ops/invoke.js';
import { type Parameter, parameterInternals } from '../parameter/parameter.js';
import { traceBackward, type VariableGradient } from '../plan/backward.js';
import { type Found, PlanCache } from '../plan/cache.js';
import type { Requester } from '../plan/evaluate.js';
import { checkFunction, checkOptions, checkPositive, shown, shownShape } from '../support/check.js';
import { checkTensor, isTensor, type Tensor } from '../tensor/tensor.js';
import type { Owner } from '../trace/shape-pass.js';
import type { Trace } from '../trace/trace.js';
import { Backup, explained } from '../trace/transaction.js';
import { Trainer, trainerInternals } from './trainer.js';

export interface StepOptions {
  /**
   * The divisor of the gradients; by default the first size of the net's input, as `trainer.step` takes it. 1 for a loss that is
   * the mean over the batch already.
   */
  batchSize?: number | undefined;
}

/** A training step as one native call. */
export interface CompiledStep<A extends readonly unknown[] = readonly any[], L = Tensor> {
  /** Forward, loss, backward and the optimizer's update; answers the loss. */
  (...args: A): L;
  /** The same without the update: gradients of gradReq 'add' add up over several batches. */
  backward(...args: A): L;
  /** Has the step traced again: for when plain JavaScript values that net or loss read have changed. */
  retrace(): void;
}

/** A variable, to plans that write its gradient. */
class GradientOwner implements Owner {
  #rows: RowMarks | null = null;
  /** Which rows of the gradient may be other than 0, for plans that write rows. */
  readonly marks: Owner = { data: () => this.#marked().marks };

  /** `made`: to hear of variables that get their first gradient. */
  constructor(
    readonly leaf: Leaf,
    private readonly made: Leaf[],
  ) {}

  /** The gradient's tensor, made where there is none yet. */
  data(): Tensor {
    const { leaf } = this;
    if (leaf.grad === null) {
      leaf.grad = unrecorded(() => empty(leaf.variable.shape, leaf.variable.dtype));
      this.made.push(leaf);
    }
    return leaf.grad;
  }

  /** The gradient's marks, made where nothing is known of its rows: then it is cleared. */
  #marked(): RowMarks {
    const { leaf } = this;
    const grad = this.data();
    let { rows } = leaf;
    if (rows === null) {
      rows = unrecorded(() => new RowMarks(grad, leaf.isZeros));
      rows.clear();
      leaf.rows = rows;
    }
    this.#rows = rows;
    return rows;
  }

  /** Notes that a plan wrote the gradient: whole, or rows that it marked. */
  noteWrite(writesRows: boolean): void {
    if (writesRows) this.#rows?.noteWrite();
    else this.leaf.rows = null;
  }
}

/** A plan for arguments, and the gradients that it writes. */
interface Ready {
  readonly found: Found;
  readonly written: readonly { readonly owner: GradientOwner; readonly writesRows: boolean }[];
  /** Tensors that the plan adds to; a run that fails restores them. */
  readonly kept: readonly Owner[];
}

const requester: Requester = { who: 'compileStep', instead: 'train with autograd.record() and trainer.step()' };

class Compiled {
  readonly #cache: PlanCache;
  #isSame: (() => boolean) | null = null;
  readonly #owners = new Map<Leaf, GradientOwner>();
  /** Of what a plan adds to, what it was before a run. */
  readonly #backups = new WeakMap<Owner, Backup>();
  /** The variables that got their first gradient in the call that is on. */
  readonly #made: Leaf[] = [];
  /** The net's parameters, each with the gradReq that it was traced with, and whether it was frozen. */
  #wanted: (readonly [Parameter, GradReq, boolean])[] = [];

  constructor(
    private readonly net: nn.Block,
    private readonly loss: (...args: any[]) => unknown,
    private readonly trainer: Trainer,
    private readonly batchSize: number | null,
  ) {
    this.#cache = new PlanCache({
      trace: (args, trace) => this.#trace(args, trace),
      running: runningBlock,
      describe: running => describeBlock((running ?? net) as BlockBase),
      where: owner => whereIn(net, owner),
    });
  }

  #loss([input, ...rest]: readonly unknown[]): unknown {
    return this.loss(this.net(...inputsOf(input)), ...rest);
  }

  #trace(args: readonly unknown[], trace: Trace): Tensor {
    const loss = trainMode(() => recorded(() => this.#loss(args)));
    if (!isTensor(loss))
      throw new ArgumentError(`compileStep: the loss must return a tensor, but returned ${shown(loss)}`);
    const beginning = (leaf: Leaf): Tensor => trace.standFor(this.#ownerOf(leaf), leaf.variable);
    const state = edgeOf(loss);
    if (state === null) {
      throw new AutogradError(
        'compileStep: the loss was not computed from parameters with gradients, so there is nothing to train',
      );
    }
    const back = (): VariableGradient[] => {
      const g = ones([...loss.shape], { dtype: loss.dtype }) as Tensor;
      return traceBackward(trace, [{ state, g }], beginning);
    };
    for (const { leaf, gradient } of unrecorded(back)) {
      const target = this.#ownerOf(leaf);
      if (isTensor(gradient)) trace.results.push({ target, value: gradient });
      else trace.results.push({ target, marks: target.marks, signature: leaf.variable, slices: gradient });
    }
    return loss;
  }

  #ownerOf(leaf: Leaf): GradientOwner {
    let owner = this.#owners.get(leaf);
    if (owner === undefined) {
      owner = new GradientOwner(leaf, this.#made);
      this.#owners.set(leaf, owner);
    }
    return owner;
  }

  /** Has everything traced again where the net is built otherwise than it was, or other gradients are wanted. */
  #refresh(input: unknown): void {
    const { net } = this;
    let isSame = this.#isSame?.() === true;
    for (const [parameter, gradReq, isFrozen] of this.#wanted)
      isSame = isSame && parameter.gradReq === gradReq && parameterInternals.isFrozen(parameter) === isFrozen;
    if (isSame) return;
    const { parameters } = treeOf(net);
    if ([...parameters.values()].some(parameter => parameter.state === 'deferred')) {
      settleFromShapes(
        net,
        inputsOf(input).map(x => checkTensor(`compileStep: an input of ${classOf(net)}`, x)),
      );
    }
    this.retrace();
    this.#isSame = watchStructure(net);
    this.#wanted = [...parameters.values()].map(parameter => [
      parameter,
      parameter.gradReq,
      parameterInternals.isFrozen(parameter),
    ]);
  }

  retrace(): void {
    this.#cache.clear();
    this.#owners.clear();
    this.#isSame = null;
  }

  #batchOf(input: unknown): number {
    if (this.batchSize !== null) return this.batchSize;
    const first = inputsOf(input)[0];
    const batch = isTensor(first) ? first.shape[0] : undefined;
    if (batch === undefined || batch === 0) {
      throw new ArgumentError(
        `compileStep: gradients are divided by the input's first size, but it is ${isTensor(first) ? shownShape(first.shape) : shown(first)}; pass { batchSize }`,
      );
    }
    return batch;
  }

  /** The plan for such arguments, traced where there is none. */
  #find(args: unknown[]): Ready {
    if (isRecording())
      throw new AutogradError('compileStep: a compiled step records by itself; call it outside autograd.record()');
    this.#refresh(args[0]);
    return this.#ready(this.#cache.find(args, requester));
  }

  #ready(found: Found): Ready {
    const outside = found.plan.written;
    const written = outside
      .filter(owner => owner instanceof GradientOwner)
      .map(owner => ({ owner, writesRows: outside.includes(owner.marks) }));
    // The trainer steps what has a gradient, and only rows where they are known.
    for (const { owner, writesRows } of written) (writesRows ? owner.marks : owner).data();
    const kept = outside.filter(
      owner =>
        !written.some(one => one.owner.leaf.gradReq === 'write' && (one.owner === owner || one.owner.marks === owner)),
    );
    return { found, written, kept };
  }

  #backupOf(owner: Owner): Backup {
    let backup = this.#backups.get(owner);
    if (backup === undefined) {
      backup = new Backup();
      this.#backups.set(owner, backup);
    }
    return backup;
  }

  /**
   * Runs the plan, and `then`. Where that fails what it adds to is as it was: running statistics, and gradients that add up. Gradients
   * that it had begun to overwrite go.
   */
  #run(args: readonly unknown[], ready: Ready, call?: PlanCall, then?: () => void): Tensor {
    const { found, written, kept } = ready;
    const { plan, tensors } = found;
    for (const owner of kept) this.#backupOf(owner).keep(owner.data());
    try {
      const [loss] = explained(
        () => plan.run(tensors, call),
        () => unrecorded(() => trainMode(() => this.#loss(args))),
      );
      for (const { owner, writesRows } of written) owner.noteWrite(writesRows);
      then?.();
      return loss as Tensor;
    } catch (error) {
      // Nothing has run yet: what fits no memory goes on with less of the forward kept.
      const savingMore = error instanceof OutOfMemoryError && plan.lackedMemory ? this.#cache.savingMore(found) : null;
      if (savingMore !== null) return this.#run(args, this.#ready(savingMore), call, then);
      for (const owner of kept) this.#backupOf(owner).restore(owner.data());
      for (const { owner, writesRows } of written) {
        const isBegun = plan.hasPlaced || (writesRows && plan.hasWritten);
        if (isBegun && owner.leaf.gradReq === 'write') owner.leaf.grad = null;
      }
      throw error;
    }
  }

  /** A call in which gradients that were not there come to be only where it succeeds. */
  #whole(body: () => Tensor): Tensor {
    this.#made.length = 0;
    try {
      return body();
    } catch (error) {
      for (const leaf of this.#made) leaf.grad = null;
      throw error;
    }
  }

  step(args: unknown[]): Tensor {
    return this.#whole(() => this.#step(args));
  }

  #step(args: unknown[]): Tensor {
    const batchSize = this.#batchOf(args[0]);
    const ready = this.#find(args);
    const leaves = ready.written.map(({ owner }) => owner.leaf);
    const before = leaves.map(leaf => leaf.fresh);
    for (const leaf of leaves) leaf.fresh = true;
    let loss: Tensor | null = null;
    try {
      trainerInternals.step(this.trainer, batchSize, (call, then) => {
        loss = this.#run(args, ready, call, then);
      });
    } catch (error) {
      leaves.forEach((leaf, i) => {
        leaf.fresh = before[i] as boolean;
      });
      throw error;
    }
    // A trainer that has nothing to update makes no call.
    return loss ?? this.#run(args, ready);
  }

  backward(args: unknown[]): Tensor {
    return this.#whole(() => {
      const ready = this.#find(args);
      const loss = this.#run(args, ready);
      noteWrites(
        ready.written.map(({ owner }) => owner.leaf),
        loss.size,
      );
      return loss;
    });
  }
}

/** The arguments of a net: the first argument of a step, or each of its entries. */
function inputsOf(input: unknown): readonly unknown[] {
  return Array.isArray(input) ? input : [input];
}

/**
 * A training step as one native call: forward, loss, backward and the optimizer's update are traced once for each kind of
 * inputs and run by a plan. Weights, gradients and what the optimizer keeps stay where they are, to be read, saved and set
 * between steps; all numbers are those of `autograd.record`, `backward` and `trainer.step`.
 *
 * ```ts
 * const step = compileStep(net, loss, trainer);
 * const l = step(x, y); // loss(net(x), y), one for each sample
 * ```
 *
 * The first argument of a step goes to the net (an array: its inputs one by one), the others to the loss after the net's
 * output. Raises what net and loss raise, and BlockError where the forward cannot be traced.
 */
export function compileStep<A extends readonly unknown[]>(
  net: BlockBase,
  loss: (output: any, ...rest: A) => Tensor,
  trainer: Trainer,
  options?: StepOptions,
): CompiledStep<readonly [input: any, ...rest: A]> {
  if (!isBlock(net)) throw new ArgumentError(`compileStep takes a net, but got ${shown(net)}`);
  checkFunction('compileStep: loss', loss);
  if (!(trainer instanceof Trainer)) throw new ArgumentError(`compileStep takes a Trainer, but got ${shown(trainer)}`);
  const { batchSize } = checkOptions('compileStep', options, ['batchSize']);
  if (batchSize !== undefined) checkPositive('compileStep: batchSize', batchSize);
  const compiled = new Compiled(net as nn.Block, loss as never, trainer, batchSize ?? null);
  const step = (...args: unknown[]) => compiled.step(args);
  return Object.assign(step, {
    backward: (...args: unknown[]) => compiled.backward(args),
    retrace: () => compiled.retrace(),
  }) as never;
}
