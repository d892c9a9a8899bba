import { isTraining } from '../autograd/modes.js';
import { BlockError } from '../errors.js';
import { isContiguous } from '../ops/invoke.js';
import { warn } from '../support/warn.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import { type Asker, type Evaluated, evaluate, type InputKind, type Subject } from './evaluate.js';
import { fitProgram, type LinearProgram, type Sample } from './linear.js';
import { lower } from './lower.js';
import { optimize } from './passes/index.js';
import { Plan } from './plan.js';
import { shareSteps } from './steps/common.js';
import { dropDeadSteps } from './steps/dead.js';
import { type Keeping, leaner, recompute } from './steps/recompute.js';
import { flatten, isOneTensor, sameFrame } from './structure.js';

/** The most plans that a net keeps; the one that was used longest ago gives way. */
const MOST_PLANS = 16;
/** From so many traces on a net is told that it keeps meeting new shapes. */
const MANY_TRACES = 64;

/** Other batch sizes that a forward is evaluated at, to see how its numbers hang on the batch. */
const otherBatches = [7, 1009];

/** A plan for inputs of one kind. */
interface Entry {
  readonly training: boolean;
  readonly inputs: readonly InputKind[];
  /** The inputs' structure, null for tensors alone. */
  readonly frame: unknown;
  /** Which inputs have the batch in front; none where the plan serves one batch size. */
  readonly free: readonly boolean[] | null;
  /** The native steps, and how much of the forward they keep for gradients. */
  readonly program: LinearProgram;
  keeping: Keeping;
  plan: Plan;
  /** The result's structure, null for one tensor. */
  readonly result: unknown;
}

/** What a run takes. */
export interface Found {
  readonly plan: Plan;
  readonly tensors: readonly Tensor[];
  readonly batch: number;
  /** The result's structure, null for one tensor. */
  readonly result: unknown;
}

/** The plans of one forward, by the kinds of inputs that it has met. */
export class PlanCache {
  readonly #entries: Entry[] = [];
  #traces = 0;
  #asker: Asker = { who: 'plan', instead: 'run the forward itself' };

  constructor(private readonly subject: Subject) {}

  /** How often the forward was traced. */
  get traces(): number {
    return this.#traces;
  }

  get plans(): readonly Plan[] {
    return this.#entries.map(entry => entry.plan);
  }

  clear(): void {
    this.#entries.length = 0;
  }

  /** The plan for such inputs, traced where there is none. */
  find(inputs: unknown[], asker: Asker): Found {
    this.#asker = asker;
    const plain = inputs.every(isTensor);
    const { tensors, frame } = plain ? { tensors: inputs as Tensor[], frame: null } : flatten(inputs);
    const training = isTraining();
    const { entry, batch } = this.#find(tensors, frame, training) ?? this.#trace(tensors, frame, training);
    return { plan: entry.plan, result: entry.result, tensors, batch };
  }

