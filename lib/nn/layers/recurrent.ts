import { ArgumentError, DTypeError, ShapeError } from '../../errors.js';
import type { InitializerLike } from '../../init/named.js';
import { add } from '../../ops/binary.js';
import { less } from '../../ops/compare.js';
import { arange, zeros } from '../../ops/create.js';
import { dense } from '../../ops/dense.js';
import { concat, stack } from '../../ops/join.js';
import { gateCount, type RecurrentKind, type RecurrentResult, recurrent } from '../../ops/recurrent.js';
import { where } from '../../ops/select.js';
import { expandDims, reshape, slice, swapAxes } from '../../ops/view.js';
import { Parameter } from '../../parameter/parameter.js';
import {
  checkBoolean,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkRange,
  checkSize,
  shown,
  shownShape,
} from '../../support/check.js';
import type { Dt, Sh } from '../../tensor/shape-types.js';
import { checkTensor, isTensor, type Tensor } from '../../tensor/tensor.js';
import { type BlockBase, CallableBlock } from '../block/block.js';
import { describeBlock } from '../block/run.js';
import type { fn, LayerCheck } from '../block/shape-functions.js';
import { nameOwn } from '../block/tree.js';
import { drop } from './drop.js';
import type { RecurrentFn, RecurrentOut } from './layer-shapes.js';
import { checkInputDType, settleSize } from './settle.js';

interface CommonOptions<I extends number = number> {
  /** The size of the input's last axis; by default that of the first batch. */
  inputSize?: I | undefined;
  /** Whether biases are added; true by default. */
  useBias?: boolean | undefined;
  /** 'float32' by default. */
  dtype?: 'float32' | 'float64' | undefined;
  /** Of the weights for the input; wins over what `initialize` is given, as do the others. */
  i2hWeightInitializer?: InitializerLike | undefined;
  /** Of the weights for the state. */
  h2hWeightInitializer?: InitializerLike | undefined;
  /** Zeros by default. */
  i2hBiasInitializer?: InitializerLike | undefined;
  /** Zeros by default. */
  h2hBiasInitializer?: InitializerLike | undefined;
}

export interface RecurrentOptions<B extends boolean = boolean, I extends number = number> extends CommonOptions<I> {
  /** How many layers lie above each other; 1 by default, 1024 at most. */
  numLayers?: number | undefined;
  /** Whether each layer also reads the sequence from its end, its results beside the others; false by default. */
  bidirectional?: B | undefined;
  /** The share of each layer's results but the last's that is dropped in training; 0 by default. */
  dropout?: number | undefined;
  /** Where time and batch lie: 'TNC' (default) [steps, batch, units], or 'NTC'. */
  layout?: 'TNC' | 'NTC' | undefined;
}

export interface RNNOptions<B extends boolean = boolean, I extends number = number> extends RecurrentOptions<B, I> {
  /** 'tanh' (default) or 'relu'. */
  activation?: 'tanh' | 'relu' | undefined;
}

/** The states between sequences: [h], for an LSTM [h, c]; of one state the tensor itself will do. */
export type States = Tensor | readonly Tensor[];

const common = [
  'inputSize',
  'useBias',
  'dtype',
  'i2hWeightInitializer',
  'h2hWeightInitializer',
  'i2hBiasInitializer',
  'h2hBiasInitializer',
] as const;

/** One direction of one layer, or a cell: its four parameters, under PyTorch's names. */
interface Set {
  readonly inputWeight: Parameter;
  readonly stateWeight: Parameter;
  readonly inputBias: Parameter | null;
  readonly stateBias: Parameter | null;
}

function makeSet(
  block: object,
  suffix: string,
  [gates, size, inputs]: readonly [number, number, number],
  useBias: boolean,
  given: CommonOptions,
): Set {
  const own = block as Record<string, Parameter>;
  const make = (name: string, shape: number[], role: 'weight' | 'bias', init: InitializerLike | undefined) => {
    const parameter = new Parameter({ shape, role, dtype: given.dtype, init });
    own[`${name}${suffix}`] = parameter;
    return parameter;
  };
  const all = gates * size;
  return {
    inputWeight: make('weight_ih', [all, inputs], 'weight', given.i2hWeightInitializer),
    stateWeight: make('weight_hh', [all, size], 'weight', given.h2hWeightInitializer),
    inputBias: useBias ? make('bias_ih', [all], 'bias', given.i2hBiasInitializer) : null,
    stateBias: useBias ? make('bias_hh', [all], 'bias', given.h2hBiasInitializer) : null,
  };
}

