import { DTypeError, ShapeError, ValueError } from '../errors.js';
import { opcode } from '../native/register.js';
import { shownShape } from '../support/check.js';
import { isFloat } from '../tensor/dtype.js';
import { frozenShape, sizeOf } from '../tensor/shape.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import { add, mul, rsub, sub } from './binary.js';
import { convert } from './cast.js';
import { greater, less } from './compare.js';
import { context } from './context.js';
import { invoke, invokeKept, invokeSeveral, isContiguous, setInt } from './invoke.js';
import { concat, stack } from './join.js';
import { matmul } from './matmul.js';
import { apply, defineOp, type GradientContext, type Op, type Operand } from './op.js';
import { sum } from './reduce.js';
import { where } from './select.js';
import { relu, sigmoid, square, tanh } from './unary.js';
import { expandDims, reshape, slice, transpose } from './view.js';

export type RecurrentKind = 'lstm' | 'gru' | 'rnnTanh' | 'rnnRelu';

interface SequenceAttrs {
  readonly backwards: boolean;
  /** Whether the last operand holds the samples' lengths. */
  readonly lengths: boolean;
}

const TANH = opcode('tanh');
const RELU = opcode('relu');

/** How many vectors of a state's size each kind's product has. */
export const gateCount: Readonly<Record<RecurrentKind, number>> = { lstm: 4, gru: 3, rnnTanh: 1, rnnRelu: 1 };

function plain(operands: readonly Operand[]): Tensor[] {
  return (operands as readonly Tensor[]).map(t => (isContiguous(t) ? t : convert(t, t.dtype)));
}

function row(x: Tensor, t: number): Tensor {
  return slice(x, t) as Tensor;
}

function rows(x: Tensor, from: number, to: number): Tensor {
  return slice(x, [from, to]) as Tensor;
}

// ---------- one step by operations that have gradients, and its gradient: where a gradient is recorded itself

interface Step {
  /** The state and, for an LSTM, the cell after the step. */
  readonly next: readonly Tensor[];
  /** From their gradients to those of the input's part and of the product with the state, and of what came before. */
  slope(d: readonly Tensor[]): { input: Tensor; hidden: Tensor; before: readonly (Tensor | null)[] };
}

function parts(x: Tensor, count: number): Tensor[] {
  const size = (x.shape[1] as number) / count;
  return Array.from({ length: count }, (_, i) => slice(x, null, [i * size, (i + 1) * size]) as Tensor);
}

const one = (x: Tensor): Tensor => rsub(1, x);
const bump = (x: Tensor): Tensor => mul(x, one(x));

const steps: Record<RecurrentKind, (input: Tensor, hidden: Tensor, before: readonly Tensor[]) => Step> = {
  lstm(input, hidden, [, cell]) {
    const [i, f, g, o] = parts(add(input, hidden), 4) as [Tensor, Tensor, Tensor, Tensor];
    const [into, keep, fresh, out]: Tensor[] = [sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)] as never;
    const c = add(mul(keep as Tensor, cell as Tensor), mul(into as Tensor, fresh as Tensor));
    const bent: Tensor = tanh(c);
    return {
      next: [mul(out as Tensor, bent), c],
      slope([dh, dc]) {
        const d = add(dc as Tensor, mul(mul(dh as Tensor, out as Tensor), one(square(bent))));
        const slopes = concat(
          [
            mul(mul(d, fresh as Tensor), bump(into as Tensor)),
            mul(mul(d, cell as Tensor), bump(keep as Tensor)),
            mul(mul(d, into as Tensor), one(square(fresh as Tensor))),
            mul(mul(dh as Tensor, bent), bump(out as Tensor)),
          ],
          { axis: 1 },
        ) as Tensor;
        return { input: slopes, hidden: slopes, before: [null, mul(d, keep as Tensor)] };
      },
    };
  },
  gru(input, hidden, [before]) {
    const [x, y] = [parts(input, 3), parts(hidden, 3)] as [Tensor[], Tensor[]];
    const [reset, keep]: Tensor[] = [0, 1].map(i => sigmoid(add(x[i] as Tensor, y[i] as Tensor)));
    const seen = y[2] as Tensor;
    const fresh: Tensor = tanh(add(x[2] as Tensor, mul(reset as Tensor, seen)));
    const far = sub(before as Tensor, fresh);
    return {
      next: [add(fresh, mul(keep as Tensor, far))],
      slope([dh]) {
        const bent = mul(mul(dh as Tensor, one(keep as Tensor)), one(square(fresh)));
        const resets = mul(mul(bent, seen), bump(reset as Tensor));
        const keeps = mul(mul(dh as Tensor, far), bump(keep as Tensor));
        return {
          input: concat([resets, keeps, bent], { axis: 1 }) as Tensor,
          hidden: concat([resets, keeps, mul(bent, reset as Tensor)], { axis: 1 }) as Tensor,
          before: [mul(dh as Tensor, keep as Tensor)],
        };
      },
    };
  },
  rnnTanh(input, hidden) {
    const h: Tensor = tanh(add(input, hidden));
    return { next: [h], slope: ([dh]) => sameSlope(mul(dh as Tensor, one(square(h)))) };
  },
  rnnRelu(input, hidden) {
    const h: Tensor = relu(add(input, hidden));
    return { next: [h], slope: ([dh]) => sameSlope(mul(dh as Tensor, greater(h, 0).cast(h.dtype) as Tensor)) };
  },
};

