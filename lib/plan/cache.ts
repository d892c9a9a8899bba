import { isRecording, isTraining } from '../autograd/modes.js';
import { edgeOf } from '../autograd/tape.js';
import { BlockError } from '../errors.js';
import { isContiguous } from '../ops/invoke.js';
import { warn } from '../support/warn.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import { type Asker, type Evaluated, evaluate, type InputKind, type Parts, type Subject } from './evaluate.js';
import { fitProgram, type LinearProgram, type Sample, triedBatches } from './linear.js';
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

/** A plan for inputs of one kind. */
interface Entry {
  readonly training: boolean;
  readonly inputs: readonly InputKind[];
  /** The inputs' structure, null for tensors alone. */
  readonly frame: unknown;
  /** Which inputs have the batch in front; none where the plan serves one batch size. */
  readonly free: readonly boolean[] | null;
  /** The native steps of each part, and how much of the forward they keep for gradients. */
  readonly programs: readonly LinearProgram[];
  keeping: Keeping;
  plans: readonly Plan[];
  readonly notes: unknown;
  /** The result's structure, null for one tensor. */
  readonly result: unknown;
}

/** What a run takes. */
export interface Found {
  readonly plan: Plan;
  /** The plans of all parts, the first among them. */
  readonly plans: readonly Plan[];
  readonly notes: unknown;
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
    return this.#entries.flatMap(entry => entry.plans);
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
    const { plans, notes, result } = entry;
    return { plan: plans[0] as Plan, plans, notes, result, tensors, batch };
  }

  #find(tensors: readonly Tensor[], frame: unknown, training: boolean): { entry: Entry; batch: number } | null {
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry;
      if (entry.training !== training) continue;
      const batch = batchOf(entry, tensors);
      if (batch < 0 || !sameFrame(entry.frame, frame)) continue;
      if (!entry.plans.every(plan => plan.bind())) {
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
    const kinds = tensors.map(kindOf);
    const seen = this.#evaluate(kinds, frame);
    const { graphs, notes } = this.#parts(seen);
    const first = graphs.map((graph): Sample => ({ batch, lowered: lower(graph) }));
    const free = kinds.map(({ shape }) => shape.length > 0 && shape[0] === batch);
    const samples = batch > 1 ? this.#sample(kinds, frame, training, free, first) : null;
    const fitted = samples?.map(fitProgram);
    const programs = fitted?.every(program => program !== null) === true ? (fitted as LinearProgram[]) : null;
    if (programs === null) this.#checkSame(kinds, frame, first);
    const steps = (programs ?? first.map(sample => fitProgram([sample]) as LinearProgram)).map(program =>
      dropDeadSteps(shareSteps(program)),
    );
    const entry: Entry = {
      training,
      inputs: kinds,
      frame,
      free: programs === null ? null : free,
      programs: steps,
      keeping: 'all',
      plans: steps.map(program => this.#plan(program)),
      notes,
      result: isOneTensor(seen.output.frame) ? null : seen.output.frame,
    };
    for (const plan of entry.plans) plan.bind();
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
    const entry = this.#entries.find(one => one.plans === found.plans && one.plans.length === 1);
    for (
      let keeping = entry === undefined ? null : leaner(entry.keeping);
      keeping !== null;
      keeping = leaner(keeping)
    ) {
      const [program] = (entry as Entry).programs as [LinearProgram];
      const steps = recompute(program, keeping, found.batch);
      if (steps === null) continue;
      const plan = this.#plan(steps);
      const plans = [plan];
      Object.assign(entry as Entry, { keeping, plans });
      plan.bind();
      return { ...found, plan, plans };
    }
    return null;
  }

  #parts(seen: Evaluated): Parts {
    return this.subject.parts?.(seen) ?? { graphs: [optimize(seen.graph)], notes: null };
  }

  #lowered(kinds: readonly InputKind[], frame: unknown, batch: number): Sample[] {
    return this.#parts(this.#evaluate(kinds, frame)).graphs.map(graph => ({ batch, lowered: lower(graph) }));
  }

  /** What each part does at other batch sizes; null where one fails. */
  #sample(
    kinds: readonly InputKind[],
    frame: unknown,
    training: boolean,
    free: readonly boolean[],
    first: readonly Sample[],
  ): Sample[][] | null {
    const samples = first.map(sample => [sample]);
    // Where one size has a plan of its own, others must do what it does to share one.
    const fixed = this.#entries.filter(
      entry => entry.free === null && entry.training === training && sameButBatch(entry.inputs, kinds, free),
    );
    const batches = new Set<number>([...triedBatches, ...fixed.map(entry => entry.inputs[0]?.shape[0] as number)]);
    for (const batch of batches) {
      if (batch === first[0]?.batch || batch < 2) continue;
      const others = kinds.map((kind, i) => ({
        ...kind,
        shape: free[i] ? Object.freeze([batch, ...kind.shape.slice(1)]) : kind.shape,
      }));
      try {
        const lowered = this.#lowered(others, frame, batch);
        // A step count that grows with the batch would be very large at the largest batch.
        const isAlike = lowered.every((sample, i) => sample.lowered.steps.length === first[i]?.lowered.steps.length);
        if (lowered.length !== samples.length || !isAlike) return null;
        lowered.forEach((sample, i) => {
          samples[i]?.push(sample);
        });
      } catch {
        return null;
      }
    }
    return samples;
  }

  /** Raises where the forward does something else when it is evaluated again. */
  #checkSame(kinds: readonly InputKind[], frame: unknown, first: readonly Sample[]): void {
    const again = this.#lowered(kinds, frame, (first[0]?.batch ?? 0) + 1);
    const same = first.every((sample, i) => {
      const both = again[i] === undefined ? null : fitProgram([sample, again[i]]);
      return both?.steps.every(step =>
        [...step.numbers, ...step.ints, ...step.reals].every(({ slope }) => slope === 0),
      );
    });
    if (same) return;
    throw new BlockError(
      `${this.#asker.who}: the forward of ${this.subject.describe(null)} does something else each time it runs on the same shapes, so that a plan would be wrong; ` +
        'draw numbers by random.*, and pass what changes as a tensor',
    );
  }

  #evaluate(kinds: readonly InputKind[], frame: unknown): Evaluated {
    return evaluate(this.subject, this.#asker, kinds, frame);
  }
}

