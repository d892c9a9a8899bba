import { isTraining, unrecorded } from '../../autograd/modes.js';
import { ArgumentError, DTypeError, ShapeError } from '../../errors.js';
import type { InitializerLike } from '../../init/named.js';
import { add, div, mul } from '../../ops/binary.js';
import { batchMoments, batchNorm, groupNorm, rowNorm } from '../../ops/norm.js';
import { slice, swapAxes } from '../../ops/view.js';
import { Parameter, type ParameterRole, parameterInternals } from '../../parameter/parameter.js';
import { checkBoolean, checkInteger, checkOptions, checkRange, checkSize, shownShape } from '../../support/check.js';
import { isFloat } from '../../tensor/dtype.js';
import { checkTensor, type Tensor } from '../../tensor/tensor.js';
import { isShapePass } from '../../trace/shape-pass.js';
import { isTracing } from '../../trace/trace.js';
import { Layer } from '../block/block.js';
import { describeBlock } from '../block/run.js';
import type { SameFn } from '../block/shape-functions.js';
import { nameOwn } from '../block/tree.js';
import { checkInputDType, checkKnownSize, settleSize } from './settle.js';

export interface NormOptions {
  /** Added to the variance; 1e-5 by default (RMSNorm: 1e-6). */
  epsilon?: number | undefined;
  /** Whether beta is added; true by default. */
  center?: boolean | undefined;
  /** Whether gamma multiplies; true by default. */
  scale?: boolean | undefined;
  /** The number of channels (or of elements in a row); by default that of the first batch. */
  inChannels?: number | undefined;
  /** 'float32' by default. */
  dtype?: 'float32' | 'float64' | undefined;
  /** Ones by default. */
  gammaInitializer?: InitializerLike | undefined;
  /** Zeros by default. */
  betaInitializer?: InitializerLike | undefined;
}

const common = ['epsilon', 'center', 'scale', 'inChannels', 'dtype', 'gammaInitializer', 'betaInitializer'] as const;

/** A layer that normalizes. Its gamma and beta have a size that the first batch tells. */
export abstract class NormLayer extends Layer<SameFn> {
  /** The number that is added to the variance. */
  readonly epsilon: number;
  /** The size that was given, or -1: an assertion also where there is no parameter to hold it. */
  protected readonly given: number;
  /** null with `scale: false`. */
  readonly gamma: Parameter | null;
  /** null with `center: false`. */
  readonly beta: Parameter | null;

  /** @internal */
  constructor(who: string, given: NormOptions, epsilon = 1e-5) {
    super();
    this.epsilon = checkRange(`${who}: epsilon`, given.epsilon ?? epsilon, 0, Number.MAX_VALUE);
    this.given = given.inChannels === undefined ? -1 : checkSize(`${who}: inChannels`, given.inChannels);
    const make = (role: ParameterRole, init: InitializerLike | undefined) =>
      new Parameter({ shape: [this.given], role, dtype: given.dtype, init });
    this.gamma = checkBoolean(`${who}: scale`, given.scale ?? true) ? make('gamma', given.gammaInitializer) : null;
    this.beta = checkBoolean(`${who}: center`, given.center ?? true) ? make('beta', given.betaInitializer) : null;
  }

  /** -1 until it is known. */
  get inChannels(): number {
    return this.vectors.find(parameter => parameter.known)?.shape[0] ?? this.given;
  }

  /** The parameters that have the size of the channels. */
  protected get vectors(): Parameter[] {
    return [this.gamma, this.beta].filter(p => p !== null);
  }

  /** The axis as a number from 0, once the input is found to have it. */
  protected axisOf(x: Tensor, axis: number, least: number): number {
    const name = (): string => describeBlock(this);
    checkTensor(name, x);
    const at = axis < 0 ? axis + x.ndim : axis;
    if (x.ndim < least || at < 0 || at >= x.ndim) {
      const dimensions = Math.max(least, axis < 0 ? -axis : axis + 1);
      throw new ShapeError(
        `${name()} takes an input of ${dimensions} or more dimensions, but its input has shape ${shownShape(x.shape)}`,
      );
    }
    return at;
  }

  /** Holds the input's size along an axis and its type to the parameters', or tells them. */
  protected settle(x: Tensor, axis: number): void {
    const size = x.shape[axis] as number;
    const { vectors } = this;
    const noun = `channel along axis ${axis}`;
    if (vectors.length === 0) checkKnownSize(() => describeBlock(this), this.given, size, noun, x);
    for (const parameter of vectors) settleSize(this, parameter, 0, size, noun, x);
    const [first] = vectors;
    if (first !== undefined) checkInputDType(this, first, x);
    else if (!isFloat(x.dtype))
      throw new DTypeError(`${describeBlock(this)} takes float input, but got ${x.dtype}; cast it first`);
  }