function sameSlope(d: Tensor): { input: Tensor; hidden: Tensor; before: readonly null[] } {
  return { input: d, hidden: d, before: [null] };
}

interface Parts {
  readonly input: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly states: readonly Tensor[];
  readonly lengths: Tensor | null;
}

/** The gradients of input, weight, bias and first states, by operations. */
function recordedGradient(
  kind: RecurrentKind,
  g: Tensor,
  { input, weight, bias, states, lengths }: Parts,
  attrs: SequenceAttrs,
) {
  const count = input.shape[0] as number;
  const times = Array.from({ length: count }, (_, k) => (attrs.backwards ? count - 1 - k : k));
  const turned: Tensor = transpose(weight);
  const ended = (t: number): Tensor | null =>
    lengths === null ? null : (expandDims(less(lengths, t + 1) as Tensor, 1) as Tensor);
  const choose = (mask: Tensor | null, a: Tensor, b: Tensor): Tensor => (mask === null ? b : where(mask, a, b));
  let before = states;
  const done = times.map(t => {
    const product: Tensor = matmul(before[0] as Tensor, turned);
    const step = steps[kind](row(input, t), bias === null ? product : add(product, bias), before);
    const made = { t, step, before, mask: ended(t) };
    before = step.next.map((next, i) => choose(made.mask, made.before[i] as Tensor, next));
    return made;
  });
  const last = attrs.backwards ? 0 : count;
  let d = states.map((_, i) => row(g, i === 0 ? last : count + 1));
  const inputs: Tensor[] = new Array(count);
  const hiddens: Tensor[] = new Array(count);
  let dWeight: Tensor | null = null;
  for (const { t, step, before: earlier, mask } of done.toReversed()) {
    const slope = step.slope(d);
    const cut = (x: Tensor): Tensor => (mask === null ? x : where(mask, 0, x));
    const [dInput, dHidden] = [cut(slope.input), cut(slope.hidden)];
    inputs[t] = dInput;
    hiddens[t] = dHidden;
    const part: Tensor = matmul(transpose(dHidden), earlier[0] as Tensor);
    dWeight = dWeight === null ? part : add(dWeight, part);
    d = d.map((whole, i) => {
      const through = slope.before[i] ?? null;
      if (i > 0) return choose(mask, whole, through as Tensor);
      const product: Tensor = matmul(dHidden, weight);
      const passed = mask === null ? null : where(mask, whole, 0);
      const kept = through === null ? null : cut(through);
      const arrived = row(g, attrs.backwards ? t + 1 : t);
      return [passed, kept].reduce<Tensor>((all, x) => (x === null ? all : add(all, x)), add(arrived, product));
    });
  }
  return {
    input: stack(inputs) as Tensor,
    weight: dWeight as Tensor,
    bias: bias === null ? null : (sum(stack(hiddens) as Tensor, { axis: [0, 1] }) as Tensor),
    states: d,
  };
}

