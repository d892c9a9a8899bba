import { unrecorded } from '../autograd/modes.js';
import type { Leaf } from '../autograd/tape.js';
import { ArgumentError } from '../errors.js';
import { limits, numbersOf, reals, Status, session } from '../native/register.js';
import { full } from '../ops/create.js';
import { failed } from '../ops/invoke.js';
import { beforeWrite } from '../ops/op.js';
import type { Parameter } from '../parameter/parameter.js';
import { checkInteger, checkRange } from '../support/check.js';
import { Printed } from '../support/print.js';
import { sameShape } from '../tensor/shape.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import { checkScheduler, type Scheduler } from './scheduler.js';

const rules = numbersOf('rules', ['sgd', 'adam', 'adamax', 'rmsprop', 'adagrad', 'adadelta', 'lamb']);
type Rule = keyof typeof rules;

/** The numbers that a rule has of its own; see UpdateArgs there. */
interface Numbers {
  readonly momentum: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly correction1: number;
  readonly correction2: number;
  readonly leastRatio: number;
  readonly mostRatio: number;
  readonly nesterov: boolean;
  readonly decoupled: boolean;
  readonly firstStep: boolean;
}

export type RuleNumbers = Partial<Numbers>;

/** In the order that the addon reads, after those that all rules have: rate, decay, the gradient's scale and its clip. */
const fallback: Numbers = {
  momentum: 0,
  beta1: 0,
  beta2: 0,
  epsilon: 0,
  correction1: 1,
  correction2: 1,
  leastRatio: 0,
  mostRatio: Infinity,
  nesterov: false,
  decoupled: false,
  firstStep: false,
};
const places = Object.keys(fallback) as (keyof Numbers)[];
const COMMON = 4;
const NUMBERS = limits.updateNumbers;
if (COMMON + places.length !== NUMBERS)
  throw new Error(`latent: the native addon reads ${NUMBERS} numbers of an update`);

/** Tensors that may be kept of each weight, by the names that files give them. */
export const keptNames = ['first', 'second', 'third'] as const;
/** Of a parameter: its weight, gradient, what is kept, and the rows that are updated. */
const IDS = limits.updateIds;

/** The state of an optimizer for one parameter: the number of its steps, and tensors of the parameter's shape. */
export interface OptimizerState {
  steps: number;
  /** One for each of keptNames; null where the optimizer does without. */
  readonly kept: readonly (Tensor | null)[];
}

export interface OptimizerOptions {
  /** How far a step goes; with a scheduler, what that begins with. */
  learningRate?: number | undefined;
  /** How strongly weights are drawn towards 0; 0 by default (AdamW: 0.01). */
  weightDecay?: number | undefined;
  /** Each element of a gradient is clipped to [-clipGradient, clipGradient], after its division by the batch size. */
  clipGradient?: number | undefined;
  /** Changes the rate from step to step. */
  scheduler?: Scheduler | undefined;
}

export const commonOptions = ['learningRate', 'weightDecay', 'clipGradient', 'scheduler'] as const;

/** A parameter that an optimizer can update now. */
export interface Updatable {
  readonly parameter: Parameter;
  readonly leaf: Leaf;
}

/** Makes the native call that updates all parameters; answers its status. */
export type UpdateCall = (rule: number, ids: Int32Array, numbers: Float64Array, clipNorm: number) => number;

/** The report of a step: the norm of all gradients, where it was asked for. */
export interface StepReport {
  readonly gradientNorm: number | null;
}

/**
 * Changes parameters by their gradients; a step is one native call for all of them. The base of those here: a rule is native,
 * so a user's own is none of its subclasses.
 */
export abstract class Optimizer extends Printed {
  #baseRate: number;
  #updates = 0;
  readonly weightDecay: number;
  readonly clipGradient: number;
  readonly scheduler: Scheduler | null;
  #ids = new Int32Array();
  #numbers = new Float64Array();
  readonly #states = new WeakMap<Parameter, OptimizerState>();

  constructor(who: string, options: OptimizerOptions, learningRate: number, weightDecay: number) {
    super();
    if (new.target === Optimizer)
      throw new ArgumentError('Optimizer is the base of all optimizers; make one of them, such as new optim.SGD()');
    this.#baseRate = checkRange(`${who}: learningRate`, options.learningRate ?? learningRate, 0, Number.MAX_VALUE);
    this.weightDecay = checkRange(`${who}: weightDecay`, options.weightDecay ?? weightDecay, 0, Number.MAX_VALUE);
    this.clipGradient = checkRange(`${who}: clipGradient`, options.clipGradient ?? Infinity, 0, Infinity);
    this.scheduler = options.scheduler === undefined ? null : checkScheduler(`${who}: scheduler`, options.scheduler);
  }

  /** The rate of the next step; what is set is the scheduler's begin, where there is one. */
  get learningRate(): number {
    return this.scheduler === null ? this.#baseRate : this.scheduler.rateAt(this.#updates, this.#baseRate);
  }

  set learningRate(value: number) {
    this.#baseRate = checkRange(`${this.constructor.name}: learningRate`, value, 0, Number.MAX_VALUE);
  }

  /** Steps done so far. */
  get updates(): number {
    return this.#updates;
  }

  protected abstract readonly rule: Rule;
  /** The state between steps, by place: whether there is a tensor, and its first value. */
  protected abstract readonly kept: readonly (number | null)[];
  /** The numbers of the step after `steps` steps. */
  protected abstract numbers(steps: number): RuleNumbers;
  /** The rate of a parameter's step after `steps` steps. */
  protected rateOf(rate: number, _steps: number): number {
    return rate;
  }