  #find(tensors: readonly Tensor[], frame: unknown, training: boolean): { entry: Entry; batch: number } | null {
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry;
      if (entry.training !== training) continue;
      const batch = batchOf(entry, tensors);
      if (batch < 0 || !sameFrame(entry.frame, frame)) continue;
      if (!entry.plan.bind()) {
        this.#entries.splice(i, 1);
        i--;
        continue;
      }
      if (i > 0) this.#entries.unshift(...this.#entries.splice(i, 1));
      return { entry, batch };
    }
    return null;
  }

  #trace(tensors: readonly Tensor[], frame: unknown, training: boolean): { entry: Entry; batch: number } {
    const batch = tensors[0]?.shape[0] ?? 0;
    const signatures = tensors.map(t => ({ shape: t.shape, dtype: t.dtype, inOrder: isContiguous(t) }));
    const seen = this.#evaluate(signatures, frame);
    const first: Sample = { batch, lowered: lower(optimize(seen.graph)) };
    const free = signatures.map(({ shape }) => shape.length > 0 && shape[0] === batch);
    const samples = batch > 1 ? this.#sample(signatures, frame, free, first) : null;
    const program = samples === null ? null : fitProgram(samples);
    if (program === null) this.#checkSame(signatures, frame, first);
    const steps = dropDeadSteps(shareSteps(program ?? (fitProgram([first]) as NonNullable<typeof program>)));
    const entry: Entry = {
      training,
      inputs: signatures,
      frame,
      free: program === null ? null : free,
      program: steps,
      keeping: 'all',
      plan: this.#plan(steps),
      result: isOneTensor(seen.output.frame) ? null : seen.output.frame,
    };
    entry.plan.bind();
    this.#entries.unshift(entry);
    if (this.#entries.length > MOST_PLANS) this.#entries.pop();
    if (++this.#traces === MANY_TRACES) {
      warn(
        'LATENT_MANY_PLANS',
        `${this.subject.describe(null)} has been traced for ${MANY_TRACES} kinds of inputs, and each costs as much as a slow call; ` +
          `pad inputs to fewer shapes, or ${this.#asker.instead}`,
      );
    }
    return { entry, batch };
  }

  #plan(program: LinearProgram): Plan {
    return new Plan(program, owner => this.subject.where(owner));
  }

  /**
   * The same to be run by a plan that takes less memory at this batch size, and more time; from then on it serves all such
   * inputs. Null where there is none.
   */
  leaner(found: Found): Found | null {
    const entry = this.#entries.find(one => one.plan === found.plan);
    for (
      let keeping = entry === undefined ? null : leaner(entry.keeping);
      keeping !== null;
      keeping = leaner(keeping)
    ) {
      const { program } = entry as Entry;
      const steps = recompute(program, keeping, found.batch);
      if (steps === null) continue;
      const plan = this.#plan(steps);
      Object.assign(entry as Entry, { keeping, plan });
      plan.bind();
      return { ...found, plan };
    }
    return null;
  }

  /** What the forward does at other batch sizes; null where it fails. */
  #sample(signatures: readonly InputKind[], frame: unknown, free: readonly boolean[], first: Sample): Sample[] | null {
    const samples = [first];
    for (const batch of otherBatches) {
      if (batch === first.batch) continue;
      const others = signatures.map(({ shape, dtype, inOrder }, i) => ({
        inOrder,
        shape: free[i] ? Object.freeze([batch, ...shape.slice(1)]) : shape,
        dtype,
      }));
      try {
        samples.push({ batch, lowered: lower(optimize(this.#evaluate(others, frame).graph)) });
      } catch {
        return null;
      }
    }
    return samples;
  }

  /** Raises where the forward does something else when it is evaluated again. */
  #checkSame(signatures: readonly InputKind[], frame: unknown, first: Sample): void {
    const again = { batch: first.batch + 1, lowered: lower(optimize(this.#evaluate(signatures, frame).graph)) };
    const both = fitProgram([first, again]);
    const same = both?.steps.every(step =>
      [...step.numbers, ...step.ints, ...step.reals].every(({ slope }) => slope === 0),
    );
    if (same === true) return;
    throw new BlockError(
      `${this.#asker.who}: the forward of ${this.subject.describe(null)} does something else each time it runs on the same shapes, so that a plan would be wrong; ` +
        'draw numbers by random.*, and pass what changes as a tensor',
    );
  }

  #evaluate(kinds: readonly InputKind[], frame: unknown): Evaluated {
    return evaluate(this.subject, this.#asker, kinds, frame);
  }
}

/** The batch size at which an entry serves these inputs; -1 where it doesn't. */
function batchOf({ inputs, free }: Entry, tensors: readonly Tensor[]): number {
  if (inputs.length !== tensors.length) return -1;
  const batch = tensors[0]?.shape[0] ?? 0;
  if (free !== null && batch < 2) return -1;
  for (let i = 0; i < inputs.length; i++) {
    const { shape, dtype, inOrder } = inputs[i] as InputKind;
    const t = tensors[i] as Tensor;
    if (t.dtype !== dtype || t.shape.length !== shape.length || isContiguous(t) !== inOrder) return -1;
    const isFree = free?.[i] === true;
    if (isFree && t.shape[0] !== batch) return -1;
    for (let d = isFree ? 1 : 0; d < shape.length; d++) if (t.shape[d] !== shape[d]) return -1;
  }
  return batch;
}
