import { limits, numbersOf, reals, Status, session } from '../native/register.js';
import { failed } from '../ops/invoke.js';
import { beforeWrite } from '../ops/op.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import { Optimizer, type OptimizerOptions } from './optimizer.js';
import type { StepSettings, Updated } from './rule.js';

const rules = numbersOf('rules', ['sgd', 'adam', 'adamax', 'rmsprop', 'adagrad', 'adadelta', 'lamb']);
type NativeRule = keyof typeof rules;

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
const keptNames = ['first', 'second', 'third'] as const;
/** Of a parameter: its weight, gradient, what is kept, and the rows that are updated. */
const IDS = limits.updateIds;

/** Optimizers whose rule is native: a step is one call for all parameters. */
export abstract class NativeOptimizer extends Optimizer {
  #initialState: Readonly<Record<string, number>> | null = null;
  #ids = new Int32Array();
  #numbers = new Float64Array();

  constructor(who: string, given: OptimizerOptions, learningRate: number, weightDecay: number) {
    const { learningRate: rate, weightDecay: decay, clipGradient, scheduler } = given;
    super(who, { learningRate: rate, weightDecay: decay, clipGradient, scheduler }, learningRate, weightDecay);
  }

  protected abstract readonly nativeRule: NativeRule;
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

  /** @internal */
  override get initialState(): Readonly<Record<string, number>> {
    if (this.#initialState === null) {
      const { kept } = this;
      const entries = keptNames.flatMap((name, i) => (typeof kept[i] === 'number' ? [[name, kept[i]] as const] : []));
      this.#initialState = Object.fromEntries(entries);
    }
    return this.#initialState;
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

  /** @internal */
  protected override apply(items: readonly Updated[], settings: StepSettings): number {
    const { batchSize, clipNorm, computeGradients } = settings;
    const { ids, numbers } = this.#roomFor(items.length);
    const rate = this.learningRate;
    let own: readonly number[] = [];
    for (let i = 0; i < items.length; i++) {
      const { parameter, leaf, state } = items[i] as Updated;
      const { kept, steps } = state;
      beforeWrite(leaf.variable);
      ids[IDS * i] = internals.idOf(leaf.variable);
      ids[IDS * i + 1] = internals.idOf(leaf.grad as Tensor);
      for (let j = 0; j < keptNames.length; j++) {
        const t = kept[keptNames[j] as string];
        if (t !== undefined) ids[IDS * i + 2 + j] = internals.idOf(t);
      }
      // Most parameters have done as many steps as the one before them.
      if (i === 0 || steps !== (items[i - 1] as Updated).state.steps) {
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
    let status: number = Status.ok;
    const update = (plan?: number, sizes?: number, handle?: object): number => {
      status = session.update(rules[this.nativeRule], ids, numbers, clipNorm, plan, sizes, handle);
      return status;
    };
    if (computeGradients === null) update();
    else computeGradients(update);
    const norm = reals[0] as number;
    if (status !== Status.ok) failed(status, 'optimizer step', [], 'float32');
    return norm;
  }
}