  /**
   * Whether a step leaves alone what has a gradient of 0, the weight and all that is kept of it; then rows of a table
   * that no look-up touched are passed by.
   */
  protected leavesRest(_decay: number): boolean {
    return false;
  }

  /**
   * The arguments of the native call, zeros at first. They are kept from step to step, so that they aren't allocated each
   * time.
   */
  #roomFor(count: number): { readonly ids: Int32Array; readonly numbers: Float64Array } {
    if (this.#ids.length === IDS * count) {
      this.#ids.fill(0);
    } else {
      this.#ids = new Int32Array(IDS * count);
      this.#numbers = new Float64Array(NUMBERS * count);
    }
    return { ids: this.#ids, numbers: this.#numbers };
  }

  /** The state that is kept for a parameter, or a new initial state. */
  #stateOf(parameter: Parameter, weight: Tensor): OptimizerState {
    const state = this.#states.get(parameter);
    const fits = (t: Tensor | null) => t === null || (sameShape(t.shape, weight.shape) && t.dtype === weight.dtype);
    if (state?.kept.every(fits)) return state;
    // A cast parameter starts with new state of its type.
    const kept = keptNames.map((_, i) => {
      const begin = this.kept[i] ?? null;
      return begin === null ? null : (full([...weight.shape], begin, { dtype: weight.dtype }) as Tensor);
    });
    return { steps: 0, kept };
  }

  /**
   * The state of a parameter, for files; null before its first step.
   * @internal
   */
  stateOf(parameter: Parameter): Readonly<OptimizerState> | null {
    return this.#states.get(parameter) ?? null;
  }

  /**
   * Takes over what a file kept; null forgets.
   * @internal
   */
  restore(parameter: Parameter, state: OptimizerState | null): void {
    if (state === null) this.#states.delete(parameter);
    else this.#states.set(parameter, state);
  }

  /**
   * The rate that was set, before a scheduler: for files.
   * @internal
   */
  get baseRate(): number {
    return this.#baseRate;
  }

  /**
   * Goes on after so many steps.
   * @internal
   */
  restoreUpdates(updates: number): void {
    this.#updates = checkInteger(`${this.constructor.name}: updates`, updates, 0);
  }

  /**
   * Whether a step of this optimizer keeps a tensor at a place.
   * @internal
   */
  keeps(place: number): boolean {
    return (this.kept[place] ?? null) !== null;
  }

  /** The numbers that it was made with, in the order of their names here. */
  protected abstract get settings(): Readonly<Record<string, number | boolean>>;

  protected describe(): string {
    const { weightDecay, clipGradient, scheduler, settings } = this;
    const entries = Object.entries({ learningRate: this.#baseRate, ...settings, weightDecay });
    if (clipGradient !== Infinity) entries.push(['clipGradient', clipGradient]);
    const text = entries.map(([key, value]) => `${key}=${value}`).join(', ');
    return scheduler === null ? text : `${text}, scheduler=${scheduler}`;
  }

  /**
   * One step: each gradient is divided by `batchSize` first, and all together are scaled down to the length `clipNorm`
   * where they are longer. All parameters are updated, or none. `call` makes the native call.
   * @internal
   */
  update(
    items: readonly Updatable[],
    batchSize: number,
    clipNorm = Infinity,
    call: UpdateCall = session.update,
  ): StepReport {
    const list = items.filter(({ parameter }) => parameter.lrMult > 0);
    if (list.length === 0) return { gradientNorm: null };
    const states = unrecorded(() => list.map(({ parameter, leaf }) => this.#stateOf(parameter, leaf.variable)));
    const { ids, numbers } = this.#roomFor(list.length);
    const rate = this.learningRate;
    let own: readonly number[] = [];
    for (let i = 0; i < list.length; i++) {
      const { parameter, leaf } = list[i] as Updatable;
      const { kept, steps } = states[i] as OptimizerState;
      beforeWrite(leaf.variable);
      ids[IDS * i] = internals.idOf(leaf.variable);
      ids[IDS * i + 1] = internals.idOf(leaf.grad as Tensor);
      kept.forEach((t, j) => {
        if (t !== null) ids[IDS * i + 2 + j] = internals.idOf(t);
      });
      // Most parameters have done as many steps as the one before them.
      if (i === 0 || steps !== (states[i - 1] as OptimizerState).steps) {
        const given = this.numbers(steps);
        own = places.map(place => Number(given[place] ?? fallback[place]));
      }
      const decay = this.weightDecay * parameter.wdMult;
      const { rows } = leaf;
      if (rows !== null && this.leavesRest(decay)) ids[IDS * i + 2 + keptNames.length] = internals.idOf(rows.marks);
      let at = NUMBERS * i;
      numbers[at++] = this.rateOf(rate, steps) * parameter.lrMult;
      numbers[at++] = decay;
      numbers[at++] = 1 / batchSize;
      numbers[at++] = this.clipGradient;
      for (const value of own) numbers[at++] = value;
    }
    const status = call(rules[this.rule], ids, numbers, clipNorm);
    const norm = reals[0] as number;
    if (status !== Status.ok) failed(status, 'optimizer step', [], 'float32');
    list.forEach(({ parameter, leaf }, i) => {
      internals.bump(leaf.variable);
      const state = states[i] as OptimizerState;
      state.steps++;
      this.#states.set(parameter, state);
    });
    this.#updates++;
    return { gradientNorm: clipNorm === Infinity ? null : norm };
  }
}