function setOf(block: object, suffix: string): Set {
  const own = block as Record<string, Parameter | undefined>;
  return {
    inputWeight: own[`weight_ih${suffix}`] as Parameter,
    stateWeight: own[`weight_hh${suffix}`] as Parameter,
    inputBias: own[`bias_ih${suffix}`] ?? null,
    stateBias: own[`bias_hh${suffix}`] ?? null,
  };
}

/** x[steps, batch, units] through one direction of one layer. */
function run(
  kind: RecurrentKind,
  set: Set,
  x: Tensor,
  states: readonly Tensor[],
  backwards: boolean,
  lengths: Tensor | null,
): RecurrentResult {
  const [steps, batch, inputs] = x.shape as readonly [number, number, number];
  const [inputBias, stateBias] = [set.inputBias?.data() ?? null, set.stateBias?.data() ?? null] as [
    Tensor | null,
    Tensor | null,
  ];
  const stateWeight = set.stateWeight.data() as Tensor;
  const all = stateWeight.shape[0] as number;
  // A GRU's reset gate multiplies the state's part alone, so its bias comes with that.
  const isGru = kind === 'gru';
  const before: Tensor | null =
    isGru || stateBias === null || inputBias === null ? inputBias : add(inputBias, stateBias);
  const later = isGru ? (stateBias ?? (zeros([all], { dtype: x.dtype as 'float32' }) as Tensor)) : null;
  const rows = reshape(x, [steps * batch, inputs]) as Tensor;
  const input = reshape(dense(rows, set.inputWeight.data() as Tensor, before), [steps, batch, all]) as Tensor;
  return recurrent(kind, input, stateWeight, later, states, backwards, lengths);
}

/** Holds the input's size and type to a weight, or tells it the size. */
function settle(block: BlockBase, weight: Parameter, x: Tensor): void {
  settleSize(block, weight, 1, x.shape[x.ndim - 1] as number, 'input unit', x);
  checkInputDType(block, weight, x);
}

/** States as a list of as many as the kind has, each of the shape that it must have. */
function checkStates(
  block: BlockBase,
  states: States,
  count: number,
  shape: readonly number[],
  dtype: string,
): readonly Tensor[] {
  const name = (): string => describeBlock(block);
  const list = isTensor(states) ? [states] : states;
  if (!Array.isArray(list) || list.length !== count)
    throw new ArgumentError(
      `${name()} takes ${count === 1 ? 'one state, or a list of it' : 'the states as a list [h, c]'}, but got ${shown(states)}`,
    );
  for (const state of list) {
    checkTensor(() => `${name()}: states`, state);
    if (state.ndim !== shape.length || state.shape.some((n: number, d: number) => n !== shape[d]))
      throw new ShapeError(
        `${name()} takes states of shape ${shownShape(shape)}, but got one of shape ${shownShape(state.shape)}`,
      );
    if (state.dtype !== dtype) throw new DTypeError(`${name()} takes ${dtype} states, but got one of ${state.dtype}`);
  }
  return list;
}

// ---------- layers

/** How a layer over a sequence is called. */
interface RecurrentCall<Name extends string, H extends number, B extends boolean, I extends number> extends BlockBase {
  <T extends Tensor>(x: T & LayerCheck<RecurrentFn<Name, H, B, I>, Sh<T>>): Tensor<RecurrentOut<Sh<T>, H, B>, Dt<T>>;
  (x: Tensor, states: States, sequenceLength?: Tensor): [y: Tensor, states: Tensor[]];
  (x: Tensor, states: undefined, sequenceLength: Tensor): Tensor;
  readonly [fn]?: RecurrentFn<Name, H, B, I>;
}

/** Each layer is parameters of its own, made at once: far more than any net has. */
const MOST_LAYERS = 1024;

const stateCount = (kind: RecurrentKind): number => (kind === 'lstm' ? 2 : 1);
const suffixOf = (layer: number, backwards: boolean): string => `_l${layer}${backwards ? '_reverse' : ''}`;

/** A layer over a sequence. */
export abstract class Recurrent<
  Name extends string = string,
  H extends number = number,
  B extends boolean = boolean,
  I extends number = number,
