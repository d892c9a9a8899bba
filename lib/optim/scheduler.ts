import { ArgumentError } from '../errors.js';
import {
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkRange,
  checkString,
  shown,
} from '../support/check.js';
import { Printed } from '../support/print.js';

export interface WarmupOptions {
  /** Steps that lead up to the full rate; 0 by default. */
  warmupSteps?: number | undefined;
  /** The rate that they begin with; 0 by default. */
  warmupRate?: number | undefined;
  /** 'linear' (default) goes up evenly; 'constant' stays at warmupRate until the last of them. */
  warmupMode?: 'linear' | 'constant' | undefined;
}

const warmupOptions = ['warmupSteps', 'warmupRate', 'warmupMode'] as const;

/**
 * The rate of each step, from the optimizer's own. To write one, extend it and define `rate`:
 *
 * ```ts
 * class EveryTenth extends optim.Scheduler {
 *   protected rate(step: number, base: number) { return base / (1 + Math.floor(step / 10)); }
 * }
 * ```
 */
export abstract class Scheduler extends Printed {
  readonly warmupSteps: number;
  readonly warmupRate: number;
  readonly warmupMode: 'linear' | 'constant';

  /** `who`: how messages call it, by default its class. */
  constructor(who: string = new.target.name, options: WarmupOptions = {}) {
    super();
    if (new.target === Scheduler)
      throw new ArgumentError(
        'Scheduler is the base of all schedulers; extend it, or make one of them, such as new optim.CosineScheduler()',
      );
    checkString(`${new.target.name}: its name in messages, before its options,`, who);
    this.warmupSteps = checkInteger(`${who}: warmupSteps`, options.warmupSteps ?? 0, 0);
    this.warmupRate = checkRange(`${who}: warmupRate`, options.warmupRate ?? 0, 0, Number.MAX_VALUE);
    this.warmupMode = checkOneOf(`${who}: warmupMode`, options.warmupMode ?? 'linear', ['linear', 'constant']);
  }

  /** The rate of a step, counted from 0 and from the begin, from the full rate. */
  protected abstract rate(step: number, base: number): number;

  /** The rate of the step after `updates` others, where the full one is `base`. */
  rateAt(updates: number, base: number): number {
    checkInteger('rateAt: updates', updates, 0);
    checkNumber('rateAt: base', base);
    if (updates >= this.warmupSteps) return this.rate(updates, base);
    if (this.warmupMode === 'constant') return this.warmupRate;
    return this.warmupRate + ((base - this.warmupRate) * updates) / this.warmupSteps;
  }

  /** The numbers that it was made with, for its print; none by default. */
  protected get settings(): Readonly<Record<string, unknown>> {
    return {};
  }

  protected describe(): string {
    const { warmupSteps, warmupRate, warmupMode } = this;
    const entries = Object.entries(this.settings);
    if (warmupSteps > 0) entries.push(...Object.entries({ warmupSteps, warmupRate, warmupMode }));
    return entries.map(([key, value]) => `${key}=${Array.isArray(value) ? `[${value.join(', ')}]` : value}`).join(', ');
  }
}

export function checkScheduler(who: string, value: unknown): Scheduler {
  if (value instanceof Scheduler) return value;
  throw new ArgumentError(`${who} takes an optim.Scheduler, but got ${shown(value)}`);
}

export interface FactorSchedulerOptions extends WarmupOptions {
  /** Steps between two changes of the rate. */
  step: number;
  /** The factor of the rate at each; 0.1 by default. */
  factor?: number | undefined;
  /** Below this the rate doesn't fall; 1e-8 by default. */
  stopRate?: number | undefined;
}

/** base·factor^⌊t/step⌋, but no less than stopRate (Gluon's FactorScheduler). */
export class FactorScheduler extends Scheduler {
  readonly step: number;
  readonly factor: number;
  readonly stopRate: number;

  constructor(options: FactorSchedulerOptions) {
    const given = checkOptions('FactorScheduler', options, [...warmupOptions, 'step', 'factor', 'stopRate']);
    super('FactorScheduler', given);
    this.step = checkInteger('FactorScheduler: step', given.step, 1);
    this.factor = checkRange('FactorScheduler: factor', given.factor ?? 0.1, 0, 1);
    this.stopRate = checkRange('FactorScheduler: stopRate', given.stopRate ?? 1e-8, 0, Number.MAX_VALUE);
  }

  protected rate(step: number, base: number): number {
    return Math.max(base * this.factor ** Math.floor(step / this.step), Math.min(this.stopRate, base));
  }

  protected override get settings() {
    return { step: this.step, factor: this.factor, stopRate: this.stopRate };
  }
}

export interface MultiFactorSchedulerOptions extends WarmupOptions {
  /** The steps at which the rate changes, in order. */
  steps: readonly number[];
  /** The factor of the rate at each; 0.1 by default. */
  factor?: number | undefined;
}

/** base·factor^n after n of the given steps. */
export class MultiFactorScheduler extends Scheduler {
  readonly steps: readonly number[];
  readonly factor: number;

  constructor(options: MultiFactorSchedulerOptions) {
    const given = checkOptions('MultiFactorScheduler', options, [...warmupOptions, 'steps', 'factor']);
    super('MultiFactorScheduler', given);
    if (!Array.isArray(given.steps) || given.steps.length === 0)
      throw new ArgumentError(`MultiFactorScheduler: steps takes an array of steps, but got ${shown(given.steps)}`);
    this.steps = [...given.steps].map(step => checkInteger('MultiFactorScheduler: a step', step, 1));
    if (this.steps.some((step, i) => i > 0 && step <= (this.steps[i - 1] as number)))
      throw new ArgumentError(`MultiFactorScheduler: steps must grow, but are [${this.steps.join(', ')}]`);
    this.factor = checkRange('MultiFactorScheduler: factor', given.factor ?? 0.1, 0, 1);
  }

