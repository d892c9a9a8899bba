import { ArgumentError, ShapeError } from '../../errors.js';
import type { InitializerLike } from '../../init/named.js';
import { type ActivationName, activate } from '../../ops/activations.js';
import { type ConvWindows, conv, convTranspose } from '../../ops/conv.js';
import { reshape } from '../../ops/view.js';
import type { ParameterDict } from '../../parameter/dict.js';
import type { Parameter } from '../../parameter/parameter.js';
import { checkBoolean, checkOptions, checkSize, shown, shownShape } from '../../support/check.js';
import { checkTensor, type Tensor } from '../../tensor/tensor.js';
import { Layer } from '../block/block.js';
import { describeBlock } from '../block/run.js';
import { nameOwn } from '../block/tree.js';
import { checkActivation } from './activation-option.js';
import type { ConvFn, Spatial } from './layer-shapes.js';
import { checkInputDType, settleSize } from './settle.js';
import { checkParams, parameterOf } from './shared-parameters.js';
import { checkSizes, type Sizes, shownSizes } from './window-sizes.js';

interface CommonOptions<I extends number> {
  /** The size of a filter: one number, or one for each dimension. */
  kernelSize: Sizes;
  /** From one place of a filter to the next; 1 by default. */
  strides?: Sizes | undefined;
  /** From one element that a filter sees to the next; 1 by default. */
  dilation?: Sizes | undefined;
  /** How many parts channels and filters fall into, each seeing nothing of the others; 1 by default. */
  groups?: number | undefined;
  /** The number of the input's channels; by default that of the first batch. */
  inChannels?: I | undefined;
  /** Applied to the result; none by default. */
  activation?: ActivationName | undefined;
  /** Whether a bias is added to each channel of the result; true by default. */
  useBias?: boolean | undefined;
  /** 'float32' by default. */
  dtype?: 'float32' | 'float64' | undefined;
  /** Wins over what `initialize` is given. */
  weightInitializer?: InitializerLike | undefined;
  /** Zeros by default. */
  biasInitializer?: InitializerLike | undefined;
  /** Another such layer's `params`, to share its weight and bias. */
  params?: ParameterDict | undefined;
}

export interface ConvOptions<I extends number = number> extends CommonOptions<I> {
  /**
   * The zeros before and after the input; 0 ('valid') by default. 'same': as many as give ⌈size/stride⌉ outputs, an odd
   * one after.
   */
  padding?: Sizes | 'same' | 'valid' | undefined;
}

export interface ConvTransposeOptions<I extends number = number> extends CommonOptions<I> {
  /** The elements that are left out before and after the result; 0 by default. */
  padding?: Sizes | undefined;
  /** The elements that are added after the result, less than a stride or a dilation; 0 by default. */
  outputPadding?: Sizes | undefined;
}

const common = [
  'kernelSize',
  'strides',
  'padding',
  'dilation',
  'groups',
  'inChannels',
  'activation',
  'useBias',
  'dtype',
  'weightInitializer',
  'biasInitializer',
  'params',
] as const;

/** A layer that convolves. */
export abstract class Conv<
  Name extends string = string,
  U extends number = number,
  I extends number = number,
  D extends Spatial = Spatial,