> extends CallableBlock<RecurrentCall<Name, H, B, I>> {
  /** The size of the state. */
  readonly hiddenSize: H;
  /** The number of layers, one above the other. */
  readonly numLayers: number;
  /** Whether each layer also reads the sequence from its end. */
  readonly bidirectional: boolean;
  /** The order of the input's axes: time, batch, channels or batch, time, channels. */
  readonly layout: 'TNC' | 'NTC';
  protected readonly dropout: number;

  /** @internal */
  constructor(
    protected readonly kind: RecurrentKind,
    who: string,
    hiddenSize: H,
    given: RecurrentOptions,
  ) {
    super();
    this.hiddenSize = hiddenSize;
    checkSize(`${who}: hiddenSize`, hiddenSize);
    this.numLayers = checkInteger(`${who}: numLayers`, given.numLayers ?? 1, 1, MOST_LAYERS);
    this.bidirectional = checkBoolean(`${who}: bidirectional`, given.bidirectional ?? false);
    this.layout = checkOneOf(`${who}: layout`, given.layout ?? 'TNC', ['TNC', 'NTC']);
    const inputSize = given.inputSize === undefined ? -1 : checkSize(`${who}: inputSize`, given.inputSize);
    const useBias = checkBoolean(`${who}: useBias`, given.useBias ?? true);
    const directions = this.bidirectional ? [false, true] : [false];
    for (let layer = 0; layer < this.numLayers; layer++) {
      const inputs = layer === 0 ? inputSize : hiddenSize * directions.length;
      for (const backwards of directions)
        makeSet(this, suffixOf(layer, backwards), [gateCount[kind], hiddenSize, inputs], useBias, given);
    }
    this.dropout = checkRange(`${who}: dropout`, given.dropout ?? 0, 0, 1);
    nameOwn(this);
  }

  /** The size of the input's last axis: -1 until it is known. */
  get inputSize(): number {
    return setOf(this, suffixOf(0, false)).inputWeight.shape[1] as number;
  }

  /** Zeros to begin with: [h], for an LSTM [h, c], each [layers·directions, batch, hiddenSize]. */
  beginState(batchSize: number): Tensor[] {
    const { kind, numLayers, bidirectional, hiddenSize } = this;
    const { dtype } = setOf(this, suffixOf(0, false)).inputWeight;
    const batch = checkSize(`${this.name}.beginState: batchSize`, batchSize, 0);
    const shape = [numLayers * (bidirectional ? 2 : 1), batch, hiddenSize];
    return Array.from({ length: stateCount(kind) }, () => zeros(shape, { dtype: dtype as 'float32' }) as Tensor);
  }

  override forward(x: Tensor, states?: States, sequenceLength?: Tensor): Tensor | [Tensor, Tensor[]] {
    const name = (): string => describeBlock(this);
    const { kind, layout, numLayers, bidirectional, hiddenSize } = this;
    if (checkTensor(name, x).ndim !== 3) {
      throw new ShapeError(
        `${name()} takes an input of 3 dimensions, ${layout === 'TNC' ? '[steps, batch, units]' : '[batch, steps, units]'}, but its input has shape ${shownShape(x.shape)}`,
      );
    }
    const directions = bidirectional ? [false, true] : [false];
    for (const backwards of directions) settle(this, setOf(this, suffixOf(0, backwards)).inputWeight, x);
    let y: Tensor = layout === 'TNC' ? x : swapAxes(x, 0, 1);
    const [steps, batch] = y.shape as readonly [number, number];
    const shape = [numLayers * directions.length, batch, hiddenSize];
    const first = states === undefined ? null : checkStates(this, states, stateCount(kind), shape, x.dtype);
    const lengths = sequenceLength === undefined ? null : lengthsOf(this, sequenceLength, batch);
    const inside =
      lengths === null ? null : (expandDims(less(expandDims(arange(steps), 1), lengths) as Tensor, 2) as Tensor);
    // Selected, for 0 times what is not finite would reach the weights' gradients.
    if (inside !== null) y = where(inside, y, 0) as Tensor;
    const nothing = first === null ? (zeros([batch, hiddenSize], { dtype: x.dtype as 'float32' }) as Tensor) : null;
    const last: Tensor[][] = [];
    for (let layer = 0; layer < numLayers; layer++) {
      if (layer > 0) y = drop(y, this.dropout);
      const results = directions.map((backwards, d) => {
        const at = layer * directions.length + d;
        const begin = Array.from({ length: stateCount(kind) }, (_, i) =>
          first === null ? (nothing as Tensor) : (slice(first[i] as Tensor, at) as Tensor),
        );
        const result = run(kind, setOf(this, suffixOf(layer, backwards)), y, begin, backwards, lengths);
        last.push([...result.last]);
        return inside === null ? result.y : (where(inside, result.y, 0) as Tensor);
      });
      y = results.length === 1 ? (results[0] as Tensor) : (concat(results, { axis: 2 }) as Tensor);
    }
    if (layout === 'NTC') y = swapAxes(y, 0, 1);
    if (first === null) return y;
    return [y, first.map((_, i) => stack(last.map(list => list[i] as Tensor)) as Tensor)];
  }

  override describe(): string {
    const { inputSize, hiddenSize, numLayers, bidirectional, layout, dropout } = this;
    const parts = [`${inputSize} -> ${hiddenSize}`, layout];
    if (numLayers > 1) parts.push(`numLayers = ${numLayers}`);
    if (bidirectional) parts.push('bidirectional');
    if (dropout > 0) parts.push(`dropout = ${dropout}`);
    return parts.join(', ');
  }
}

