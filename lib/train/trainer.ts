import { isRecording } from '../autograd/modes.js';
import { ArgumentError, AutogradError, DeferredInitializationError } from '../errors.js';
import { createOptimizer, type NamedOptions } from '../optim/named.js';
import type { Optimizer } from '../optim/optimizer.js';
import type { ComputeGradients, Updatable } from '../optim/rule.js';
import { ParameterDict } from '../parameter/dict.js';
import { distinctParameters } from '../parameter/distinct.js';
import { Parameter, parameterInternals } from '../parameter/parameter.js';
import { checkBoolean, checkOptions, checkPositive, shown } from '../support/check.js';
import { counted, Printed } from '../support/print.js';
import { warn } from '../support/warn.js';
import { isTensor } from '../tensor/tensor.js';
import { loadOptimizer, saveOptimizer } from './optimizer-states.js';

export interface TrainerSettings {
  /** Whether a parameter that no forward has reached raises at `step`, instead of a warning; false by default. */
  strict?: boolean | undefined;
  /**
   * Where all gradients together, as one vector and divided by the batch size, are longer than this, they are scaled down
   * to it; Infinity by default.
   */
  clipNorm?: number | undefined;
}

/** An optimizer's name with its own options, or one that was made already; settings of the trainer beside them. */
export type TrainerArguments =
  | { [N in keyof NamedOptions]: [optimizer: N, options?: NamedOptions[N] & TrainerSettings] }[keyof NamedOptions]
  | [optimizer: Optimizer, settings?: TrainerSettings];

type Entry = readonly [path: string, parameter: Parameter];

const settings = ['strict', 'clipNorm'] as const;

/** How many parameters a warning names. */
const SHOWN = 4;

/** The internal interface of a trainer. */
export let trainerInternals: {
  /** A step that computes the gradients itself, in one native call with the update where it can. */
  step(trainer: Trainer, batchSize: number, computeGradients: ComputeGradients): void;
};

/**
 * Updates a net's parameters by their gradients. It can be made before any shape is known.
 *
 * ```ts
 * const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 1e-3 });
 * autograd.record(() => loss(net(x), y)).backward();
 * trainer.step(x.shape[0]);
 * ```
 */
export class Trainer extends Printed {
  /** The optimizer that updates the parameters. */
  readonly optimizer: Optimizer;
  readonly #parameters: readonly Entry[];
  readonly #strict: boolean;
  readonly #clipNorm: number;
  #gradientNorm: number | null = null;
  readonly #warned = new Set<Parameter>();

