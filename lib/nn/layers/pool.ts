import { ArgumentError, DTypeError, ShapeError } from '../../errors.js';
import { avgPool, maxPool, type Windows } from '../../ops/pool.js';
import { max, mean } from '../../ops/reduce.js';
import { reshape } from '../../ops/view.js';
import { checkBoolean, checkOptions, shown, shownShape } from '../../support/check.js';
import { isFloat } from '../../tensor/dtype.js';
import { checkTensor, type Tensor } from '../../tensor/tensor.js';
import { type BlockBase, Layer } from '../block/block.js';
import { describeBlock } from '../block/run.js';
import type { GlobalPoolFn, PoolFn, Spatial } from './layer-shapes.js';
import { checkSizes, type Sizes, shownSizes } from './window-sizes.js';

export interface PoolOptions {
  /** The size of a window; 2 by default. */
  poolSize?: Sizes | undefined;
  /** From one window to the next; the window's size by default. */
  strides?: Sizes | undefined;
  /** The padding before and after the input, at most half a window; 0 by default. */
  padding?: Sizes | undefined;
  /** Whether a last window that reaches beyond the input counts; false by default. */
  ceilMode?: boolean | undefined;
}

export interface AvgPoolOptions extends PoolOptions {
  /** Whether padding counts as elements, zeros; true by default. */
  countIncludePad?: boolean | undefined;
}

const common = ['poolSize', 'strides', 'padding', 'ceilMode'] as const;

/** A layer that pools. */
export abstract class Pool<Name extends string = string, D extends Spatial = Spatial> extends Layer<PoolFn<Name, D>> {
  /** The size of the windows along each axis. */
  readonly poolSize: readonly number[];
  /** The step of the windows along each axis. */
  readonly strides: readonly number[];
  /** The padding of the input along each axis. */
  readonly padding: readonly number[];
  /** Whether a last, partial window counts. */
  readonly ceilMode: boolean;

  /** @internal */
  constructor(
    who: string,
    protected readonly rank: number,
    given: PoolOptions,
  ) {
    super();
    this.poolSize = checkSizes(`${who}: poolSize`, given.poolSize ?? 2, rank, 1);
    this.strides = given.strides === undefined ? this.poolSize : checkSizes(`${who}: strides`, given.strides, rank, 1);
    this.padding = checkSizes(`${who}: padding`, given.padding ?? 0, rank, 0);
    this.ceilMode = checkBoolean(`${who}: ceilMode`, given.ceilMode ?? false);
    this.padding.forEach((before, d) => {
      if (2 * before > (this.poolSize[d] as number))
        throw new ArgumentError(
          `${who}: padding takes at most half of the window, but got ${shown([...this.padding])} for windows of ${shown([...this.poolSize])}`,
        );
    });
  }

  protected abstract pool(x: Tensor, windows: Windows): Tensor;
  protected get countsOutside(): boolean {
    return true;
  }

  override forward(x: Tensor): Tensor {
    checkInput(this, x, this.rank);
    const { poolSize, strides, padding } = this;
    const sizes = x.shape.slice(2);
    const count = sizes.map((size, d) => windowsAlong(this, x, size, d));
    // One dimension is pooled as rows of one line.
    const pair = (list: readonly number[], one: number) =>
      (this.rank === 1 ? [one, list[0]] : list) as readonly [number, number];
    const windows: Windows = {
      size: pair(poolSize, 1),
      strides: pair(strides, 1),
      padding: pair(padding, 0),
      after: pair(
        padding.map((n, d) => (this.ceilMode ? n + (strides[d] as number) - 1 : n)),
        0,
      ),
      count: pair(count, 1),
      countsOutside: this.countsOutside,
    };
    const planes: Tensor = this.rank === 1 ? reshape(x, [...x.shape.slice(0, 2), 1, sizes[0] as number]) : x;
    const y = this.pool(planes, windows);
    return this.rank === 1 ? (reshape(y, [...x.shape.slice(0, 2), count[0] as number]) as Tensor) : y;
  }

  override describe(): string {
    const { poolSize, strides, padding, ceilMode } = this;
    return `size = ${shownSizes(poolSize)}, strides = ${shownSizes(strides)}, padding = ${shownSizes(padding)}${ceilMode ? ', ceilMode = true' : ''}`;
  }
}

// Functions, not private methods: a clone is made without the constructor, and would lack these.

function checkInput(layer: BlockBase, x: Tensor, rank: number): void {
  const name = (): string => describeBlock(layer);
  checkTensor(name, x);
  if (x.ndim !== rank + 2) {
    throw new ShapeError(
      `${name()} takes an input of ${rank + 2} dimensions, [batch, channels, ${rank === 1 ? 'length' : 'height, width'}], but its input has shape ${shownShape(x.shape)}`,
    );
  }
  if (!isFloat(x.dtype)) throw new DTypeError(`${name()} takes float input, but got ${x.dtype}; cast it first`);
}

