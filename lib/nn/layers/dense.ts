import { ShapeError } from '../../errors.js';
import type { InitializerLike } from '../../init/named.js';
import type { ActivationName } from '../../ops/activations.js';
import { dense } from '../../ops/dense.js';
import { reshape } from '../../ops/view.js';
import type { ParameterDict } from '../../parameter/dict.js';
import type { Parameter } from '../../parameter/parameter.js';
import { checkBoolean, checkOptions, checkSize, shownShape } from '../../support/check.js';
import { sizeOf } from '../../tensor/shape.js';
import { checkTensor, isTensor, type Tensor } from '../../tensor/tensor.js';
import { Layer } from '../block/block.js';
import { describeBlock } from '../block/run.js';
import type { DenseFn } from '../block/shape-functions.js';
import { nameOwn } from '../block/tree.js';
import { checkActivation } from './activation-option.js';
import { checkInputDType, settleSize } from './settle.js';
import { checkParams, parameterOf } from './shared-parameters.js';

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

class DenseLayer<U extends number, I extends number, F extends boolean> extends Layer<DenseFn<U, I, F>> {
  static override readonly name = 'Dense';
  /** [units, inputs] */
  readonly weight: Parameter;
  /** [units]; null with `useBias: false`. */
  readonly bias: Parameter | null;
  protected readonly activation: ActivationName | null;
  protected readonly flatten: boolean;

  constructor(
    readonly units: U,
    options?: DenseOptions<I, F>,
  ) {
    super();
    const given = checkOptions(
      'Dense',
      options,
      optionNames,
      'new Dense(units), or { inUnits } to give the input size',
    );
    checkSize('Dense: units', units);
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
    nameOwn(this);
  }

  override forward(x: Tensor): Tensor {
    if (!isTensor(x)) checkTensor(describeBlock(this), x);
    const { weight, flatten } = this;
    const least = flatten ? 2 : 1;
    if (x.ndim < least) {
      throw new ShapeError(
        `${describeBlock(this)} takes an input of ${least} or more dimensions${flatten ? ', the first for the batch' : ''}, but its input has shape ${shownShape(x.shape)}`,
      );
    }
    const inputs = flatten ? sizeOf(x.shape.slice(1)) : (x.shape.at(-1) as number);
    settleSize(this, weight, 1, inputs, 'input unit', x);
    checkInputDType(this, weight, x);
    const rows =
      x.ndim === 2 ? x : reshape(x, [flatten ? (x.shape[0] as number) : sizeOf(x.shape.slice(0, -1)), inputs]);
    const y = dense(rows, weight.data(), this.bias?.data() ?? null, this.activation);
    return flatten || x.ndim === 2 ? y : reshape(y, [...x.shape.slice(0, -1), this.units]);
  }

  /** The input size: -1 until it is known. */
  get inUnits(): number {
    return this.weight.shape[1] as number;
  }

  override describe(): string {
    const { inUnits, units, activation } = this;
    return `${inUnits} -> ${units}, ${activation === null ? 'linear' : `Activation(${activation})`}`;
  }
}

/**
 * y = f(x·Wᵀ + b), with W[units, inputs] and b[units].
 *
 * x[n, …] → y[n, units], the axes after the first taken as one; with `flatten: false` x[…, inputs] → y[…, units]. The
 * number of inputs is that of the first batch unless given. Raises ShapeError when a later batch has another, or when x
 * has fewer than two dimensions (one, with `flatten: false`), and DTypeError when x is of another type than W.
 *
 * ```ts
 * const layer = new nn.Dense(256, { activation: 'relu' });
 * ```
 */
export interface Dense<U extends number = number, I extends number = number, F extends boolean = boolean>
  extends DenseLayer<U, I, F> {}
// Without `flatten` a new layer has it, but a type that names none takes any.
export const Dense: {
  new <U extends number = number, I extends number = number, F extends boolean = true>(
    units: U,
    options?: DenseOptions<I, F>,
  ): Dense<U, I, F>;
  new (units: number, options?: DenseOptions): Dense;
} = DenseLayer;
