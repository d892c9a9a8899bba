import { unrecorded } from '../autograd/modes.js';
import { ArgumentError } from '../errors.js';
import { full } from '../ops/create.js';
import type { Parameter } from '../parameter/parameter.js';
import { checkInteger, checkOptions, checkRange, checkString } from '../support/check.js';
import { Printed } from '../support/print.js';
import { sameShape } from '../tensor/shape.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import {
  applyRule,
  type OptimizerState,
  type StepSettings,
  type Updatable,
  type Update,
  type Updated,
} from './rule.js';
import { checkScheduler, type Scheduler } from './scheduler.js';

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

/**
 * Changes parameters by their gradients. To write one, extend it and define `rule`, and `state` where something is kept
 * between steps; it trains in every Trainer and compiled step, and its states are saved:
 *
 * ```ts
 * class Lion extends optim.Optimizer<'average'> {
 *   protected override readonly state = { average: 0 };
 *   protected override rule({ weight, gradient, state: { average }, rate, decay }: optim.Update<'average'>) {
 *     const direction = average.mul(0.9).add(gradient.mul(0.1)).sign();
 *     return {
 *       weight: weight.sub(direction.add(weight.mul(decay)).mul(rate)),
 *       average: average.mul(0.99).add(gradient.mul(0.01)),
 *     };
 *   }
 * }
 * const trainer = new Trainer(net.collectParams(), new Lion('Lion', { learningRate: 1e-4 }));
 * ```
 */
export abstract class Optimizer<S extends string = string> extends Printed {
  #baseRate: number;
  #updates = 0;
  readonly weightDecay: number;
  readonly clipGradient: number;
  readonly scheduler: Scheduler | null;
  readonly #states = new WeakMap<Parameter, OptimizerState>();

  /**
   * `who`: how messages call it, by default its class. `options`: those above alone; a class with options of its own takes them
   * out before. The numbers are the defaults of learningRate and weightDecay.
   */
  constructor(who: string = new.target.name, options: OptimizerOptions = {}, learningRate = 0.01, weightDecay = 0) {
    super();
    if (new.target === Optimizer)
      throw new ArgumentError(
        'Optimizer is the base of all optimizers; extend it, or make one of them, such as new optim.SGD()',
      );
    checkString(`${new.target.name}: its name in messages, before its options,`, who);
    checkOptions(who, options, commonOptions);
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

  /** The names of what is kept of each parameter between steps, tensors of its shape and dtype, and their first values. */
  declare protected readonly state: Readonly<Record<S, number>>;

  static {
    // On the prototype, where a getter of a subclass is found before it.
    Object.defineProperty(Optimizer.prototype, 'state', { value: {}, writable: true, configurable: true });
  }

  /**
   * The new weight, and the new tensors of `state` by their names, for one parameter. It computes and writes nothing: all
   * parameters are updated together once it has answered for each, or none where it throws.
   */
  protected rule(_update: Update<S>): Readonly<Record<'weight' | S, Tensor>> {
    const who = this.constructor.name;
    throw new ArgumentError(`${who} has no rule; define rule({ weight, gradient, state, rate, decay, steps })`);
  }

  /** The numbers that it was made with, for its print; none by default. */
  protected get settings(): Readonly<Record<string, number | boolean>> {
    return {};
  }

  /**
   * Computes the step of all these parameters, whole or not at all; answers the norm of all gradients, NaN where it was
   * not asked for.
   * @internal
   */
  protected apply(items: readonly Updated[], settings: StepSettings): number {
    return applyRule(items, settings, {
      who: this.constructor.name,
      names: Object.keys(this.state) as S[],
      rate: this.learningRate,
      decay: this.weightDecay,
      clip: this.clipGradient,
      run: given => this.rule(given),
    });
  }

  /** The state that is kept for a parameter, or a new initial state. */
  #stateOf(parameter: Parameter, weight: Tensor, initial: Readonly<Record<string, number>>): OptimizerState {
    const state = this.#states.get(parameter);
    let fits = state !== undefined;
    for (const name in initial) {
      const t = state?.kept[name];
      fits = fits && t !== undefined && t.dtype === weight.dtype && sameShape(t.shape, weight.shape);
    }
    if (fits) return state as OptimizerState;
    if ('weight' in initial)
      throw new ArgumentError(`${this.constructor.name}: 'weight' is the weight's own name; call the state otherwise`);
    // A cast parameter starts with new state of its type.
    const kept: Record<string, Tensor> = {};
    for (const [name, begin] of Object.entries(initial))
      kept[name] = full([...weight.shape], begin, { dtype: weight.dtype });
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
   * The first values of the tensors that are kept of each parameter, by their names in files.
   * @internal
   */
  get initialState(): Readonly<Record<string, number>> {
    return this.state;
  }

  protected describe(): string {
    const { weightDecay, clipGradient, scheduler, settings } = this;
    const entries = Object.entries({ learningRate: this.#baseRate, ...settings, weightDecay });
    if (clipGradient !== Infinity) entries.push(['clipGradient', clipGradient]);
    const text = entries.map(([key, value]) => `${key}=${value}`).join(', ');
    return scheduler === null ? text : `${text}, scheduler=${scheduler}`;
  }

  /**
   * One step for all parameters, or none; answers the norm of all gradients where `clipNorm` is finite, else null.
   * @internal
   */
  step(items: readonly Updatable[], settings: StepSettings): number | null {
    const list = items.filter(({ parameter }) => parameter.lrMult > 0);
    if (list.length === 0) return null;
    const { initialState } = this;
    const updated = unrecorded(() =>
      list.map(({ parameter, leaf }) => {
        return { parameter, leaf, state: this.#stateOf(parameter, leaf.variable, initialState) };
      }),
    );
    const norm = this.apply(updated, settings);
    for (const { parameter, leaf, state } of updated) {
      internals.bump(leaf.variable);
      state.steps++;
      this.#states.set(parameter, state);
    }
    this.#updates++;
    return settings.clipNorm === Infinity ? null : norm;
  }
}
