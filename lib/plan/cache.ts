import { isRecording, isTraining } from '../autograd/modes.js';
import { edgeOf } from '../autograd/tape.js';
import { BlockError } from '../errors.js';
import { isContiguous } from '../ops/invoke.js';
import { warn } from '../support/warn.js';
import { sameShape } from '../tensor/shape.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import { isSame } from './differences.js';
import { type Evaluated, evaluate, type InputKind, type Parts, type Requester, type Subject } from './evaluate.js';
import { flatten, isOneTensor, sameFrame } from './frame.js';
import type { Graph } from './graph.js';
import { lower } from './lower.js';
import { defaultOptions, type OptimizeOptions, optimize } from './passes/index.js';
import { Plan } from './plan.js';
import type { Program } from './program.js';
import { isSameGraph } from './same-graph.js';
import type { SizedPlan } from './sized-plan.js';
import { shareSteps } from './steps/equal-steps.js';
import { type Keeping, recompute, savingMore } from './steps/recompute.js';
import { dropDeadSteps } from './steps/unused-steps.js';

/** The most input sizes that a net keeps plans for; those that were used longest ago give way. */
const MOST_SIZES = 128;
/** The most plans that it keeps, of forwards that take other steps at other sizes. */
const MOST_PLANS = 16;
/** From so many plans on a net is told that it keeps needing new ones. */
const MANY_PLANS = 64;

/** The plans of a call's parts, for inputs of certain kinds. */
interface Entry {
  readonly training: boolean;
  readonly inputs: readonly InputKind[];
  /** The inputs' structure, null for tensors alone. */
  readonly frame: unknown;
  /** How much of the forward is kept for gradients. */
  readonly keeping: Keeping;
  readonly plans: readonly SizedPlan[];
  readonly notes: unknown;
  /** The result's structure, null for one tensor. */
  readonly result: unknown;
}

/** The arguments of a run. */
export interface Found {
  readonly plan: SizedPlan;
  /** The plans of all parts, the first among them. */
  readonly plans: readonly SizedPlan[];
  readonly notes: unknown;
  readonly tensors: readonly Tensor[];
  /** The result's structure, null for one tensor. */
  readonly result: unknown;
}

/**
 * The plans of one forward. Inputs of kinds that it has not met are evaluated; where the forward takes the steps of a plan that
 * is there, that one serves them too.
 */
export class PlanCache {
  /** The one that was used last comes first. */
  readonly #entries: Entry[] = [];
  #traces = 0;
  #made = 0;
  #requester: Requester = { who: 'plan', instead: 'run the forward itself' };

  constructor(
    private readonly subject: Subject,
    private readonly options: OptimizeOptions = defaultOptions,
  ) {}

  /** How many kinds of inputs the forward was traced for. */
  get traces(): number {
    return this.#traces;
  }

  /** How many plans were made. */
  get made(): number {
    return this.#made;
  }

  get plans(): readonly Plan[] {
    return [...new Set(this.#entries.flatMap(entry => entry.plans.map(one => one.plan)))];
  }

  /** The plans with the sizes that they serve. */
  get sizedPlans(): readonly SizedPlan[] {
    return this.#entries.flatMap(entry => entry.plans);
  }

  clear(): void {
    this.#entries.length = 0;
  }

  /** The plan for such inputs, traced where there is none. */
  find(inputs: unknown[], requester: Requester): Found {
    this.#requester = requester;
    const plain = inputs.every(isTensor);
    const { tensors, frame } = plain ? { tensors: inputs as Tensor[], frame: null } : flatten(inputs);
    const training = isTraining();
    return foundIn(this.#find(tensors, frame, training) ?? this.#trace(tensors, frame, training), tensors);
  }

  #find(tensors: readonly Tensor[], frame: unknown, training: boolean): Entry | null {
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry;
      if (entry.training !== training || !isFor(entry, tensors) || !sameFrame(entry.frame, frame)) continue;
      if (!entry.plans.every(plan => plan.bind())) {
        this.#drop(i--);
        continue;
      }
      if (i > 0) this.#entries.unshift(...this.#entries.splice(i, 1));
      return entry;
    }
    return null;
  }

  #trace(tensors: readonly Tensor[], frame: unknown, training: boolean): Entry {
    const inputs = tensors.map(kindOf);
    const seen = this.#evaluate(inputs, frame);
    const { graphs, notes } = this.#parts(seen);
    const programs = graphs.map(programOf);
    const plans = programs.map((program, i) => this.#known(program, i));
    // A forward that takes the steps of a plan has taken them twice.
    if (plans.includes(null)) this.#checkSame(inputs, frame, seen, programs);
    const { frame: result } = seen.output;
    this.#traces++;
    return this.#add({
      training,
      inputs,
      frame,
      keeping: 'all',
      plans: plans.map((plan, i) => plan ?? this.#plan(programs[i] as Program)),
      notes,
      result: isOneTensor(result) ? null : result,
    });
  }

