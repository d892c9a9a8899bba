import { unrecorded } from '../autograd/modes.js';
import type { Leaf } from '../autograd/tape.js';
import { ArgumentError } from '../errors.js';
import { Status, session } from '../native/register.js';
import { empty } from '../ops/create.js';
import { failed } from '../ops/invoke.js';
import { beforeWrite } from '../ops/op.js';
import type { Parameter } from '../parameter/parameter.js';
import { checkBoolean, checkOneOf, checkOptions, checkRange, shown } from '../support/check.js';
import { Printed } from '../support/print.js';
import { sameShape } from '../tensor/shape.js';
import { internals, type Tensor } from '../tensor/tensor.js';

/** The numbers of native/runtime/update.h's rules. */
const Rule = { sgd: 0, adam: 1 } as const;
const NUMBERS = 12;

/** What one parameter's update is computed with; see native/kernels/kernels.h, UpdateArgs. */
interface UpdateNumbers {
  rate: number;
  weightDecay?: number;
  momentum?: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  correction1?: number;
  correction2?: number;
  nesterov?: boolean;
  decoupled?: boolean;
  firstStep?: boolean;
}

/** What an optimizer keeps for one parameter between steps: how many it did, and tensors like the parameter. */
export interface OptimizerState {
  steps: number;
  first: Tensor | null;
  second: Tensor | null;
}

export interface OptimizerOptions {
  learningRate?: number | undefined;
  /** How strongly weights are drawn towards 0; 0 by default (AdamW: 0.01). */
  weightDecay?: number | undefined;
}

/** A parameter that an optimizer can update now. */
export interface Updatable {
  readonly parameter: Parameter;
  readonly leaf: Leaf;
}

/** Changes parameters by their gradients; a step is one native call for all of them. */
export abstract class Optimizer extends Printed {
  #learningRate: number;
  readonly weightDecay: number;
  readonly #states = new WeakMap<Parameter, OptimizerState>();

  constructor(who: string, options: OptimizerOptions, learningRate: number, weightDecay: number) {
    super();
    if (new.target === Optimizer)
      throw new ArgumentError('Optimizer is the base of all optimizers; make one of them, such as new optim.SGD()');
    this.#learningRate = checkRange(`${who}: learningRate`, options.learningRate ?? learningRate, 0, Number.MAX_VALUE);
    this.weightDecay = checkRange(`${who}: weightDecay`, options.weightDecay ?? weightDecay, 0, Number.MAX_VALUE);
  }

  get learningRate(): number {
    return this.#learningRate;
  }

  set learningRate(value: number) {
    this.#learningRate = checkRange(`${this.constructor.name}: learningRate`, value, 0, Number.MAX_VALUE);
  }

  protected abstract readonly rule: (typeof Rule)[keyof typeof Rule];
  /** Tensors of the weight's size that are kept between steps. */
  protected abstract readonly kept: 0 | 1 | 2;
  /** The numbers of the step after `steps` steps. */
  protected abstract numbers(steps: number): Omit<UpdateNumbers, 'rate' | 'weightDecay'>;