function lengthsOf(layer: BlockBase, lengths: Tensor, batch: number): Tensor {
  const name = (): string => describeBlock(layer);
  checkTensor(() => `${name()}: sequenceLength`, lengths);
  if (lengths.dtype !== 'int32')
    throw new DTypeError(`${name()}: sequenceLength takes int32, but got ${lengths.dtype}; cast('int32') it`);
  if (lengths.ndim !== 1 || lengths.shape[0] !== batch)
    throw new ShapeError(
      `${name()}: sequenceLength takes one number for each of ${batch} samples, but got shape ${shownShape(lengths.shape)}`,
    );
  return lengths;
}

const layerOptions = [...common, 'numLayers', 'bidirectional', 'dropout', 'layout'] as const;

class RNNLayer<H extends number, B extends boolean, I extends number> extends Recurrent<'RNN', H, B, I> {
  static override readonly name = 'RNN';
  readonly activation: 'tanh' | 'relu';
  constructor(hiddenSize: H, options?: RNNOptions<B, I>) {
    const given = checkOptions('RNN', options, [...layerOptions, 'activation'], 'new RNN(hiddenSize)');
    const activation = checkOneOf('RNN: activation', given.activation ?? 'tanh', ['tanh', 'relu']);
    super(activation === 'tanh' ? 'rnnTanh' : 'rnnRelu', 'RNN', hiddenSize, given);
    this.activation = activation;
  }
  override describe(): string {
    return `${super.describe()}, Activation(${this.activation})`;
  }
}

/**
 * h' = f(W_ih·x + b_ih + W_hh·h + b_hh) along x[steps, batch, units] → y[steps, batch, hiddenSize] (twice that with both
 * directions). The input's size is that of the first batch unless given. Without states they begin as zeros, and y alone
 * comes back; with states, so do the last ones. With `sequenceLength`, int32 for each sample, steps after it give zeros.
 */
export interface RNN<H extends number = number, B extends boolean = boolean, I extends number = number>
  extends RNNLayer<H, B, I> {}
export const RNN: {
  new <H extends number, B extends boolean = false, I extends number = number>(
    hiddenSize: H,
    options?: RNNOptions<B, I>,
  ): RNN<H, NoInfer<B>, NoInfer<I>>;
  new (hiddenSize: number, options?: RNNOptions): RNN;
} = RNNLayer;

class LSTMLayer<H extends number, B extends boolean, I extends number> extends Recurrent<'LSTM', H, B, I> {
  static override readonly name = 'LSTM';
  constructor(hiddenSize: H, options?: RecurrentOptions<B, I>) {
    super('lstm', 'LSTM', hiddenSize, checkOptions('LSTM', options, layerOptions, 'new LSTM(hiddenSize)'));
  }
}

/**
 * i = σ(…), f = σ(…), g = tanh(…), o = σ(…), each of W_ih·x + b_ih + W_hh·h + b_hh; c' = f·c + i·g, h' = o·tanh(c')
 * (Hochreiter and Schmidhuber 1997), called as RNN is, with states [h, c].
 */
export interface LSTM<H extends number = number, B extends boolean = boolean, I extends number = number>
  extends LSTMLayer<H, B, I> {}
export const LSTM: {
  new <H extends number, B extends boolean = false, I extends number = number>(
    hiddenSize: H,
    options?: RecurrentOptions<B, I>,
  ): LSTM<H, NoInfer<B>, NoInfer<I>>;
  new (hiddenSize: number, options?: RecurrentOptions): LSTM;
} = LSTMLayer;

class GRULayer<H extends number, B extends boolean, I extends number> extends Recurrent<'GRU', H, B, I> {
  static override readonly name = 'GRU';
  constructor(hiddenSize: H, options?: RecurrentOptions<B, I>) {
    super('gru', 'GRU', hiddenSize, checkOptions('GRU', options, layerOptions, 'new GRU(hiddenSize)'));
  }
}

/**
 * r = σ(…), z = σ(…), n = tanh(W_in·x + b_in + r·(W_hn·h + b_hn)), h' = (1 - z)·n + z·h (Cho et al. 2014, as PyTorch
 * and cuDNN have it), called as RNN is.
 */