  protected rate(step: number, base: number): number {
    return base * this.factor ** this.steps.filter(at => step >= at).length;
  }

  protected override get settings() {
    return { steps: this.steps, factor: this.factor };
  }
}

export interface DecayOptions extends WarmupOptions {
  /** The step from which on the rate stays at its last, warm-up included. */
  maxUpdate: number;
  /** The last rate; 0 by default. */
  finalRate?: number | undefined;
}

/** From the full rate, after the warm-up, down to the last at maxUpdate. */
abstract class DecayScheduler extends Scheduler {
  readonly maxUpdate: number;
  readonly finalRate: number;

  constructor(who: string, given: DecayOptions) {
    super(who, given);
    this.maxUpdate = checkInteger(`${who}: maxUpdate`, given.maxUpdate, this.warmupSteps + 1);
    this.finalRate = checkRange(`${who}: finalRate`, given.finalRate ?? 0, 0, Number.MAX_VALUE);
  }

  /** The remaining share of the difference, from 1 to 0, where `done` goes from 0 to 1. */
  protected abstract share(done: number): number;

  protected rate(step: number, base: number): number {
    const done = Math.min(1, (step - this.warmupSteps) / (this.maxUpdate - this.warmupSteps));
    return this.finalRate + (base - this.finalRate) * this.share(done);
  }

  protected override get settings(): Readonly<Record<string, unknown>> {
    return { maxUpdate: this.maxUpdate, finalRate: this.finalRate };
  }
}

export interface PolynomialSchedulerOptions extends DecayOptions {
  /** 2 by default; 1 is a straight line. */
  power?: number | undefined;
}

/** final + (base - final)·(1 - t/max)^power, t and max counted from the end of the warm-up. */
export class PolynomialScheduler extends DecayScheduler {
  readonly power: number;

  constructor(options: PolynomialSchedulerOptions) {
    const given = checkOptions('PolynomialScheduler', options, [...warmupOptions, 'maxUpdate', 'finalRate', 'power']);
    super('PolynomialScheduler', given);
    this.power = checkRange('PolynomialScheduler: power', given.power ?? 2, 0, Number.MAX_VALUE);
  }

  protected share(done: number): number {
    return (1 - done) ** this.power;
  }

  protected override get settings() {
    return { ...super.settings, power: this.power };
  }
}

/** final + (base - final)·(1 + cos(π·t/max))/2, t and max counted from the end of the warm-up. */
export class CosineScheduler extends DecayScheduler {
  constructor(options: DecayOptions) {
    super('CosineScheduler', checkOptions('CosineScheduler', options, [...warmupOptions, 'maxUpdate', 'finalRate']));
  }

  protected share(done: number): number {
    return (1 + Math.cos(Math.PI * done)) / 2;
  }
}

export interface OneCycleSchedulerOptions {
  /** How many steps there are: the last of them, maxUpdate - 1 counted from 0, has the last rate. */
  maxUpdate: number;
  /** The share of the steps that lead up to the full rate; 0.3 by default. */
  warmupShare?: number | undefined;
  /** The full rate is so many times the first; 25 by default. */
  startDivisor?: number | undefined;
  /** The first is so many times the last; 10000 by default. */
  finalDivisor?: number | undefined;
}

/**
 * Half a cosine up from base/startDivisor to base, the optimizer's rate, and half a cosine down to a small part of the
 * first (Smith and Topin 2019; as PyTorch's OneCycleLR, without its cycle of momenta).
 */
export class OneCycleScheduler extends Scheduler {
  readonly maxUpdate: number;
  readonly warmupShare: number;
  readonly startDivisor: number;
  readonly finalDivisor: number;

  constructor(options: OneCycleSchedulerOptions) {
    const who = 'OneCycleScheduler';
    const given = checkOptions(who, options, ['maxUpdate', 'warmupShare', 'startDivisor', 'finalDivisor']);
    super(who, {});
    this.maxUpdate = checkInteger(`${who}: maxUpdate`, given.maxUpdate, 2);
    this.warmupShare = checkRange(`${who}: warmupShare`, given.warmupShare ?? 0.3, 0, 1);
    this.startDivisor = checkRange(`${who}: startDivisor`, given.startDivisor ?? 25, 1, Number.MAX_VALUE);
    this.finalDivisor = checkRange(`${who}: finalDivisor`, given.finalDivisor ?? 1e4, 1, Number.MAX_VALUE);
  }

  protected rate(step: number, base: number): number {
    const first = base / this.startDivisor;
    const last = first / this.finalDivisor;
    const top = this.warmupShare * this.maxUpdate - 1;
    const end = this.maxUpdate - 1;
    const between = (from: number, to: number, done: number) => to + ((from - to) * (1 + Math.cos(Math.PI * done))) / 2;
    if (step < top) return between(first, base, step / top);
    return between(base, last, Math.min(1, (step - Math.max(top, 0)) / (end - Math.max(top, 0))));
  }

  protected override get settings() {
    const { maxUpdate, warmupShare, startDivisor, finalDivisor } = this;
    return { maxUpdate, warmupShare, startDivisor, finalDivisor };
  }
}