  override describe(): string {
    const settings = Object.entries(this.settings).map(([key, value]) => `${key} = ${value}`);
    return [String(this.inChannels), ...settings].join(', ');
  }

  protected abstract get settings(): Readonly<Record<string, number | boolean>>;
}

const dataOf = (parameter: Parameter | null): Tensor | null => parameter?.data() ?? null;

// ---------- over rows

export interface LayerNormOptions extends NormOptions {
  /** The axis that is normalized; -1 by default. */
  axis?: number | undefined;
}

/** A layer that normalizes along one axis. */
abstract class RowNorm extends NormLayer {
  /** The axis that is normalized, or that of the channels. */
  readonly axis: number;

  /** @internal */
  constructor(who: string, given: LayerNormOptions, epsilon?: number) {
    super(who, given, epsilon);
    this.axis = checkInteger(`${who}: axis`, given.axis ?? -1);
    nameOwn(this);
  }

  protected alongRows(x: Tensor, centered: boolean): Tensor {
    const at = this.axisOf(x, this.axis, 1);
    this.settle(x, at);
    const last = x.ndim - 1;
    const rows = at === last ? x : swapAxes(x, at, last);
    const y = rowNorm(rows, dataOf(this.gamma), dataOf(this.beta), this.epsilon, centered);
    return at === last ? y : swapAxes(y, at, last);
  }

  protected get settings() {
    return { axis: this.axis, epsilon: this.epsilon };
  }
}

/** (x - mean)/√(variance + ε)·γ + β over one axis of each sample (Ba et al. 2016). */
export class LayerNorm extends RowNorm {
  constructor(options?: LayerNormOptions) {
    const hint = 'new nn.LayerNorm(), for the first batch tells the size';
    super('LayerNorm', checkOptions('LayerNorm', options, [...common, 'axis'], hint));
  }

  override forward(x: Tensor): Tensor {
    return this.alongRows(x, true);
  }
}

/** x/√(mean of x² + ε)·γ over one axis of each sample (Zhang and Sennrich 2019). */
export class RMSNorm extends RowNorm {
  constructor(options?: Omit<LayerNormOptions, 'center' | 'betaInitializer'>) {
    const names = common.filter(name => name !== 'center' && name !== 'betaInitializer');
    const given = checkOptions('RMSNorm', options, [...names, 'axis'] as ('axis' | 'epsilon')[]);
    super('RMSNorm', { ...given, center: false }, 1e-6);
  }

  override forward(x: Tensor): Tensor {
    return this.alongRows(x, false);
  }
}

// ---------- over groups of channels

export interface GroupNormOptions extends NormOptions {
  /** How many groups the channels, along axis 1, fall into; 1 by default. */
  numGroups?: number | undefined;
}

/** Normalizes each sample's groups of channels, with all that comes after axis 1 (Wu and He 2018). */
export class GroupNorm extends NormLayer {
  readonly numGroups: number;

  constructor(options?: GroupNormOptions) {
    const given = checkOptions('GroupNorm', options, [...common, 'numGroups']);
    super('GroupNorm', given);
    this.numGroups = checkSize('GroupNorm: numGroups', given.numGroups ?? 1);
    if (this.given !== -1 && this.given % this.numGroups !== 0)
      throw new ArgumentError(`GroupNorm: ${this.given} channels do not fall into ${this.numGroups} equal groups`);
    nameOwn(this);
  }

  override forward(x: Tensor): Tensor {
    this.axisOf(x, 1, 2);
    if ((x.shape[1] as number) % this.numGroups !== 0) {
      throw new ShapeError(
        `${describeBlock(this)} takes channels along axis 1 that fall into ${this.numGroups} equal groups, but its input has shape ${shownShape(x.shape)}`,
      );
    }
    this.settle(x, 1);
    return groupNorm(x, this.numGroups, dataOf(this.gamma), dataOf(this.beta), this.epsilon);
  }

  protected get settings() {
    return { numGroups: this.numGroups, epsilon: this.epsilon };
  }
}

/** Normalizes each channel of each sample, along axis 1, over all that comes after it (Ulyanov et al. 2016). */
export class InstanceNorm extends NormLayer {
  constructor(options?: NormOptions) {
    super('InstanceNorm', checkOptions('InstanceNorm', options, common));
    nameOwn(this);
  }

  override forward(x: Tensor): Tensor {
    this.axisOf(x, 1, 2);
    this.settle(x, 1);
    return groupNorm(x, Math.max(1, x.shape[1] as number), dataOf(this.gamma), dataOf(this.beta), this.epsilon);
  }

  protected get settings() {
    return { epsilon: this.epsilon };
  }
}

// ---------- over a batch