function windowsAlong(layer: Pool, x: Tensor, size: number, d: number): number {
  const [window, step, before] = [layer.poolSize[d], layer.strides[d], layer.padding[d]] as [number, number, number];
  const room = size + 2 * before - window;
  if (room < 0) {
    throw new ShapeError(
      `${describeBlock(layer)} has windows of ${shown([...layer.poolSize])}, which its input of shape ${shownShape(x.shape)} with padding ${shown([...layer.padding])} is too small for`,
    );
  }
  if (!layer.ceilMode) return Math.floor(room / step) + 1;
  const count = Math.ceil(room / step) + 1;
  // A window that begins after the input and what is in front of it holds nothing.
  return (count - 1) * step >= size + before ? count - 1 : count;
}

abstract class MaxPool<Name extends string, D extends Spatial> extends Pool<Name, D> {
  constructor(who: string, rank: number, options?: PoolOptions) {
    super(who, rank, checkOptions(who, options, common));
  }
  protected pool(x: Tensor, windows: Windows): Tensor {
    return maxPool(x, windows);
  }
}

abstract class AvgPool<Name extends string, D extends Spatial> extends Pool<Name, D> {
  readonly countIncludePad: boolean;
  constructor(who: string, rank: number, options?: AvgPoolOptions) {
    const given = checkOptions(who, options, [...common, 'countIncludePad']);
    super(who, rank, given);
    this.countIncludePad = checkBoolean(`${who}: countIncludePad`, given.countIncludePad ?? true);
  }
  protected override get countsOutside(): boolean {
    return this.countIncludePad;
  }
  protected pool(x: Tensor, windows: Windows): Tensor {
    return avgPool(x, windows);
  }
}

/** The largest element of each window of x[batch, channels, length]. */
export class MaxPool1D extends MaxPool<'MaxPool1D', 1> {
  constructor(options?: PoolOptions) {
    super('MaxPool1D', 1, options);
  }
}
/** The largest element of each window of x[batch, channels, height, width]. */
export class MaxPool2D extends MaxPool<'MaxPool2D', 2> {
  constructor(options?: PoolOptions) {
    super('MaxPool2D', 2, options);
  }
}
/** The mean of each window of x[batch, channels, length]. */
export class AvgPool1D extends AvgPool<'AvgPool1D', 1> {
  constructor(options?: AvgPoolOptions) {
    super('AvgPool1D', 1, options);
  }
}
/** The mean of each window of x[batch, channels, height, width]. */
export class AvgPool2D extends AvgPool<'AvgPool2D', 2> {
  constructor(options?: AvgPoolOptions) {
    super('AvgPool2D', 2, options);
  }
}

// ---------- over all of a channel

/** A layer that leaves one number of each channel. */
export abstract class GlobalPool<Name extends string = string, D extends Spatial = Spatial> extends Layer<
  GlobalPoolFn<Name, D>
> {
  /** @internal */
  constructor(
    protected readonly rank: number,
    protected readonly isAverage: boolean,
  ) {
    super();
  }
  override forward(x: Tensor): Tensor {
    checkInput(this, x, this.rank);
    const over = { axis: x.shape.map((_, d) => d).slice(2), keepdims: true } as const;
    if (x.shape.slice(2).includes(0))
      throw new ShapeError(
        `${describeBlock(this)} takes channels that are not empty, but its input has shape ${shownShape(x.shape)}`,
      );
    return (this.isAverage ? mean(x, over) : max(x, over)) as Tensor;
  }
}

/** The largest element of each channel: x[batch, channels, length] → y[batch, channels, 1]. */
export class GlobalMaxPool1D extends GlobalPool<'GlobalMaxPool1D', 1> {
  constructor() {
    super(1, false);
  }
}
/** The largest element of each channel: x[batch, channels, height, width] → y[batch, channels, 1, 1]. */
export class GlobalMaxPool2D extends GlobalPool<'GlobalMaxPool2D', 2> {
  constructor() {
    super(2, false);
  }
}
/** The mean of each channel: x[batch, channels, length] → y[batch, channels, 1]. */
export class GlobalAvgPool1D extends GlobalPool<'GlobalAvgPool1D', 1> {
  constructor() {
    super(1, true);
  }
}
/** The mean of each channel: x[batch, channels, height, width] → y[batch, channels, 1, 1]. */
export class GlobalAvgPool2D extends GlobalPool<'GlobalAvgPool2D', 2> {
  constructor() {
    super(2, true);
  }
}