  #add(entry: Entry): Entry {
    for (const plan of entry.plans) plan.bind();
    this.#entries.unshift(entry);
    while (this.#entries.length > MOST_SIZES || this.plans.length > MOST_PLANS * entry.plans.length)
      this.#drop(this.#entries.length - 1);
    return entry;
  }

  #drop(place: number): void {
    const [gone] = this.#entries.splice(place, 1);
    for (const plan of gone?.plans ?? []) plan.drop();
  }

  /** A plan of the same part that runs a program already, for its sizes; null where there is none. */
  #known(program: Program, part: number): SizedPlan | null {
    for (const plan of new Set(this.#entries.flatMap(({ plans }) => plans[part]?.plan ?? []))) {
      const sized = plan.sized(program);
      if (sized === null) continue;
      if (sized.plan !== plan) this.#replace(plan);
      return sized;
    }
    return null;
  }

  /** Forgets a plan, for one that hoists less takes its place. */
  #replace(plan: Plan): void {
    this.#made++;
    for (let i = this.#entries.length - 1; i >= 0; i--)
      if (this.#entries[i]?.plans.some(one => one.plan === plan) === true) this.#drop(i);
  }

  #plan(program: Program): SizedPlan {
    if (++this.#made === MANY_PLANS) {
      warn(
        'LATENT_MANY_PLANS',
        `${this.subject.describe(null)} has been given ${MANY_PLANS} plans, for it takes other steps at other sizes of its inputs, and each costs as much as a slow call; ` +
          `pad inputs to fewer shapes, or ${this.#requester.instead}`,
      );
    }
    return new Plan(program, owner => this.subject.where(owner)).sized(program) as SizedPlan;
  }

  /**
   * The same to be run by a plan that takes less memory for these inputs, and more time; from then on it serves them. Null where
   * there is none.
   */
  savingMore(found: Found): Found | null {
    const place = this.#entries.findIndex(one => one.plans === found.plans && one.plans.length === 1);
    if (place < 0) return null;
    const entry = this.#entries[place] as Entry;
    const [graph] = this.#parts(this.#evaluate(entry.inputs, entry.frame)).graphs as [Graph];
    const program = programOf(graph);
    for (let keeping = savingMore(entry.keeping); keeping !== null; keeping = savingMore(keeping)) {
      const steps = recompute(program, keeping);
      if (steps === null) continue;
      this.#drop(place);
      const plan = this.#known(steps, 0) ?? this.#plan(steps);
      return foundIn(this.#add({ ...entry, keeping, plans: [plan] }), found.tensors);
    }
    return null;
  }

  #parts(seen: Evaluated): Parts {
    return this.subject.parts?.(seen) ?? { graphs: [optimize(seen.graph, this.options)], notes: null };
  }

  /** Raises where the forward does something else when it is evaluated again. */
  #checkSame(inputs: readonly InputKind[], frame: unknown, seen: Evaluated, programs: readonly Program[]): void {
    const seenAgain = this.#evaluate(inputs, frame);
    if (this.subject.parts === undefined && isSameGraph(seen.graph, seenAgain.graph)) return;
    const again = this.#parts(seenAgain).graphs.map(programOf);
    if (again.length === programs.length && again.every((program, i) => isSame(programs[i] as Program, program)))
      return;
    throw new BlockError(
      `${this.#requester.who}: the forward of ${this.subject.describe(null)} does something else each time it runs on the same shapes, so that a plan would be wrong; ` +
        'draw numbers by random.*, and pass what changes as a tensor',
    );
  }

  #evaluate(kinds: readonly InputKind[], frame: unknown): Evaluated {
    return evaluate(this.subject, this.#requester, kinds, frame);
  }
}

const programOf = (graph: Graph): Program => dropDeadSteps(shareSteps(lower(graph)));

function foundIn({ plans, notes, result }: Entry, tensors: readonly Tensor[]): Found {
  return { plan: plans[0] as SizedPlan, plans, notes, result, tensors };
}

function kindOf(t: Tensor): InputKind {
  return { shape: t.shape, dtype: t.dtype, inOrder: isContiguous(t), tracked: isTracked(t) };
}

/** Whether what is computed from a tensor now is recorded. */
function isTracked(t: Tensor): boolean {
  return isRecording() && edgeOf(t) !== null;
}

/** Whether an entry serves such inputs. */
function isFor({ inputs }: Entry, tensors: readonly Tensor[]): boolean {
  if (inputs.length !== tensors.length) return false;
  for (let i = 0; i < inputs.length; i++) {
    const { shape, dtype, inOrder, tracked } = inputs[i] as InputKind;
    const t = tensors[i] as Tensor;
    if (!sameShape(t.shape, shape) || t.dtype !== dtype || isTracked(t) !== tracked || isContiguous(t) !== inOrder)
      return false;
  }
  return true;
}
