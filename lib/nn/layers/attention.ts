import { ArgumentError, ShapeError } from '../../errors.js';
import type { InitializerLike } from '../../init/named.js';
import { type ActivationName, activate } from '../../ops/activations.js';
import { scaledDotProductAttention } from '../../ops/attention.js';
import { dense } from '../../ops/dense.js';
import { expandDims, reshape, swapAxes } from '../../ops/view.js';
import { Parameter } from '../../parameter/parameter.js';
import { checkBoolean, checkOptions, checkRange, checkSize, shownShape } from '../../support/check.js';
import { sizeOf } from '../../tensor/shape.js';
import type { Dt, Sh } from '../../tensor/shape-types.js';
import { checkTensor, type Tensor } from '../../tensor/tensor.js';
import { type BlockBase, CallableBlock } from '../block/block.js';
import { describeBlock } from '../block/run.js';
import type { fn, LayerCheck } from '../block/shape-functions.js';
import { nameOwn } from '../block/tree.js';
import { checkActivation } from './activation-option.js';
import { drop, drops } from './drop.js';
import type { PlacesFn } from './layer-shapes.js';
import { LayerNorm } from './norm.js';
import { checkInputDType, settleSize } from './settle.js';

/** How a projection is called: with the size of its result, where that is not known. */
interface ProjectionCall extends BlockBase {
  (x: Tensor, units: number): Tensor;
}

/** x·Wᵀ + b over the last axis, with both sizes of W known or not. */
class Projection extends CallableBlock<ProjectionCall> {
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(
    units: number,
    inUnits: number,
    useBias: boolean,
    dtype: 'float32' | 'float64' | undefined,
    init: InitializerLike | undefined,
  ) {
    super();
    this.weight = new Parameter({ shape: [units, inUnits], role: 'weight', dtype, init });
    this.bias = useBias ? new Parameter({ shape: [units], role: 'bias', dtype }) : null;
    nameOwn(this);
  }

  override forward(x: Tensor, units: number): Tensor {
    const { weight, bias } = this;
    const inputs = x.shape[x.ndim - 1] as number;
    if (weight.shape[0] === -1) weight.shape = weight.shape.with(0, units);
    settleSize(this, weight, 1, inputs, 'input unit', x);
    checkInputDType(this, weight, x);
    if (bias !== null && bias.shape[0] === -1) bias.shape = [units];
    const rows = reshape(x, [sizeOf(x.shape.slice(0, -1)), inputs]) as Tensor;
    const y = dense(rows, weight.data(), bias?.data() ?? null);
    return reshape(y, [...x.shape.slice(0, -1), weight.shape[0] as number]) as Tensor;
  }

  override describe(): string {
    return this.weight.shape.toReversed().join(' -> ');
  }
}

export interface MultiHeadAttentionOptions {
  /** The size of all heads together, a multiple of their number; by default that of the queries' last axis. */
  units?: number | undefined;
  /** The size of the queries' last axis, and of what comes out; the first batch's by default. */
  inUnits?: number | undefined;
  /** The size of the keys' last axis; the first batch's by default. */
  keyUnits?: number | undefined;
  /** The size of the values' last axis; the first batch's by default. */
  valueUnits?: number | undefined;
  /** Whether the projections add biases; true by default. */
  useBias?: boolean | undefined;
  /** The share of attention weights that is dropped in training; 0 by default. */
  dropout?: number | undefined;
  /** Whether a place sees those before it and itself alone; false by default. */
  causal?: boolean | undefined;
  /** 'float32' by default. */
  dtype?: 'float32' | 'float64' | undefined;
  /** Of the four weights; wins over what `initialize` is given. */
  weightInitializer?: InitializerLike | undefined;
}

/** How an attention is called. */
interface AttentionCall extends BlockBase {
  <T extends Tensor>(
    query: T & LayerCheck<PlacesFn<'MultiHeadAttention'>, Sh<T>>,
    key?: Tensor,
    value?: Tensor,
    mask?: Tensor,
  ): Tensor<Sh<T>, Dt<T>>;
  readonly [fn]?: PlacesFn<'MultiHeadAttention'>;
}

/** A mask as scores of all heads take it. */
function masked(name: () => string, mask: Tensor, heads: number, query: Tensor, key: Tensor): Tensor {
  checkTensor(() => `${name()}: mask`, mask);
  const [batch, queries, keys] = [query.shape[0], query.shape[1], key.shape[1]] as [number, number, number];
  const whole = [batch, heads, queries, keys];
  const seen: Tensor = mask.ndim === 3 ? expandDims(mask, 1) : mask;
  if (seen.ndim > 4 || seen.shape.some((n, d) => n !== 1 && n !== whole[4 - seen.ndim + d])) {
    throw new ShapeError(
      `${name()} takes a mask of shape ${shownShape([batch, queries, keys])}, or ${shownShape(whole)} to tell heads apart, 1 standing for any size, but got shape ${shownShape(mask.shape)}`,
    );
  }
  return seen;
}

