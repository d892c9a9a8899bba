import { DTypeError, ShapeError } from '../errors.js';
import type { InitializerLike } from '../init/named.js';
import { dense, type FusedActivation } from '../ops/dense.js';
import { reshape } from '../ops/view.js';
import type { ParameterDict } from '../parameter/dict.js';
import type { Parameter } from '../parameter/parameter.js';
import { checkBoolean, checkOptions, checkSize, shownShape } from '../support/check.js';
import { sizeOf } from '../tensor/shape.js';
import type { Dt, Sh } from '../tensor/shape-types.js';
import { checkTensor, isTensor, type Tensor } from '../tensor/tensor.js';
import { type ActivationName, activationFunction, checkActivation, isFused } from './activations.js';
import { Block } from './block.js';
import type { BlockBase } from './block-base.js';
import { describeBlock, describeParameterOf } from './call.js';
import { checkParams, parameterOf } from './shared.js';
import { nameOwn } from './structure.js';
import type { DenseFn, DenseOut, fn, LayerCheck } from './types.js';

export interface DenseOptions<I extends number = number, F extends boolean = boolean> {
  /** The input size; by default that of the first batch. */
  inUnits?: I | undefined;
  /** Applied to the result; none by default. */
  activation?: ActivationName | undefined;
  /** Whether a bias is added; true by default. */
  useBias?: boolean | undefined;
  /** true (default): all axes but the first count as inputs. false: the last axis alone does. */
  flatten?: F | undefined;
  /** 'float32' by default. */
  dtype?: 'float32' | 'float64' | undefined;
  /** Wins over what `initialize` is given. */
  weightInitializer?: InitializerLike | undefined;
  /** Zeros by default. */
  biasInitializer?: InitializerLike | undefined;
  /** Another Dense's `params`, to share its weight and bias; an Embedding's, to share its table, with `useBias: false`. */
  params?: ParameterDict | undefined;
}

/**
 * y = f(x·Wᵀ + b), with W[units, inputs] and b[units].
 *
 * x[n, …] → y[n, units], the axes behind the first taken as one; with `flatten: false` x[…, inputs] → y[…, units]. The
 * number of inputs is that of the first batch unless given. Raises ShapeError when a later batch has another, or when x
 * has fewer than two dimensions (one, with `flatten: false`), and DTypeError when x is of another type than W.
 *
 * ```ts
 * const layer = new nn.Dense(256, { activation: 'relu' });
 * ```
 */
export interface Dense<U extends number = number, I extends number = number, F extends boolean = boolean>
  extends BlockBase {
  <T extends Tensor>(x: T & LayerCheck<DenseFn<U, I, F>, Sh<T>>): Tensor<DenseOut<Sh<T>, U, F>, Dt<T>>;
  readonly [fn]?: DenseFn<U, I, F>;
  readonly units: U;
  /** The input size: -1 until it is known. */
  readonly inUnits: number;
  /** [units, inputs] */
  readonly weight: Parameter;
  /** [units]; null with `useBias: false`. */
  readonly bias: Parameter | null;
  forward(x: Tensor): Tensor;
}

const optionNames = [
  'inUnits',
  'activation',
  'useBias',
  'flatten',
  'dtype',
  'weightInitializer',
  'biasInitializer',
  'params',
] as const;

class DenseClass extends Block {
  readonly units: number;
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly activation: ActivationName | null;
  readonly flatten: boolean;

  constructor(units: number, options?: DenseOptions) {
    super();
    const given = checkOptions(
      'Dense',
      options,
      optionNames,
      'new Dense(units), or { inUnits } to give the input size',
    );
    this.units = checkSize('Dense: units', units);
    this.activation = given.activation === undefined ? null : checkActivation('Dense: activation', given.activation);
    this.flatten = checkBoolean('Dense: flatten', given.flatten ?? true);
    const inUnits = given.inUnits === undefined ? -1 : checkSize('Dense: inUnits', given.inUnits);
    const { dtype } = given;
    const params = checkParams('Dense', given.params);
    const weight = { shape: [units, inUnits], role: 'weight', dtype, init: given.weightInitializer } as const;
    const bias = { shape: [units], role: 'bias', dtype, init: given.biasInitializer } as const;
    this.weight = parameterOf('Dense', params, 'weight', weight);
    const useBias = checkBoolean('Dense: useBias', given.useBias ?? true);
    this.bias = useBias ? parameterOf('Dense', params?.has('bias') === true ? params : undefined, 'bias', bias) : null;
    nameOwn(this as unknown as BlockBase);
  }

  override forward(x: Tensor): Tensor {
    if (!isTensor(x)) checkTensor(describeBlock(this as unknown as BlockBase), x);
    const inputs = inputUnitsOf(this, x);
    settle(this, x, inputs);
    const rows =
      x.ndim === 2 ? x : reshape(x, [this.flatten ? (x.shape[0] as number) : sizeOf(x.shape.slice(0, -1)), inputs]);
    const y = product(this, rows);
    return this.flatten || x.ndim === 2 ? y : reshape(y, [...x.shape.slice(0, -1), this.units]);
  }

  /** The input size as far as it is known, else -1. */
  get inUnits(): number {
    return this.weight.shape[1] as number;
  }

  describe(): string {
    const inputs = this.weight.shape[1] as number;
    return `${inputs} -> ${this.units}, ${this.activation === null ? 'linear' : `Activation(${this.activation})`}`;
  }
}

// Functions, not private methods: a clone is made without the constructor, and would lack these.

function product(layer: DenseClass, x: Tensor): Tensor {
  const { activation } = layer;
  const fused: FusedActivation | null = activation !== null && isFused(activation) ? activation : null;
  const y = dense(x, layer.weight.data(), layer.bias?.data() ?? null, fused);
  return activation === null || fused !== null ? y : activationFunction(activation)(y);
}

function inputUnitsOf(layer: DenseClass, x: Tensor): number {
  const least = layer.flatten ? 2 : 1;
  if (x.ndim < least) {
    throw new ShapeError(
      `${describeBlock(layer as unknown as BlockBase)} takes an input of ${least} or more dimensions${layer.flatten ? ', the first for the batch' : ''}, but its input has shape ${shownShape(x.shape)}`,
    );
  }
  return layer.flatten ? sizeOf(x.shape.slice(1)) : (x.shape.at(-1) as number);
}

function settle(layer: DenseClass, x: Tensor, inputs: number): void {
  const { weight } = layer;
  const known = weight.shape[1] as number;
  if (known === -1 && inputs > 0) weight.shape = [layer.units, inputs];
  else if (known !== inputs) {
    const takes = known === -1 ? 'at least 1 input unit' : `${known} input units`;
    throw new ShapeError(
      `${describeParameterOf(layer as unknown as BlockBase, weight)} takes ${takes}, but its input has shape ${shownShape(x.shape)}`,
    );
  }
  if (x.dtype !== weight.dtype) {
    throw new DTypeError(
      `${describeParameterOf(layer as unknown as BlockBase, weight)} is ${weight.dtype}, but its input is ${x.dtype}; cast('${weight.dtype}') the input` +
        (x.dtype === 'float64' ? `, or cast('float64') the net` : ''),
    );
  }
}

Object.defineProperty(DenseClass, 'name', { value: 'Dense' });

export const Dense = DenseClass as unknown as {
  new <U extends number = number, I extends number = number, F extends boolean = true>(
    units: U,
    options?: DenseOptions<I, F>,
  ): Dense<U, I, F>;
  new (units: number, options?: DenseOptions): Dense;
};