/** Whether inputs differ in nothing but the batch size. */
function sameButBatch(a: readonly InputKind[], b: readonly InputKind[], free: readonly boolean[]): boolean {
  return (
    a.length === b.length &&
    a.every((kind, i) => {
      const { shape, dtype, inOrder, tracked } = b[i] as InputKind;
      const from = free[i] === true ? 1 : 0;
      return (
        kind.dtype === dtype &&
        kind.inOrder === inOrder &&
        kind.tracked === tracked &&
        kind.shape.length === shape.length &&
        kind.shape.every((size, d) => d < from || size === shape[d])
      );
    })
  );
}

function kindOf(t: Tensor): InputKind {
  return { shape: t.shape, dtype: t.dtype, inOrder: isContiguous(t), tracked: isTracked(t) };
}

/** Whether what is computed from a tensor now is recorded. */
function isTracked(t: Tensor): boolean {
  return isRecording() && edgeOf(t) !== null;
}

/** The batch size at which an entry serves these inputs; -1 where it doesn't. */
function batchOf({ inputs, free }: Entry, tensors: readonly Tensor[]): number {
  if (inputs.length !== tensors.length) return -1;
  const batch = tensors[0]?.shape[0] ?? 0;
  if (free !== null && batch < 2) return -1;
  for (let i = 0; i < inputs.length; i++) {
    const { shape, dtype, inOrder, tracked } = inputs[i] as InputKind;
    const t = tensors[i] as Tensor;
    if (isTracked(t) !== tracked || t.dtype !== dtype || t.shape.length !== shape.length || isContiguous(t) !== inOrder)
      return -1;
    const isFree = free?.[i] === true;
    if (isFree && t.shape[0] !== batch) return -1;
    for (let d = isFree ? 1 : 0; d < shape.length; d++) if (t.shape[d] !== shape[d]) return -1;
  }
  return batch;
}