/**
 * Attention of several heads (Vaswani et al. 2017): queries[batch, n, …], keys and values[batch, m, …] → [batch, n, size of
 * the queries]. Without keys the queries attend to themselves, without values the keys are the values. A mask is bool, true
 * where a key is seen: [batch, n, m], [batch, heads, n, m], or what broadcasts to the latter.
 */
export class MultiHeadAttention extends CallableBlock<AttentionCall> {
  readonly causal: boolean;
  protected readonly query: Projection;
  protected readonly key: Projection;
  protected readonly value: Projection;
  protected readonly out: Projection;
  protected readonly dropout: number;

  constructor(
    readonly numHeads: number,
    options?: MultiHeadAttentionOptions,
  ) {
    super();
    const who = 'MultiHeadAttention';
    const given = checkOptions(
      who,
      options,
      ['units', 'inUnits', 'keyUnits', 'valueUnits', 'useBias', 'dropout', 'causal', 'dtype', 'weightInitializer'],
      'new MultiHeadAttention(numHeads), or { units } to give their size',
    );
    checkSize(`${who}: numHeads`, numHeads);
    const known = (name: 'units' | 'inUnits' | 'keyUnits' | 'valueUnits') =>
      given[name] === undefined ? -1 : checkSize(`${who}: ${name}`, given[name]);
    const inUnits = known('inUnits');
    const units = given.units === undefined ? inUnits : known('units');
    if (units !== -1 && units % numHeads !== 0)
      throw new ArgumentError(`${who}: ${units} units do not fall into ${numHeads} equal heads`);
    this.causal = checkBoolean(`${who}: causal`, given.causal ?? false);
    const useBias = checkBoolean(`${who}: useBias`, given.useBias ?? true);
    const make = (size: number, from: number) =>
      new Projection(size, from, useBias, given.dtype, given.weightInitializer);
    this.query = make(units, inUnits);
    this.key = make(units, known('keyUnits'));
    this.value = make(units, known('valueUnits'));
    this.out = make(inUnits, units);
    this.dropout = checkRange(`${who}: dropout`, given.dropout ?? 0, 0, 1);
  }

  /** -1 until it is known. */
  get units(): number {
    return this.query.weight.shape[0] as number;
  }

  override forward(query: Tensor, key: Tensor = query, value: Tensor = key, mask?: Tensor): Tensor {
    const name = (): string => describeBlock(this);
    for (const t of [query, key, value]) {
      checkTensor(name, t);
      if (t.ndim !== 3)
        throw new ShapeError(
          `${name()} takes inputs of 3 dimensions, [batch, places, units], but got shape ${shownShape(t.shape)}`,
        );
    }
    if (key.shape[0] !== query.shape[0] || value.shape[0] !== query.shape[0] || key.shape[1] !== value.shape[1]) {
      throw new ShapeError(
        `${name()} takes queries, keys and values of one batch, and a value for each key, but got shapes ${shownShape(query.shape)}, ${shownShape(key.shape)} and ${shownShape(value.shape)}`,
      );
    }
    const size = query.shape[2] as number;
    const units = this.units === -1 ? size : this.units;
    if (units % this.numHeads !== 0)
      throw new ShapeError(
        `${name()} has ${this.numHeads} heads, which the ${units} units of its queries, of shape ${shownShape(query.shape)}, do not fall into`,
      );
    const heads = (t: Tensor): Tensor =>
      swapAxes(
        reshape(t, [t.shape[0] as number, t.shape[1] as number, this.numHeads, units / this.numHeads]) as Tensor,
        1,
        2,
      );
    const seen = mask === undefined ? undefined : masked(name, mask, this.numHeads, query, key);
    const attended = scaledDotProductAttention(
      heads(this.query(query, units)),
      heads(this.key(key, units)),
      heads(this.value(value, units)),
      {
        causal: this.causal,
        mask: seen,
        through: drops(this.dropout) ? weights => drop(weights, this.dropout) : undefined,
      },
    );
    const joined = reshape(swapAxes(attended, 1, 2), [
      query.shape[0] as number,
      query.shape[1] as number,
      units,
    ]) as Tensor;
    return this.out(joined, size);
  }
}