> extends Layer<ConvFn<Name, U, I, D>> {
  /** The channels of the output. */
  readonly channels: U;
  /** The size of the filters along each axis. */
  readonly kernelSize: readonly number[];
  /** The step of the filters along each axis. */
  readonly strides: readonly number[];
  /** The distance of a filter's elements along each axis. */
  readonly dilation: readonly number[];
  /** The number of groups into which the channels are divided. */
  readonly groups: number;
  protected readonly activation: ActivationName | null;
  /** The filters. */
  readonly weight: Parameter;
  /** [channels]; null with `useBias: false`. */
  readonly bias: Parameter | null;

  /** @internal */
  constructor(
    who: string,
    protected readonly rank: number,
    /** Along which axis of the weight the input's channels lie. */
    protected readonly inputAxis: 0 | 1,
    channels: U,
    given: CommonOptions<number>,
  ) {
    super();
    this.channels = channels;
    checkSize(`${who}: channels`, channels);
    if (given.kernelSize === undefined)
      throw new ArgumentError(
        `${who} takes { kernelSize }: a number, or ${rank === 1 ? 'a list of one' : 'two of them'}`,
      );
    this.kernelSize = checkSizes(`${who}: kernelSize`, given.kernelSize, rank, 1);
    this.strides = checkSizes(`${who}: strides`, given.strides ?? 1, rank, 1);
    this.dilation = checkSizes(`${who}: dilation`, given.dilation ?? 1, rank, 1);
    this.groups = checkSize(`${who}: groups`, given.groups ?? 1);
    this.activation = given.activation === undefined ? null : checkActivation(`${who}: activation`, given.activation);
    if (channels % this.groups !== 0)
      throw new ArgumentError(`${who}: ${channels} channels do not fall into ${this.groups} equal groups`);
    const inChannels = given.inChannels === undefined ? -1 : checkSize(`${who}: inChannels`, given.inChannels);
    if (inChannels !== -1 && inChannels % this.groups !== 0)
      throw new ArgumentError(`${who}: ${inChannels} inChannels do not fall into ${this.groups} equal groups`);
    const params = checkParams(who, given.params);
    const { dtype } = given;
    const shape = this.weightShape(inChannels);
    this.weight = parameterOf(who, params, 'weight', { shape, role: 'weight', dtype, init: given.weightInitializer });
    const useBias = checkBoolean(`${who}: useBias`, given.useBias ?? true);
    const bias = { shape: [channels], role: 'bias', dtype, init: given.biasInitializer } as const;
    this.bias = useBias ? parameterOf(who, params?.has('bias') === true ? params : undefined, 'bias', bias) : null;
    nameOwn(this);
  }

  /** The number of the input's channels: -1 until it is known. */
  get inChannels(): number {
    const known = this.weight.shape[this.inputAxis] as number;
    return known === -1 || this.inputAxis === 0 ? known : known * this.groups;
  }

  override forward(x: Tensor): Tensor {
    this.checkInput(x);
    const sizes = x.shape.slice(2);
    const { padding, after, size } = this.place(sizes, x);
    const { strides, dilation, groups, rank } = this;
    const how: ConvWindows = {
      strides: pair(strides, 1),
      padding: pair(padding, 0),
      after: after && pair(after, 0),
      dilation: pair(dilation, 1),
      groups,
    };
    const flat = (t: Tensor): Tensor => (rank === 1 ? reshape(t, t.shape.toSpliced(2, 0, 1)) : t) as Tensor;
    const y = this.convolve(flat(x), flat(this.weight.data() as Tensor), this.bias?.data() ?? null, how, pair(size, 1));
    return rank === 1 ? (reshape(y, y.shape.toSpliced(2, 1)) as Tensor) : y;
  }

  private weightShape(inChannels: number): number[] {
    const { channels, groups, kernelSize, inputAxis } = this;
    if (inputAxis === 0) return [inChannels, channels / groups, ...kernelSize];
    return [channels, inChannels === -1 ? -1 : inChannels / groups, ...kernelSize];
  }

  private checkInput(x: Tensor): void {
    const { rank, weight, bias, groups, inChannels, inputAxis } = this;
    checkTensor(() => describeBlock(this), x);
    if (x.ndim !== rank + 2) {
      throw new ShapeError(
        `${describeBlock(this)} takes an input of ${rank + 2} dimensions, [batch, channels, ${rank === 1 ? 'length' : 'height, width'}], but its input has shape ${shownShape(x.shape)}`,
      );
    }
    const channels = x.shape[1] as number;
    if (channels > 0 && (inChannels === -1 || inChannels === channels) && channels % groups !== 0) {
      throw new ShapeError(
        `${describeBlock(this)} has ${groups} groups, which the ${channels} channels of its input, of shape ${shownShape(x.shape)}, do not fall into`,
      );
    }
    settleSize(this, weight, inputAxis, channels, 'channel', x, inputAxis === 0 ? 1 : groups);
    for (const parameter of bias === null ? [weight] : [weight, bias]) checkInputDType(this, parameter, x);
  }

  /** The zeros in front of the input, those after it where their number is the same for all sizes, and how many outputs there are. */
  protected abstract place(
    sizes: readonly number[],
    x: Tensor,
  ): { padding: readonly number[]; after?: readonly number[] | undefined; size: readonly number[] };
  protected abstract convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | null,
    how: ConvWindows,
    size: readonly [number, number],
  ): Tensor;
  protected abstract get settings(): string;

  override describe(): string {
    const { kernelSize, strides, dilation, groups, activation } = this;
    const parts = [
      `${this.inChannels} -> ${this.channels}`,
      `kernelSize = ${shownSizes(kernelSize)}`,
      `strides = ${shownSizes(strides)}`,
      this.settings,
    ];
    if (dilation.some(d => d !== 1)) parts.push(`dilation = ${shownSizes(dilation)}`);
    if (groups !== 1) parts.push(`groups = ${groups}`);
    if (activation !== null) parts.push(`Activation(${activation})`);
    return parts.join(', ');
  }
}

/** One dimension is convolved as rows of one line. */
function pair(list: readonly number[], one: number): readonly [number, number] {
  return (list.length === 1 ? [one, list[0]] : list) as readonly [number, number];
}

// ---------- from the input on

