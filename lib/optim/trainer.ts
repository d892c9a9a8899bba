import { isRecording } from '../autograd/modes.js';
import { ArgumentError, AutogradError, DeferredInitializationError } from '../errors.js';
import { ParameterDict } from '../parameter/dict.js';
import { Parameter } from '../parameter/parameter.js';
import { checkBoolean, checkOptions, checkRange, shown } from '../support/check.js';
import { warn } from '../support/warn.js';
import {
  type AdamOptions,
  createOptimizer,
  type Optimizer,
  type OptimizerName,
  type SGDOptions,
  type Updatable,
} from './optimizer.js';
import { loadOptimizer, saveOptimizer } from './states.js';

export interface TrainerSettings {
  /** Whether a parameter that no forward has reached raises at `step`, instead of a warning; false by default. */
  strict?: boolean;
}

type OptionsOf<O> = (O extends 'sgd' ? SGDOptions : AdamOptions) & TrainerSettings;

/**
 * Updates a net's parameters by their gradients. It can be made before any shape is known.
 *
 * ```ts
 * const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 1e-3 });
 * autograd.record(() => loss(net(x), y)).backward();
 * trainer.step(x.shape[0]);
 * ```
 */
export class Trainer {
  readonly optimizer: Optimizer;
  readonly #parameters: readonly (readonly [string, Parameter])[];
  readonly #strict: boolean;
  readonly #warned = new Set<Parameter>();

  constructor(parameters: ParameterDict | Iterable<Parameter>, optimizer: Optimizer, settings?: TrainerSettings);
  constructor(
    parameters: ParameterDict | Iterable<Parameter>,
    optimizer: OptimizerName,
    options?: OptionsOf<OptimizerName>,
  );
  constructor(
    parameters: ParameterDict | Iterable<Parameter>,
    optimizer: Optimizer | OptimizerName,
    options?: TrainerSettings & object,
  ) {
    if (options !== undefined && (typeof options !== 'object' || options === null))
      throw new ArgumentError(`Trainer takes an options object, but got ${shown(options)}`);
    const { strict = false, ...rest } = (options ?? {}) as TrainerSettings & Record<string, unknown>;
    this.#strict = checkBoolean('Trainer: strict', strict);
    this.#parameters = listParameters(parameters);
    this.optimizer = createOptimizer('Trainer', optimizer, options === undefined ? undefined : rest);
  }

  get learningRate(): number {
    return this.optimizer.learningRate;
  }

  set learningRate(value: number) {
    this.optimizer.learningRate = value;
  }

  /**
   * One step of the optimizer, with each gradient divided by `batchSize`: with losses per sample, pass the number of
   * samples. Parameters whose gradient no backward has written since the last step are left out, with one warning each.
   */
  step(batchSize = 1, options?: object): void {
    checkOptions('Trainer.step', options, []);
    if (!(checkRange('Trainer.step: batchSize', batchSize, 0, Number.MAX_VALUE) > 0))
      throw new ArgumentError('Trainer.step takes a batch size above 0, but got 0');
    if (isRecording())
      throw new AutogradError(
        'Trainer.step writes parameters, which autograd.record() does not allow; call it outside',
      );
    const items: Updatable[] = [];
    for (const [path, parameter] of this.#parameters) {
      const leaf = parameter.variable;
      if (parameter.gradReq === 'null') continue;
      if (parameter.state !== 'ready' || leaf === null) this.#unreached(path, parameter);
      else if (leaf.fresh && leaf.grad !== null) items.push({ parameter, leaf });
      else this.#stale(path, parameter);
    }
    this.optimizer.update(items, batchSize);
    for (const { leaf } of items) {
      leaf.fresh = false;
      leaf.unread = false;
    }
  }

  /** Sets the gradients of all parameters to zeros. */
  zeroGrad(): void {
    for (const [, parameter] of this.#parameters) parameter.zeroGrad();
  }

  /** Writes what the optimizer keeps between steps, whole or not at all; the parameters themselves are the net's to save. */
  saveStates(path: string): void {
    saveOptimizer(this.optimizer, this.#parameters, path);
  }

  /** Reads what `saveStates` wrote for parameters of the same paths; all or nothing. */
  loadStates(path: string): void {
    loadOptimizer(this.optimizer, this.#parameters, path);
  }

  #unreached(path: string, parameter: Parameter): void {
    const text = `Parameter ${path} (${parameter.name}) has no values, for no forward has reached it`;
    if (this.#strict) throw new DeferredInitializationError(`Trainer.step: ${text}`);
    this.#warnOnce('LATENT_PARAMETER_UNREACHED', parameter, `${text}; trainer.step leaves it out`);
  }

  #stale(path: string, parameter: Parameter): void {
    if (parameter.lrMult === 0) return;
    this.#warnOnce(
      'LATENT_STALE_GRADIENT',
      parameter,
      `The gradient of parameter ${path} (${parameter.name}) was not written by a backward since the last step; trainer.step leaves it out`,
    );
  }

  #warnOnce(code: `LATENT_${string}`, parameter: Parameter, text: string): void {
    if (this.#warned.has(parameter)) return;
    this.#warned.add(parameter);
    warn(code, text);
  }
}

function listParameters(parameters: unknown): (readonly [string, Parameter])[] {
  if (parameters instanceof ParameterDict) return [...parameters];
  if (typeof parameters === 'object' && parameters !== null && Symbol.iterator in parameters) {
    return [...(parameters as Iterable<unknown>)].map(parameter => {
      if (!(parameter instanceof Parameter))
        throw new ArgumentError(`Trainer takes parameters, but got ${shown(parameter)}`);
      return [parameter.path, parameter];
    });
  }
  throw new ArgumentError(`Trainer takes a net's collectParams(), but got ${shown(parameters)}`);
}
