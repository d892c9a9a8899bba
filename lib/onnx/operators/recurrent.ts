import { add } from '../../ops/binary.js';
import { less } from '../../ops/compare.js';
import { arange, eye, zeros } from '../../ops/create.js';
import { dense } from '../../ops/dense.js';
import { concat } from '../../ops/join.js';
import { type RecurrentKind, recurrent } from '../../ops/recurrent.js';
import { where } from '../../ops/select.js';
import { expandDims, reshape, slice } from '../../ops/view.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Call, Emitter, Exporter, Known } from '../emitter.js';
import type { FreeValue } from '../free-graph.js';
import { inputPart } from '../idioms.js';
import { tensorKind } from '../kind.js';
import type { Importer, NodeReader } from '../reader.js';
import { known as fixedSize, plus, type Size, sameSize as same } from '../sizes.js';

interface Kind {
  readonly type: string;
  /** The format's gates, by their places here: it has i o f c and z r h where here are i f g o and r z n. */
  readonly gates: readonly number[];
  readonly letters: string;
  readonly attributes: Readonly<Record<string, number | readonly string[]>>;
}

const kinds: Readonly<Record<RecurrentKind, Kind>> = {
  lstm: { type: 'LSTM', gates: [0, 3, 1, 2], letters: 'iofc', attributes: {} },
  gru: { type: 'GRU', gates: [1, 0, 2], letters: 'zrh', attributes: { linear_before_reset: 1 } },
  rnnTanh: { type: 'RNN', gates: [0], letters: 'h', attributes: {} },
  rnnRelu: { type: 'RNN', gates: [0], letters: 'h', attributes: { activations: ['Relu'] } },
};

/** The gates' parts of a weight or bias in another order. */
function ordered(t: Tensor, gates: readonly number[]): Tensor {
  if (gates.length === 1) return t;
  const size = (t.shape[0] as number) / gates.length;
  return concat(gates.map(gate => slice(t, [gate * size, (gate + 1) * size])) as [Tensor, ...Tensor[]]) as Tensor;
}

const [zero, one] = [fixedSize(0), fixedSize(1)];

function exporter(kind: RecurrentKind): Exporter {
  const { type, gates, letters, attributes } = kinds[kind];
  return (e, call) => {
    const { backwards, lengths: hasLengths } = call.attrs as { backwards: boolean; lengths: boolean };
    const hasBias = kind === 'gru';
    const stateCount = kind === 'lstm' ? 2 : 1;
    const [steps, batch] = call.value(0).shape as readonly [Size, Size];
    const size = call.fixed(call.value(1).shape[1] as Size);
    const states = Array.from({ length: stateCount }, (_, i) => call.value((hasBias ? 3 : 2) + i));
    const lengths = hasLengths ? call.value((hasBias ? 3 : 2) + stateCount) : null;

    const known = (value: FreeValue): Known =>
      e.around.known(value) ?? call.refuse(`computes the weights of ${call.name} from its input`);
    /** A weight or bias as the file keeps it: with the gates in the format's order, and the direction in front. */
    const keep = (given: readonly Known[]): string => {
      const tensor = concat(given.map(one => ordered(one.tensor, gates)) as [Tensor, ...Tensor[]]) as Tensor;
      const names = [...new Set(given.flatMap(one => one.parameters))];
      const whole = expandDims(tensor, 0) as Tensor;
      if (names.length === 0) return e.constant(whole);
      const name = e.writer.initializer(`${names.join('+')}/${letters}`, whole);
      if (given.every(({ isFrozen }) => isFrozen)) e.around.freeze(name);
      return name;
    };
    const blank: Known = {
      tensor: zeros([gates.length * size], { dtype: call.output.dtype as 'float32' }),
      parameters: [],
      isFrozen: true,
    };
    const part = inputPart(call.node, e.around.producers);
    const weight = part === null ? null : known(part.weight);
    const bias = part === null || part.bias === null ? blank : known(part.bias);
    const later = hasBias ? known(call.value(2)) : blank;
    // An operand that isn't a product is passed through a product with the identity.
    const unit = (): Known => ({
      tensor: eye(gates.length * size, { dtype: call.output.dtype as 'float32' }),
      parameters: [],
      isFrozen: true,
    });
    const begin = states.map(state =>
      e.around.isZero(state) ? '' : e.node('Unsqueeze', [e.name(state), e.list([0])]),
    );
    const results = e.writer.results(
      type,
      1 + stateCount,
      [
        e.name(part?.x ?? call.value(0)),
        keep([weight ?? unit()]),
        keep([known(call.value(1))]),
        bias === blank && later === blank ? '' : keep([bias, later]),
        lengths === null ? '' : e.name(lengths),
        ...begin,
      ],
      {
        hidden_size: size,
        ...(backwards && { direction: 'reverse' }),
        ...attributes,
      },
    );
    let squeezed: string | null = null;
    const y = (): string => {
      squeezed ??= e.node('Squeeze', [results[0] as string, e.list([1])]);
      return squeezed;
    };
    const [last, cell] = results.slice(1) as [string, string?];
    const first = backwards ? zero : one;
    e.defineParts(call.output, {
      find: (start, count) => {
        const isOne = same(count, one);
        if (isOne && same(start, backwards ? zero : steps)) return last;
        if (isOne && cell !== undefined && same(start, plus(steps, one))) return cell;
        return same(start, first) && same(count, steps) ? y() : null;
      },
      whole: () => {
        if (lengths !== null) call.refuse('reads states of a recurrent layer that lie after the ends of sequences');
        const state = begin[0] === '' ? zeroState(e, call, batch, size) : (begin[0] as string);
        const rows = backwards ? [y(), state] : [state, y()];
        return e.node('Concat', cell === undefined ? rows : [...rows, cell], { axis: 0 });
      },
    });
    return null;
  };
}