// ---------- operations over a whole sequence, one for each kind

interface Spec {
  readonly kind: RecurrentKind;
  readonly name: string;
  /** Operands: the input's part, the weight, then the bias where the kind has one, then the states. */
  readonly hasBias: boolean;
  readonly states: 1 | 2;
  /** Planes of a state's shape that a gradient needs for each step. */
  readonly kept: number;
  readonly ints: readonly number[];
}

function partsOf({ hasBias, states }: Spec, operands: readonly (Operand | null)[], attrs: SequenceAttrs): Parts {
  const list = operands as readonly Tensor[];
  const first = hasBias ? 3 : 2;
  return {
    input: list[0] as Tensor,
    weight: list[1] as Tensor,
    bias: hasBias ? (list[2] as Tensor) : null,
    states: list.slice(first, first + states),
    lengths: attrs.lengths ? (list[first + states] as Tensor) : null,
  };
}

function checkLengths(name: string, lengths: Tensor, most: number): void {
  (lengths.toTypedArray() as Int32Array).forEach((length, i) => {
    if (length >= 0 && length <= most) return;
    throw new ValueError(`${name}: the sequence of sample ${i} cannot have ${length} steps, for there are ${most}`);
  });
}

function defineRecurrent(spec: Spec): Op<SequenceAttrs> {
  const { kind, name, hasBias, states, kept, ints } = spec;
  const code = opcode(name);
  const gradientCode = opcode(`${name}Gradient`);
  const gates = gateCount[kind];
  const write = (attrs: SequenceAttrs) => {
    [Number(attrs.backwards), Number(attrs.lengths), ...ints].forEach((value, i) => {
      setInt(i, value);
    });
  };
  const gradient = (g: Tensor, ctx: GradientContext<SequenceAttrs>): (Tensor | null)[] => {
    const { attrs, inputs, needs, output, work } = ctx;
    const given = partsOf(spec, inputs, attrs);
    const [steps, batch, size] = [given.input.shape[0], ...(given.states[0] as Tensor).shape] as [
      number,
      number,
      number,
    ];
    const places = { input: 0, weight: 1, bias: hasBias ? 2 : -1, states: hasBias ? 3 : 2 };
    const result: (Tensor | null)[] = needs.map(() => null);
    if (context.tape !== null && steps > 0) {
      const made = recordedGradient(kind, g, given, attrs);
      result[places.input] = made.input;
      result[places.weight] = made.weight;
      if (hasBias) result[places.bias] = made.bias;
      made.states.forEach((d, i) => {
        result[places.states + i] = d;
      });
      return result.map((d, i) => (needs[i] ? d : null));
    }
    const operands = [g, output as Tensor, ...work, given.weight, ...given.states.slice(1)];
    if (given.lengths !== null) operands.push(given.lengths);
    const wide = [steps, batch, gates * size];
    const shapes = [wide, ...(hasBias ? [wide] : []), ...given.states.map(() => [batch, size])];
    const list = plain(operands);
    write(attrs);
    const made = invokeSeveral(name, gradientCode, list, shapes, g.dtype);
    const hidden = made[hasBias ? 1 : 0] as Tensor;
    const first = hasBias ? 2 : 1;
    result[places.input] = made[0] as Tensor;
    if (needs[places.weight]) {
      const from = attrs.backwards ? 1 : 0;
      const before = reshape(rows(output as Tensor, from, from + steps), [steps * batch, size]) as Tensor;
      result[places.weight] = matmul(transpose(reshape(hidden, [steps * batch, gates * size])), before) as Tensor;
    }
    if (hasBias && needs[places.bias]) result[places.bias] = sum(hidden, { axis: [0, 1] }) as Tensor;
    for (let i = 0; i < states; i++) result[places.states + i] = made[first + i] as Tensor;
    return result.map((d, i) => (needs[i] ? d : null));
  };
  return defineOp<SequenceAttrs>({
    name: kind,
    infer: (operands, attrs) => {
      const { input, weight, bias, states: given, lengths } = partsOf(spec, operands, attrs);
      const [steps, batch] = input.shape as readonly [number, number];
      const size = weight.shape[1] as number;
      const wanted: [Tensor | null, readonly number[]][] = [
        [input, [steps, batch, gates * size]],
        [weight, [gates * size, size]],
        [bias, [gates * size]],
        ...given.map((state): [Tensor, readonly number[]] => [state, [batch, size]]),
        [lengths, [batch]],
      ];
      for (const [t, shape] of wanted) {
        if (t === null) continue;
        if (t.ndim !== shape.length || t.shape.some((n, d) => n !== shape[d]))
          throw new ShapeError(`${name} takes ${shownShape(shape)} here, but got shape ${shownShape(t.shape)}`);
        if (t === lengths ? t.dtype !== 'int32' : t.dtype !== input.dtype || !isFloat(t.dtype))
          throw new DTypeError(`${name} takes floats of one type, and int32 for lengths, but got ${t.dtype}`);
      }
      return { shape: frozenShape([steps + states, batch, size]), dtype: input.dtype };
    },
    run: (operands, attrs, { shape, dtype }, work) => {
      const { lengths, input } = partsOf(spec, operands, attrs);
      const steps = input.shape[0] as number;
      if (lengths !== null && !internals.isAbstract(lengths)) checkLengths(name, lengths, steps);
      const list = plain(operands);
      write(attrs);
      if (work === null || kept === 0) return invoke(name, code, list, shape, dtype);
      const [output, rest] = invokeKept(name, code, list, [shape, [kept, steps, ...shape.slice(1)]], dtype);
      work.push(rest as Tensor);
      return output as Tensor;
    },
    gradient,
    leavesWork: true,
    saves: { inputs: [0, 1, 2, 3, 4], output: true },
    // The product with the input is another operation.
    multiplyAdds: ([input, weight]) => sizeOf((input as Tensor).shape.slice(0, 2)) * (weight as Tensor).size,
  });
}