  #stateOf(parameter: Parameter, weight: Tensor): OptimizerState {
    const state = this.#states.get(parameter);
    const fits = (t: Tensor | null) => t === null || (sameShape(t.shape, weight.shape) && t.dtype === weight.dtype);
    if (state !== undefined && fits(state.first) && fits(state.second)) return state;
    // A cast parameter starts with new state of its type.
    const fresh: OptimizerState = {
      steps: 0,
      first: this.kept > 0 ? empty(weight.shape, weight.dtype) : null,
      second: this.kept > 1 ? empty(weight.shape, weight.dtype) : null,
    };
    this.#states.set(parameter, fresh);
    return fresh;
  }

  /** What is kept for a parameter, for files; null before its first step. */
  stateOf(parameter: Parameter): Readonly<OptimizerState> | null {
    return this.#states.get(parameter) ?? null;
  }

  /** Takes over what a file kept; null forgets. */
  restore(parameter: Parameter, state: OptimizerState | null): void {
    if (state === null) this.#states.delete(parameter);
    else this.#states.set(parameter, state);
  }

  /** How many tensors a step of this optimizer keeps. */
  get keptTensors(): number {
    return this.kept;
  }

  /** The numbers that it was made with, in the order of their names here. */
  protected abstract get settings(): Readonly<Record<string, number | boolean>>;

  protected describe(): string {
    const { learningRate, weightDecay, settings } = this;
    return Object.entries({ learningRate, ...settings, weightDecay })
      .map(([key, value]) => `${key}=${value}`)
      .join(', ');
  }

  /** One step: each gradient is divided by `batchSize` first. All parameters are updated, or none. */
  update(items: readonly Updatable[], batchSize: number): void {
    const list = items.filter(({ parameter }) => parameter.lrMult > 0);
    if (list.length === 0) return;
    const states = unrecorded(() => list.map(({ parameter, leaf }) => this.#stateOf(parameter, leaf.variable)));
    const ids = new Int32Array(4 * list.length);
    const numbers = new Float64Array(NUMBERS * list.length);
    for (let i = 0; i < list.length; i++) {
      const { parameter, leaf } = list[i] as Updatable;
      const { first, second, steps } = states[i] as OptimizerState;
      beforeWrite(leaf.variable);
      ids[4 * i] = internals.idOf(leaf.variable);
      ids[4 * i + 1] = internals.idOf(leaf.grad as Tensor);
      ids[4 * i + 2] = first === null ? 0 : internals.idOf(first);
      ids[4 * i + 3] = second === null ? 0 : internals.idOf(second);
      const n = this.numbers(steps);
      let at = NUMBERS * i;
      numbers[at++] = this.learningRate * parameter.lrMult;
      numbers[at++] = this.weightDecay * parameter.wdMult;
      numbers[at++] = n.momentum ?? 0;
      numbers[at++] = n.beta1 ?? 0;
      numbers[at++] = n.beta2 ?? 0;
      numbers[at++] = n.epsilon ?? 0;
      numbers[at++] = n.correction1 ?? 1;
      numbers[at++] = n.correction2 ?? 1;
      numbers[at++] = 1 / batchSize;
      numbers[at++] = n.nesterov === true ? 1 : 0;
      numbers[at++] = n.decoupled === true ? 1 : 0;
      numbers[at++] = n.firstStep === true ? 1 : 0;
    }
    const status = session.update(this.rule, ids, numbers);
    if (status !== Status.ok) failed(status, 'optimizer step', [], 'float32');
    list.forEach(({ leaf }, i) => {
      internals.bump(leaf.variable);
      (states[i] as OptimizerState).steps++;
    });
  }
}

export interface SGDOptions extends OptimizerOptions {
  /** 0 by default. */
  momentum?: number | undefined;
  /** Looks ahead by the momentum; false by default. */
  nesterov?: boolean | undefined;
}

/**
 * g = gradient + wd·w;  b = μ·b + g, beginning with g;  w -= rate·b, or with Nesterov rate·(g + μ·b). Formulas as PyTorch's.
 * Rate 0.01 by default.
 */
export class SGD extends Optimizer {
  readonly momentum: number;
  readonly nesterov: boolean;
  protected readonly rule = Rule.sgd;

  constructor(options?: SGDOptions) {
    const given = checkOptions('SGD', options, ['learningRate', 'weightDecay', 'momentum', 'nesterov']);
    super('SGD', given, 0.01, 0);
    this.momentum = checkRange('SGD: momentum', given.momentum ?? 0, 0, 1);
    this.nesterov = checkBoolean('SGD: nesterov', given.nesterov ?? false);
    if (this.nesterov && this.momentum === 0) throw new ArgumentError('SGD: nesterov takes a momentum above 0');
  }

  protected get settings() {
    return { momentum: this.momentum, nesterov: this.nesterov };
  }

  protected get kept(): 0 | 1 {
    return this.momentum > 0 ? 1 : 0;
  }

  protected numbers(steps: number): Omit<UpdateNumbers, 'rate'> {
    return { momentum: this.momentum, nesterov: this.nesterov, firstStep: steps === 0 };
  }
}

export interface AdamOptions extends OptimizerOptions {
  /** 0.9 by default. */
  beta1?: number | undefined;
  /** 0.999 by default. */
  beta2?: number | undefined;
  /** 1e-8 by default. */
  epsilon?: number | undefined;
}

const adamOptions = ['learningRate', 'weightDecay', 'beta1', 'beta2', 'epsilon'] as const;

/** What Adam and AdamW share. */
abstract class AdamFamily extends Optimizer {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  protected readonly rule = Rule.adam;
  protected readonly kept = 2;

  constructor(who: string, options: AdamOptions | undefined, weightDecay: number) {
    const given = checkOptions(who, options, adamOptions);
    super(who, given, 0.001, weightDecay);
    this.beta1 = checkBeta(`${who}: beta1`, given.beta1 ?? 0.9);
    this.beta2 = checkBeta(`${who}: beta2`, given.beta2 ?? 0.999);
    this.epsilon = checkRange(`${who}: epsilon`, given.epsilon ?? 1e-8, 0, Number.MAX_VALUE);
  }

  protected get settings() {
    return { beta1: this.beta1, beta2: this.beta2, epsilon: this.epsilon };
  }

  protected abstract get decoupled(): boolean;

  protected numbers(steps: number): Omit<UpdateNumbers, 'rate'> {
    const { beta1, beta2, epsilon, decoupled } = this;
    return {
      beta1,
      beta2,
      epsilon,
      decoupled,
      correction1: 1 - beta1 ** (steps + 1),
      correction2: 1 - beta2 ** (steps + 1),
    };
  }
}

/**
 * m = β₁m + (1-β₁)g;  v = β₂v + (1-β₂)g²;  w -= rate·m̂/(√v̂ + ε) with m̂ = m/(1-β₁ᵗ), v̂ = v/(1-β₂ᵗ), where g includes
 * wd·w (Kingma and Ba 2015; formulas as PyTorch's). Rate 0.001 by default.
 */
export class Adam extends AdamFamily {
  constructor(options?: AdamOptions) {
    super('Adam', options, 0);
  }

  protected get decoupled(): boolean {
    return false;
  }
}

/** Adam with decay apart from the gradient: w -= rate·wd·w first (Loshchilov and Hutter 2019). Decay 0.01 by default. */
export class AdamW extends AdamFamily {
  constructor(options?: AdamOptions) {
    super('AdamW', options, 0.01);
  }

  protected get decoupled(): boolean {
    return true;
  }
}

function checkBeta(who: string, value: number): number {
  if (checkRange(who, value, 0, 1) === 1) throw new ArgumentError(`${who} takes a number below 1, but got 1`);
  return value;
}

/** The options of each optimizer that goes by a name. */
export interface NamedOptions {
  sgd: SGDOptions;
  adam: AdamOptions;
  adamw: AdamOptions;
}

const named: { readonly [N in keyof NamedOptions]: (options?: NamedOptions[N]) => Optimizer } = {
  sgd: options => new SGD(options),
  adam: options => new Adam(options),
  adamw: options => new AdamW(options),
};

export type OptimizerName = keyof NamedOptions;

/** An optimizer made from its name and options, or one that was made already. */
export function createOptimizer(who: string, optimizer: unknown, options: object | undefined): Optimizer {
  if (optimizer instanceof Optimizer) {
    if (options !== undefined && Object.keys(options).length > 0)
      throw new ArgumentError(`${who}: options belong to the optimizer's name; this one was made with its own`);
    return optimizer;
  }
  if (typeof optimizer === 'string')
    return named[checkOneOf(`${who}: optimizer`, optimizer, Object.keys(named) as OptimizerName[])](options);
  throw new ArgumentError(`${who} takes an optim.Optimizer or its name, but got ${shown(optimizer)}`);
}