  constructor(parameters: ParameterDict | Iterable<Parameter>, ...[optimizer, options]: TrainerArguments) {
    super();
    if (options !== undefined && (typeof options !== 'object' || options === null))
      throw new ArgumentError(`Trainer takes an options object, but got ${shown(options)}`);
    const {
      strict = false,
      clipNorm = Infinity,
      ...rest
    } = (options ?? {}) as TrainerSettings & Record<string, unknown>;
    this.#strict = checkBoolean('Trainer: strict', strict);
    this.#clipNorm = checkPositive('Trainer: clipNorm', clipNorm, Infinity);
    this.#parameters = listParameters(parameters);
    if (this.#parameters.length === 0)
      throw new ArgumentError('Trainer got no parameters; those of a net with all its layers are net.collectParams()');
    this.optimizer = createOptimizer('Trainer', optimizer, options === undefined ? undefined : rest, settings);
  }

  /** The learning rate of the next step. */
  get learningRate(): number {
    return this.optimizer.learningRate;
  }

  set learningRate(value: number) {
    this.optimizer.learningRate = value;
  }

  /** How long all gradients together were at the last step, before they were clipped; null without `clipNorm`. */
  get gradientNorm(): number | null {
    return this.#gradientNorm;
  }

  /**
   * One step of the optimizer, with each gradient divided by `batchSize`: with losses per sample, pass the number of
   * samples; left out, it is 1, and gradients of a loss with several elements raise. Parameters whose gradient no backward has written since the last step are left out; a warning names those
   * that a step leaves out for the first time.
   */
  step(batchSize?: number, options?: object): void {
    checkOptions('Trainer.step', options, []);
    this.#step(batchSize, null);
  }

  #step(given: number | undefined, computeGradients: ComputeGradients | null): void {
    const batchSize = given ?? 1;
    checkPositive('Trainer.step: batchSize', batchSize);
    if (isRecording())
      throw new AutogradError(
        'Trainer.step writes parameters, which autograd.record() does not allow; call it outside',
      );
    const items: Updatable[] = [];
    const bare: Entry[] = [];
    const unreached: Entry[] = [];
    const stale: Entry[] = [];
    for (const entry of this.#parameters) {
      const parameter = entry[1];
      const leaf = parameterInternals.variable(parameter);
      if (parameter.gradReq === 'null') continue;
      if (leaf?.fresh === true && leaf.grad !== null) items.push({ parameter, leaf });
      else if (parameter.lrMult === 0) continue;
      else if (parameter.state === 'bare') bare.push(entry);
      else if (parameter.state !== 'ready' || leaf === null) unreached.push(entry);
      else stale.push(entry);
    }
    const many = given === undefined ? items.find(({ leaf }) => leaf.losses > 1)?.leaf.losses : undefined;
    if (many !== undefined) {
      throw new ArgumentError(
        `Trainer.step takes the batch size, for backward() was called on a loss of ${many} elements, and gradients are those of their sum; write trainer.step(${many}) for their mean, or trainer.step(1) for the sum`,
      );
    }
    this.#leaveOut(
      bare,
      'LATENT_PARAMETER_UNREACHED',
      'no values, for initialize() was never called on their block',
      'call net.initialize() before the first batch',
    );
    this.#leaveOut(
      unreached,
      'LATENT_PARAMETER_UNREACHED',
      'no values, for no forward has reached them',
      "use their layer in the net's forward, or leave them out of the trainer: net.collectParams(/pattern of the others/)",
    );
    this.#leaveOut(
      stale,
      'LATENT_STALE_GRADIENT',
      'a gradient that no backward has written since the last step',
      "call loss.backward() before each trainer.step(), with a loss that is computed from all of them inside autograd.record(), freeze them with setAttr('lrMult', 0), or, where a layer was replaced after the trainer was made, make a new trainer",
    );
    this.#gradientNorm = this.optimizer.step(items, { batchSize, clipNorm: this.#clipNorm, computeGradients });
    for (const { leaf } of items) {
      leaf.fresh = false;
      leaf.noteRead();
    }
  }

  /** Sets the gradients of all parameters to zeros. */
  zeroGrad(): void {
    for (const [, parameter] of this.#parameters) parameter.zeroGrad();
  }

  /**
   * Writes what the optimizer keeps between steps and its learning rate, whole or not at all; the parameters themselves are
   * the net's to save.
   */
  saveStates(path: string): void {
    saveOptimizer(this.optimizer, this.#parameters, path);
  }

  /**
   * Reads what `saveStates` wrote for parameters of the same paths; all or nothing. The learning rate becomes the file's; for
   * another, set it afterwards.
   */
  loadStates(path: string): void {
    loadOptimizer(this.optimizer, this.#parameters, path);
  }

  /**
   * One warning for the parameters that this step is the first to leave out; an error for those without values when strict.
   */
  #leaveOut(entries: readonly Entry[], code: `LATENT_${string}`, why: string, remedy: string): void {
    const news = entries.filter(([, parameter]) => !this.#warned.has(parameter));
    if (news.length === 0) return;
    const listed = news.slice(0, SHOWN).map(([path, parameter]) => `${path} (${parameter.name})`);
    const more = news.length > SHOWN ? ` and ${news.length - SHOWN} more` : '';
    const text = `${listed.join(', ')}${more} ${news.length === 1 ? 'has' : 'have'} ${why}`;
    if (this.#strict && code === 'LATENT_PARAMETER_UNREACHED')
      throw new DeferredInitializationError(`Trainer.step: ${text}; ${remedy}`);
    for (const [, parameter] of news) this.#warned.add(parameter);
    warn(
      code,
      `${text}; trainer.step leaves ${news.length === 1 ? 'it' : 'them'} out. ${remedy.charAt(0).toUpperCase()}${remedy.slice(1)}`,
    );
  }

  static {
    trainerInternals = { step: (trainer, batchSize, computeGradients) => trainer.#step(batchSize, computeGradients) };
  }

  protected describe(): string {
    return `${this.optimizer}, ${counted(this.#parameters.length, 'parameter')}`;
  }
}

function listParameters(parameters: unknown): Entry[] {
  if (parameters instanceof ParameterDict) return [...parameters.checkFound('to train')];
  // One by itself is iterable too, for deep equality.
  if (parameters instanceof Parameter)
    throw new ArgumentError(`Trainer takes a list of parameters, but got ${parameters}; write [parameter]`);
  if (typeof parameters === 'object' && parameters !== null && Symbol.iterator in parameters && !isTensor(parameters)) {
    // Nets that share a block list its parameters each; they are stepped once.
    const distinct = distinctParameters('Trainer', parameters as Iterable<unknown>);
    return [...distinct].map(parameter => [parameter.path, parameter]);
  }
  const hint = typeof parameters === 'function' && 'collectParams' in parameters ? '; write net.collectParams()' : '';
  throw new ArgumentError(`Trainer takes a net's parameters, but got ${shown(parameters)}${hint}`);
}