/** Whether 'same' puts as many zeros in front of an input of any size: what is left of the last window varies with a stride. */
function hasOnePadding(reach: number, stride: number): boolean {
  const before = Array.from({ length: stride }, (_, rest) => Math.floor(Math.max(0, reach - (rest || stride)) / 2));
  return before.every(n => n === before[0]);
}

abstract class Convolution<Name extends string, U extends number, I extends number, D extends Spatial> extends Conv<
  Name,
  U,
  I,
  D
> {
  readonly padding: readonly number[] | 'same';

  /** @internal */
  constructor(who: string, rank: number, channels: U, options: ConvOptions) {
    const given = checkOptions(who, options, common, `new ${who}(channels, { kernelSize })`) as ConvOptions;
    super(who, rank, 1, channels, given);
    const padding = given.padding === 'valid' ? 0 : (given.padding ?? 0);
    if (typeof padding === 'string' && padding !== 'same')
      throw new ArgumentError(
        `${who}: padding takes a number, ${rank === 1 ? '' : 'two of them, '}'same' or 'valid', but got ${shown(padding)}`,
      );
    this.padding = padding === 'same' ? padding : checkSizes(`${who}: padding`, padding, rank, 0);
  }

  protected place(sizes: readonly number[], x: Tensor) {
    const { kernelSize, strides, dilation } = this;
    const reach = kernelSize.map((k, d) => (k - 1) * (dilation[d] as number) + 1);
    if (this.padding === 'same') {
      const size = sizes.map((n, d) => Math.ceil(n / (strides[d] as number)));
      const padding = sizes.map((n, d) => {
        const all = ((size[d] as number) - 1) * (strides[d] as number) + (reach[d] as number) - n;
        return Math.max(0, Math.floor(all / 2));
      });
      const isSteady = reach.every((n, d) => hasOnePadding(n, strides[d] as number));
      return { padding, ...(isSteady && { after: reach.map((n, d) => n - 1 - (padding[d] as number)) }), size };
    }
    const { padding } = this;
    const size = sizes.map((n, d) => {
      const room = n + 2 * (padding[d] as number) - (reach[d] as number);
      if (room >= 0) return Math.floor(room / (strides[d] as number)) + 1;
      const around = padding.some(p => p > 0) ? ` with padding ${shown([...padding])}` : '';
      const apart = dilation.some(p => p > 1) ? `, ${shown([...dilation])} apart` : '';
      throw new ShapeError(
        `${describeBlock(this)} has filters of ${shown([...kernelSize])}${apart}, which its input of shape ${shownShape(x.shape)}${around} is too small for`,
      );
    });
    return { padding, after: padding, size };
  }

  protected convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | null,
    how: ConvWindows,
    size: readonly [number, number],
  ): Tensor {
    return conv(x, weight, bias, how, size, this.activation);
  }

  protected get settings(): string {
    return `padding = ${this.padding === 'same' ? 'same' : shownSizes(this.padding)}`;
  }
}

class Conv1DLayer<U extends number, I extends number> extends Convolution<'Conv1D', U, I, 1> {
  static override readonly name = 'Conv1D';
  constructor(channels: U, options: ConvOptions<I>) {
    super('Conv1D', 1, channels, options);
  }
}

/**
 * y[n, k, i] = f(b[k] + Σ W[k, c, r]·x[n, c, i·stride + r·dilation - padding]) for x[batch, channels, length] and
 * W[channels, inputs/groups, kernelSize]. The number of the input's channels is that of the first batch unless given.
 */
export interface Conv1D<U extends number = number, I extends number = number> extends Conv1DLayer<U, I> {}
export const Conv1D: {
  new <U extends number, I extends number = number>(channels: U, options: ConvOptions<I>): Conv1D<U, NoInfer<I>>;
  new (channels: number, options: ConvOptions): Conv1D;
} = Conv1DLayer;
class Conv2DLayer<U extends number, I extends number> extends Convolution<'Conv2D', U, I, 2> {
  static override readonly name = 'Conv2D';
  constructor(channels: U, options: ConvOptions<I>) {
    super('Conv2D', 2, channels, options);
  }
}

/**
 * y[n, k, i, j] = f(b[k] + Σ W[k, c, r, s]·x[n, c, i·stride + r·dilation - padding, …]) for
 * x[batch, channels, height, width] and W[channels, inputs/groups, …kernelSize], ⌊(size + 2·padding - reach)/stride⌋ + 1
 * outputs in each dimension, with reach = (kernelSize - 1)·dilation + 1. The number of the input's channels is that of the
 * first batch unless given. Raises ShapeError when a later batch has another, or when a filter doesn't fit.
 *
 * ```ts
 * const layer = new nn.Conv2D(16, { kernelSize: 3, padding: 'same', activation: 'relu' });
 * ```
 */