export interface BatchNormOptions extends NormOptions {
  /** The axis of the channels; 1 by default. */
  axis?: number | undefined;
  /** The share of the running statistics that a batch leaves; 0.9 by default. */
  momentum?: number | undefined;
  /** Whether the running statistics are used in training as well, and stay; false by default. */
  useGlobalStats?: boolean | undefined;
  /** Zeros by default. */
  runningMeanInitializer?: InitializerLike | undefined;
  /** Ones by default. */
  runningVarInitializer?: InitializerLike | undefined;
}

/**
 * (x - mean)/√(variance + ε)·γ + β for each channel, over the batch and all other axes (Ioffe and Szegedy 2015). In training
 * mean and variance are the batch's, and the running ones follow: r = momentum·r + (1 - momentum)·batch's, with the
 * variance by n - 1, as PyTorch's. In prediction the running ones are used, and in training as well where both are frozen:
 * `net.collectParams().setAttr('gradReq', 'null')` freezes them with the rest, `'write'` lets them go on.
 */
export class BatchNorm extends NormLayer {
  /** The axis that is normalized, or that of the channels. */
  readonly axis: number;
  readonly momentum: number;
  readonly useGlobalStats: boolean;
  /** The moving average of the batches' means. */
  readonly runningMean: Parameter;
  /** The moving average of the batches' variances. */
  readonly runningVar: Parameter;

  constructor(options?: BatchNormOptions) {
    const given = checkOptions(
      'BatchNorm',
      options,
      [...common, 'axis', 'momentum', 'useGlobalStats', 'runningMeanInitializer', 'runningVarInitializer'],
      'new nn.BatchNorm(), for the first batch tells the number of channels',
    );
    super('BatchNorm', given);
    this.axis = checkInteger('BatchNorm: axis', given.axis ?? 1);
    this.momentum = checkRange('BatchNorm: momentum', given.momentum ?? 0.9, 0, 1);
    this.useGlobalStats = checkBoolean('BatchNorm: useGlobalStats', given.useGlobalStats ?? false);
    const running = (role: ParameterRole, init: InitializerLike | undefined) =>
      new Parameter({ shape: [this.given], role, dtype: given.dtype, init });
    this.runningMean = running('runningMean', given.runningMeanInitializer);
    this.runningVar = running('runningVar', given.runningVarInitializer);
    nameOwn(this);
  }

  override forward(x: Tensor): Tensor {
    const at = this.axisOf(x, this.axis, 2);
    this.settle(x, at);
    const seen = at === 1 ? x : swapAxes(x, at, 1);
    const isBatch = isTraining() && !this.useGlobalStats && !areFrozen(this) && x.size > 0;
    const moments = isBatch ? momentsOf(this, seen) : ([this.runningMean.data(), this.runningVar.data()] as const);
    const y = batchNorm(seen, moments, dataOf(this.gamma), dataOf(this.beta), this.epsilon, isBatch);
    return at === 1 ? y : swapAxes(y, at, 1);
  }

  protected override get vectors(): Parameter[] {
    return [...super.vectors, this.runningMean, this.runningVar];
  }

  protected get settings() {
    const { axis, momentum, epsilon, useGlobalStats } = this;
    const frozenStats = areFrozen(this);
    const flags = { useGlobalStats, frozenStats };
    const shown = Object.entries(flags).filter(([, isOn]) => isOn);
    return { axis, momentum, epsilon, ...Object.fromEntries(shown) };
  }
}

/** Whether the running statistics are to stay as they are. */
function areFrozen({ runningMean, runningVar }: BatchNorm): boolean {
  return parameterInternals.isFrozen(runningMean) && parameterInternals.isFrozen(runningVar);
}

/** The batch's mean and variance; the running ones take their share of them. */
function momentsOf(layer: BatchNorm, x: Tensor): readonly [mean: Tensor, variance: Tensor] {
  return unrecorded(() => {
    const both = batchMoments(x);
    const [mean, variance] = [slice(both, 0), slice(both, 1)];
    // A pass for shapes has no numbers, and what it writes would be written twice.
    if (isShapePass() && !isTracing()) return [mean, variance] as const;
    const count = x.size / (x.shape[1] as number);
    const left = 1 - layer.momentum;
    // variance·n/(n - 1), in numbers that are linear in the batch, so that a plan serves all; one element varies from
    // nothing.
    const unbiased = add(variance, div(variance, Math.max(1, count - 1)));
    follow(layer.runningMean, layer.momentum, mul(mean, left));
    follow(layer.runningVar, layer.momentum, mul(unbiased, left));
    return [mean, variance] as const;
  });
}

function follow(parameter: Parameter, momentum: number, share: Tensor): void {
  if (parameterInternals.isFrozen(parameter)) return;
  const running = parameter.data();
  running.copyFrom(add(mul(running, momentum), share));
}