export interface GRU<H extends number = number, B extends boolean = boolean, I extends number = number>
  extends GRULayer<H, B, I> {}
export const GRU: {
  new <H extends number, B extends boolean = false, I extends number = number>(
    hiddenSize: H,
    options?: RecurrentOptions<B, I>,
  ): GRU<H, NoInfer<B>, NoInfer<I>>;
  new (hiddenSize: number, options?: RecurrentOptions): GRU;
} = GRULayer;

// ---------- cells

export interface CellOptions extends CommonOptions {}

export interface RNNCellOptions extends CellOptions {
  /** 'tanh' (default) or 'relu'. */
  activation?: 'tanh' | 'relu' | undefined;
}

/** How a cell is called. */
interface CellCall extends BlockBase {
  (x: Tensor, states?: States): [y: Tensor, states: Tensor[]];
}

/** One step of a recurrent layer: x[batch, units] and states[batch, hiddenSize] (zeros by default) → y, and the states. */
export abstract class RecurrentCell extends CallableBlock<CellCall> {
  /** The size of the state. */
  readonly hiddenSize: number;

  /** @internal */
  constructor(
    protected readonly kind: RecurrentKind,
    who: string,
    hiddenSize: number,
    given: CellOptions,
  ) {
    super();
    this.hiddenSize = checkSize(`${who}: hiddenSize`, hiddenSize);
    const inputSize = given.inputSize === undefined ? -1 : checkSize(`${who}: inputSize`, given.inputSize);
    const useBias = checkBoolean(`${who}: useBias`, given.useBias ?? true);
    makeSet(this, '', [gateCount[kind], hiddenSize, inputSize], useBias, given);
    nameOwn(this);
  }

  /** The size of the input's last axis: -1 until it is known. */
  get inputSize(): number {
    return setOf(this, '').inputWeight.shape[1] as number;
  }

  /** Zeros to begin with: [h], for an LSTM [h, c], each [batch, hiddenSize]. */
  beginState(batchSize: number): Tensor[] {
    const { dtype } = setOf(this, '').inputWeight;
    const batch = checkSize(`${this.name}.beginState: batchSize`, batchSize, 0);
    return Array.from(
      { length: stateCount(this.kind) },
      () => zeros([batch, this.hiddenSize], { dtype: dtype as 'float32' }) as Tensor,
    );
  }

  override forward(x: Tensor, states?: States): [Tensor, Tensor[]] {
    const name = (): string => describeBlock(this);
    if (checkTensor(name, x).ndim !== 2) {
      throw new ShapeError(
        `${name()} takes an input of 2 dimensions, [batch, units], but its input has shape ${shownShape(x.shape)}`,
      );
    }
    const set = setOf(this, '');
    settle(this, set.inputWeight, x);
    const batch = x.shape[0] as number;
    const shape = [batch, this.hiddenSize];
    const before =
      states === undefined ? this.beginState(batch) : checkStates(this, states, stateCount(this.kind), shape, x.dtype);
    const { last } = run(this.kind, set, expandDims(x, 0) as Tensor, before, false, null);
    return [last[0] as Tensor, [...last]];
  }

  override describe(): string {
    return `${this.inputSize} -> ${this.hiddenSize}`;
  }
}

/** One step of an RNN: h' = f(W_ih·x + b_ih + W_hh·h + b_hh). */
export class RNNCell extends RecurrentCell {
  readonly activation: 'tanh' | 'relu';
  constructor(hiddenSize: number, options?: RNNCellOptions) {
    const given = checkOptions('RNNCell', options, [...common, 'activation'], 'new RNNCell(hiddenSize)');
    const activation = checkOneOf('RNNCell: activation', given.activation ?? 'tanh', ['tanh', 'relu']);
    super(activation === 'tanh' ? 'rnnTanh' : 'rnnRelu', 'RNNCell', hiddenSize, given);
    this.activation = activation;
  }
  override describe(): string {
    return `${super.describe()}, Activation(${this.activation})`;
  }
}
/** One step of an LSTM, with states [h, c]. */
export class LSTMCell extends RecurrentCell {
  constructor(hiddenSize: number, options?: CellOptions) {
    super('lstm', 'LSTMCell', hiddenSize, checkOptions('LSTMCell', options, common, 'new LSTMCell(hiddenSize)'));
  }
}
/** One step of a GRU. */
export class GRUCell extends RecurrentCell {
  constructor(hiddenSize: number, options?: CellOptions) {
    super('gru', 'GRUCell', hiddenSize, checkOptions('GRUCell', options, common, 'new GRUCell(hiddenSize)'));
  }
}