export interface Conv2D<U extends number = number, I extends number = number> extends Conv2DLayer<U, I> {}
export const Conv2D: {
  new <U extends number, I extends number = number>(channels: U, options: ConvOptions<I>): Conv2D<U, NoInfer<I>>;
  new (channels: number, options: ConvOptions): Conv2D;
} = Conv2DLayer;

// ---------- back to the input

abstract class Transpose<Name extends string, U extends number, I extends number, D extends Spatial> extends Conv<
  Name,
  U,
  I,
  D
> {
  readonly padding: readonly number[];
  readonly outputPadding: readonly number[];

  /** @internal */
  constructor(who: string, rank: number, channels: U, options: ConvTransposeOptions) {
    const given = checkOptions(
      who,
      options,
      [...common, 'outputPadding'],
      `new ${who}(channels, { kernelSize })`,
    ) as ConvTransposeOptions;
    super(who, rank, 0, channels, given);
    this.padding = checkSizes(`${who}: padding`, given.padding ?? 0, rank, 0);
    this.outputPadding = checkSizes(`${who}: outputPadding`, given.outputPadding ?? 0, rank, 0);
    this.outputPadding.forEach((more, d) => {
      if (more < Math.max(this.strides[d] as number, this.dilation[d] as number) || more === 0) return;
      throw new ArgumentError(
        `${who}: outputPadding takes less than the stride or the dilation, but got ${shown([...this.outputPadding])} for strides ${shown([...this.strides])}`,
      );
    });
  }

  protected place(sizes: readonly number[], x: Tensor) {
    const { kernelSize, strides, dilation, padding, outputPadding } = this;
    const size = sizes.map((n, d) => {
      const [k, step, gap] = [kernelSize[d], strides[d], dilation[d]] as [number, number, number];
      const outputs = (n - 1) * step - 2 * (padding[d] as number) + (k - 1) * gap + 1 + (outputPadding[d] as number);
      if (outputs >= 1 && n > 0) return outputs;
      throw new ShapeError(
        `${describeBlock(this)} leaves nothing of its input of shape ${shownShape(x.shape)}: filters of ${shown([...kernelSize])} with padding ${shown([...padding])} give ${outputs} along axis ${d + 2}`,
      );
    });
    return { padding, size };
  }

  protected convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | null,
    how: ConvWindows,
    size: readonly [number, number],
  ): Tensor {
    const y = convTranspose(x, weight, bias, how, size);
    return this.activation === null ? y : activate(this.activation, y);
  }

  protected get settings(): string {
    const more = this.outputPadding.some(p => p > 0) ? `, outputPadding = ${shownSizes(this.outputPadding)}` : '';
    return `padding = ${shownSizes(this.padding)}${more}`;
  }
}

class Conv1DTransposeLayer<U extends number, I extends number> extends Transpose<'Conv1DTranspose', U, I, 1> {
  static override readonly name = 'Conv1DTranspose';
  constructor(channels: U, options: ConvTransposeOptions<I>) {
    super('Conv1DTranspose', 1, channels, options);
  }
}

/** As Conv2DTranspose, for x[batch, channels, length] and W[inputs, channels/groups, kernelSize]. */
export interface Conv1DTranspose<U extends number = number, I extends number = number>
  extends Conv1DTransposeLayer<U, I> {}
export const Conv1DTranspose: {
  new <U extends number, I extends number = number>(
    channels: U,
    options: ConvTransposeOptions<I>,
  ): Conv1DTranspose<U, NoInfer<I>>;
  new (channels: number, options: ConvTransposeOptions): Conv1DTranspose;
} = Conv1DTransposeLayer;

class Conv2DTransposeLayer<U extends number, I extends number> extends Transpose<'Conv2DTranspose', U, I, 2> {
  static override readonly name = 'Conv2DTranspose';
  constructor(channels: U, options: ConvTransposeOptions<I>) {
    super('Conv2DTranspose', 2, channels, options);
  }
}

/**
 * The transposed convolution: the gradient of a Conv2D with respect to its input, used for upsampling. Each x[n, c, i, j]
 * adds W[c, k, r, s]·x to y[n, k, i·stride + r·dilation - padding, …], for x[batch, channels, height, width] and W[inputs,
 * channels/groups, …kernelSize]; (size - 1)·stride - 2·padding + (kernelSize - 1)·dilation + 1 + outputPadding outputs in
 * each dimension.
 */
export interface Conv2DTranspose<U extends number = number, I extends number = number>
  extends Conv2DTransposeLayer<U, I> {}
export const Conv2DTranspose: {
  new <U extends number, I extends number = number>(
    channels: U,
    options: ConvTransposeOptions<I>,
  ): Conv2DTranspose<U, NoInfer<I>>;
  new (channels: number, options: ConvTransposeOptions): Conv2DTranspose;
} = Conv2DTransposeLayer;