export interface TransformerEncoderLayerOptions {
  /** The units between the two products after the attention; 2048 by default. */
  hiddenUnits?: number | undefined;
  /** The size of the input's last axis; the first batch's by default. */
  inUnits?: number | undefined;
  /** The activation between the two products; 'relu' by default. */
  activation?: ActivationName | undefined;
  /**
   * The share of each part's result, of hidden units and of attention weights that is dropped in training; 0.1 by default.
   */
  dropout?: number | undefined;
  /** Whether each part normalizes its input, rather than the sum after it; false by default. */
  preNorm?: boolean | undefined;
  /** Whether a place sees those before it and itself alone; false by default. */
  causal?: boolean | undefined;
  /** Of the normalizations; 1e-5 by default. */
  epsilon?: number | undefined;
  /** 'float32' by default. */
  dtype?: 'float32' | 'float64' | undefined;
}

/** How an encoder layer is called. */
interface EncoderCall extends BlockBase {
  <T extends Tensor>(
    x: T & LayerCheck<PlacesFn<'TransformerEncoderLayer'>, Sh<T>>,
    mask?: Tensor,
  ): Tensor<Sh<T>, Dt<T>>;
  readonly [fn]?: PlacesFn<'TransformerEncoderLayer'>;
}

/**
 * x = norm(x + attention(x)), x = norm(x + f(x·W₁ᵀ + b₁)·W₂ᵀ + b₂) for x[batch, places, units]; with `preNorm`
 * x + attention(norm(x)), and so on (Vaswani et al. 2017). The number of units is the first batch's.
 */
export class TransformerEncoderLayer extends CallableBlock<EncoderCall> {
  /** The attention of the layer. */
  readonly attention: MultiHeadAttention;
  protected readonly hidden: Projection;
  protected readonly out: Projection;
  protected readonly attentionNorm: LayerNorm;
  protected readonly outNorm: LayerNorm;
  protected readonly dropout: number;
  protected readonly activation: ActivationName;
  protected readonly preNorm: boolean;
  protected readonly hiddenUnits: number;

  constructor(numHeads: number, options?: TransformerEncoderLayerOptions) {
    super();
    const who = 'TransformerEncoderLayer';
    const given = checkOptions(
      who,
      options,
      ['hiddenUnits', 'inUnits', 'activation', 'dropout', 'preNorm', 'causal', 'epsilon', 'dtype'],
      'new TransformerEncoderLayer(numHeads)',
    );
    const { dtype, epsilon } = given;
    const dropout = checkRange(`${who}: dropout`, given.dropout ?? 0.1, 0, 1);
    this.hiddenUnits = checkSize(`${who}: hiddenUnits`, given.hiddenUnits ?? 2048);
    this.activation = checkActivation(`${who}: activation`, given.activation ?? 'relu');
    this.preNorm = checkBoolean(`${who}: preNorm`, given.preNorm ?? false);
    const inUnits = given.inUnits === undefined ? -1 : checkSize(`${who}: inUnits`, given.inUnits);
    this.attention = new MultiHeadAttention(numHeads, {
      inUnits: given.inUnits,
      keyUnits: given.inUnits,
      valueUnits: given.inUnits,
      dropout,
      dtype,
      causal: given.causal,
    });
    this.hidden = new Projection(this.hiddenUnits, inUnits, true, dtype, undefined);
    this.out = new Projection(inUnits, this.hiddenUnits, true, dtype, undefined);
    this.attentionNorm = new LayerNorm({ inChannels: given.inUnits, dtype, epsilon });
    this.outNorm = new LayerNorm({ inChannels: given.inUnits, dtype, epsilon });
    this.dropout = dropout;
  }

  override forward(x: Tensor, mask?: Tensor): Tensor {
    checkTensor(() => describeBlock(this), x);
    const attend = (t: Tensor): Tensor => drop(this.attention(t, t, t, mask), this.dropout);
    const transform = (t: Tensor): Tensor => {
      const hidden = this.hidden(t, this.hiddenUnits);
      const active = drop(activate(this.activation, hidden), this.dropout);
      return drop(this.out(active, t.shape[t.ndim - 1] as number), this.dropout);
    };
    if (this.preNorm) {
      const attended = x.add(attend(this.attentionNorm(x))) as Tensor;
      return attended.add(transform(this.outNorm(attended))) as Tensor;
    }
    const attended: Tensor = this.attentionNorm(x.add(attend(x)) as Tensor);
    return this.outNorm(attended.add(transform(attended)) as Tensor);
  }
}
