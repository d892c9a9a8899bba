import { unrecorded } from '../autograd/modes.js';
import type { Leaf } from '../autograd/tape.js';
import { ArgumentError } from '../errors.js';
import { opcode } from '../native/register.js';
import { mul } from '../ops/binary.js';
import { cast, clone } from '../ops/cast.js';
import { invokeInto, type PlanCall } from '../ops/invoke.js';
import { beforeWrite } from '../ops/op.js';
import { sum } from '../ops/reduce.js';
import { clip as clipElements } from '../ops/select.js';
import { square } from '../ops/unary.js';
import type { Parameter } from '../parameter/parameter.js';
import { shown, shownShape } from '../support/check.js';
import { sameShape } from '../tensor/shape.js';
import { internals, isTensor, type Tensor } from '../tensor/tensor.js';
import { transact, withStreams } from '../trace/transaction.js';

const COPY = opcode('copy');

/** The state of an optimizer for one parameter: the number of its steps, and tensors of the parameter's shape by name. */
export interface OptimizerState {
  steps: number;
  readonly kept: Readonly<Record<string, Tensor>>;
}

/** A parameter that an optimizer can update now. */
export interface Updatable {
  readonly parameter: Parameter;
  readonly leaf: Leaf;
}

/** A parameter in a step, with what is kept of it. */
export interface Updated extends Updatable {
  readonly state: Readonly<OptimizerState>;
}

/**
 * Computes the gradients of a step: with `call` in place of the native call that would do it. `then` runs afterwards; where it
 * throws, what was changed is taken back.
 */
export type ComputeGradients = (call?: PlanCall, then?: () => void) => void;

export interface StepSettings {
  /** Each gradient is divided by it. */
  readonly batchSize: number;
  /** All gradients together are scaled down to this length where they are longer. */
  readonly clipNorm: number;
  /** null where the gradients are there already. */
  readonly computeGradients: ComputeGradients | null;
}

/** A parameter's step, for the rule of an optimizer. */
export interface Update<S extends string = string> {
  /** The weight as it is. */
  readonly weight: Tensor;
  /** The gradient, divided by the batch size and clipped. */
  readonly gradient: Tensor;
  /** The tensors that the step before has answered, by their names. */
  readonly state: Readonly<Record<S, Tensor>>;
  /** The learning rate of this step, with the parameter's `lrMult`. */
  readonly rate: number;
  /** The weight decay, with the parameter's `wdMult`. */
  readonly decay: number;
  /** The steps that were done for this parameter, 0 in the first. */
  readonly steps: number;
}

/** The gradients, divided by the batch size, scaled to the norm and clipped; and the norm that they had. */
function scaledGradients(items: readonly Updated[], clip: number, settings: StepSettings): [Tensor[], number] {
  const { batchSize, clipNorm } = settings;
  const gradients = items.map(({ leaf }) => leaf.grad as Tensor);
  let factor = 1 / batchSize;
  let norm = 0;
  if (clipNorm < Infinity) {
    const squares = gradients.map(g => sum(square(cast(g, 'float64'))).item() as number);
    norm = factor * Math.sqrt(squares.reduce((a, b) => a + b, 0));
    if (norm > clipNorm && Number.isFinite(norm)) factor *= clipNorm / norm;
  }
  const scaled = gradients.map((g): Tensor => mul(g, factor));
  return [clip < Infinity ? scaled.map((g): Tensor => clipElements(g, -clip, clip)) : scaled, norm];
}

/** The tensors that a rule has answered, by the names that it must give. */
function checkAnswer(
  who: string,
  { parameter, leaf }: Updated,
  names: readonly string[],
  answer: unknown,
): readonly Tensor[] {
  const { shape, dtype } = leaf.variable;
  return names.map(name => {
    const t: unknown = typeof answer === 'object' && answer !== null ? Reflect.get(answer, name) : undefined;
    if (isTensor(t) && t.dtype === dtype && sameShape(t.shape, shape)) {
      // Raises for one that was disposed.
      internals.idOf(t);
      return t;
    }
    const got = isTensor(t) ? `${t.dtype} of shape ${shownShape(t.shape)}` : shown(t);
    throw new ArgumentError(
      `${who}.rule must return { ${names.join(', ')} }, each as the parameter is, but for ${parameter.path} (${dtype} of shape ${shownShape(shape)}) ${name} is ${got}`,
    );
  });
}

/** A rule, and the numbers of its optimizer now. */
interface Rule<S extends string> {
  readonly who: string;
  /** The names of what is kept between steps. */
  readonly names: readonly S[];
  readonly rate: number;
  readonly decay: number;
  /** The bound of a gradient's elements. */
  readonly clip: number;
  run(update: Update<S>): unknown;
}

/** The new values of parameters and of what is kept of them, and the norm of the gradients. */
interface Answer {
  readonly changes: readonly (readonly [target: Tensor, value: Tensor])[];
  readonly norm: number;
}

function answer<S extends string>(items: readonly Updated[], settings: StepSettings, rule: Rule<S>): Answer {
  const { who, names, rate, decay, clip, run } = rule;
  const [gradients, norm] = scaledGradients(items, clip, settings);
  const targets = items.map(({ leaf, state }) => [leaf.variable, ...names.map(name => state.kept[name] as Tensor)]);
  const own = new Set(targets.flat());
  const changes = items.flatMap((item, i) => {
    const { parameter, leaf, state } = item;
    const given = run({
      weight: leaf.variable.detach(),
      gradient: gradients[i] as Tensor,
      state: { ...state.kept } as Record<S, Tensor>,
      rate: rate * parameter.lrMult,
      decay: decay * parameter.wdMult,
      steps: state.steps,
    });
    return checkAnswer(who, item, ['weight', ...names], given).map((t, j): [Tensor, Tensor] => [
      (targets[i] as Tensor[])[j] as Tensor,
      // Another copy may have written it before it is read.
      own.has(internals.baseOf(t)) ? clone(t) : t,
    ]);
  });
  return { changes, norm };
}

/** Updates parameters by a rule that is written in operations; answers the norm of the gradients, where it is wanted. */
export function applyRule<S extends string>(items: readonly Updated[], settings: StepSettings, rule: Rule<S>): number {
  return unrecorded(() => {
    let made: Answer | null = null;
    // Where a rule throws, its writes and draws are taken back, and the draws for the gradients.
    const compute = () => {
      made = transact(() => answer(items, settings, rule));
    };
    const { computeGradients } = settings;
    if (computeGradients === null) compute();
    else withStreams(() => computeGradients(undefined, compute));
    const { changes, norm } = made as unknown as Answer;
    for (const { leaf } of items) beforeWrite(leaf.variable);
    // Copies between tensors that are there ask for no memory: all are made, or none.
    for (const [target, value] of changes) invokeInto(rule.who, COPY, [value], target);
    return norm;
  });
}