const ops: Record<RecurrentKind, Op<SequenceAttrs>> = {
  lstm: defineRecurrent({ kind: 'lstm', name: 'lstm', hasBias: false, states: 2, kept: 5, ints: [] }),
  gru: defineRecurrent({ kind: 'gru', name: 'gru', hasBias: true, states: 1, kept: 4, ints: [] }),
  rnnTanh: defineRecurrent({ kind: 'rnnTanh', name: 'rnn', hasBias: false, states: 1, kept: 0, ints: [TANH] }),
  rnnRelu: defineRecurrent({ kind: 'rnnRelu', name: 'rnn', hasBias: false, states: 1, kept: 0, ints: [RELU] }),
};

/** The results of a sequence: the state after each step in the order of time, then the last of each state. */
export interface RecurrentResult {
  readonly y: Tensor;
  readonly last: readonly Tensor[];
}

/**
 * A recurrent layer over input[steps, batch, gates·size], what x contributes to each step (x·Wᵀ + b), with
 * weight[gates·size, size] for the state before, bias[gates·size] for the GRU's product with that, and states[batch, size].
 * Gates in PyTorch's order: i f g o, r z n. With lengths[batch] a sample's steps after its own leave its state as it is,
 * and give zeros.
 */
export function recurrent(
  kind: RecurrentKind,
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  states: readonly Tensor[],
  backwards: boolean,
  lengths: Tensor | null,
): RecurrentResult {
  const operands = [input, weight, ...(bias === null ? [] : [bias]), ...states, ...(lengths === null ? [] : [lengths])];
  const all = apply(ops[kind], operands, { backwards, lengths: lengths !== null });
  const steps = input.shape[0] as number;
  const from = backwards ? 0 : 1;
  const y = rows(all, from, from + steps);
  return { y, last: states.map((_, i) => row(all, i === 0 ? (backwards ? 0 : steps) : steps + i)) };
}