function zeroState(e: Emitter, call: Call, batch: Size, size: number): string {
  const sizes = e.writer.sizes([one, batch, fixedSize(size)]);
  return e.node('Expand', [e.scalar(0, call.output.dtype), sizes]);
}

export const exporters: Readonly<Record<string, Exporter>> = Object.fromEntries(
  (Object.keys(kinds) as RecurrentKind[]).map(kind => [kind, exporter(kind)]),
);

// ---------- from files

/**
 * One direction along x[steps, batch, units]: the results are y[steps, 1, batch, size] and the last states, [1, batch,
 * size].
 */
function reading(node: NodeReader, kindOf: () => RecurrentKind): ReturnType<Importer> {
  const stateful = node.opType === 'LSTM';
  node.takes(3, stateful ? 8 : 6);
  node.gives(stateful ? 3 : 2);
  node.only('layout', 0);
  const direction = node.text('direction', 'forward');
  if (direction !== 'forward' && direction !== 'reverse')
    node.refuse(`direction '${direction}' is not known; one direction is`);
  const backwards = direction === 'reverse';
  const size = node.int('hidden_size', 0);
  const kind = kindOf();
  const { gates } = kinds[kind];
  const back = gates.map((_, here) => gates.indexOf(here));
  return {
    gives: kinds => {
      if (kinds.maybe(7) !== null) kinds.refuse('peepholes are not known');
      if (kinds.maybe(4) !== null) kinds.of(4, ['int32']);
      const { dtype } = kinds.floats([0, 1, 2], [3, 5, 6]);
      return Array.from({ length: stateful ? 3 : 2 }, () => tensorKind(dtype as 'float32'));
    },
    run: inputs => {
      const [x, weights, stateWeights] = [inputs.tensor(0), inputs.tensor(1), inputs.tensor(2)];
      if (x.ndim !== 3) inputs.refuse(`takes x[steps, batch, units], but got ${x.ndim} dimensions`);
      const all = gates.length * size;
      const [steps, batch, units] = x.shape as readonly [number, number, number];
      for (const [t, last] of [
        [weights, units],
        [stateWeights, size],
      ] as const) {
        if (t.ndim !== 3 || t.shape[0] !== 1 || t.shape[1] !== all || t.shape[2] !== last)
          inputs.refuse(`a weight has shape [${t.shape.join(', ')}], and not [1, ${all}, ${last}]`);
      }
      const one = (t: Tensor): Tensor => reshape(t, t.shape.slice(1)) as Tensor;
      const weight = ordered(one(weights), back);
      const both = inputs.maybe(3);
      if (both !== null && (both.ndim !== 2 || both.shape[0] !== 1 || both.shape[1] !== 2 * all))
        inputs.refuse(`the bias has shape [${both.shape.join(', ')}], and not [1, ${2 * all}]`);
      const biases =
        both === null ? [] : [0, 1].map(i => ordered(slice(one(both), [i * all, (i + 1) * all]) as Tensor, back));
      const blank = (shape: number[]): Tensor => zeros(shape, { dtype: x.dtype as 'float32' }) as Tensor;
      const isGru = kind === 'gru';
      const [ofInput = null, ofState = null] = biases as [Tensor?, Tensor?];
      const before = isGru || ofInput === null || ofState === null ? ofInput : (add(ofInput, ofState) as Tensor);
      const rows = reshape(x, [steps * batch, units]) as Tensor;
      const input = reshape(dense(rows, weight, before), [steps, batch, all]) as Tensor;
      const states = Array.from({ length: stateful ? 2 : 1 }, (_, i) => {
        const given = inputs.maybe(5 + i);
        if (given !== null && (given.ndim !== 3 || given.shape[0] !== 1))
          inputs.refuse(`a first state has shape [${given.shape.join(', ')}], and not [1, ${batch}, ${size}]`);
        return given === null ? blank([batch, size]) : one(given);
      });
      const lengths = inputs.maybe(4);
      const later = isGru ? (ofState ?? blank([all])) : null;
      const result = recurrent(kind, input, ordered(one(stateWeights), back), later, states, backwards, lengths);
      const ended = lengths === null ? result.y : withoutEnds(result.y, lengths);
      return [expandDims(ended, 1) as Tensor, ...result.last.map(state => expandDims(state, 0) as Tensor)];
    },
  };
}

/** Zeros after the end of each sequence. */
function withoutEnds(y: Tensor, lengths: Tensor): Tensor {
  const steps = arange(y.shape[0] as number) as Tensor;
  const inside = expandDims(less(expandDims(steps, 1) as Tensor, lengths), 2) as Tensor;
  return where(inside, y, 0) as Tensor;
}

export const importers: Readonly<Record<string, Importer>> = {
  LSTM: node => {
    node.only('input_forget', 0);
    return reading(node, () => 'lstm');
  },
  GRU: node => {
    // The format's own default is the other way.
    if (node.int('linear_before_reset', 0) !== 1)
      node.refuse("attribute 'linear_before_reset' is 0, and only 1 is known");
    return reading(node, () => 'gru');
  },
  RNN: node =>
    reading(node, () => {
      const [activation = 'Tanh'] = node.texts('activations') ?? [];
      if (activation !== 'Tanh' && activation !== 'Relu') node.refuse(`activation '${activation}' is not known`);
      return activation === 'Relu' ? 'rnnRelu' : 'rnnTanh';
    }),
};
