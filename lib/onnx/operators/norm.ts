import { batchNorm, groupNorm, rowNorm } from '../../ops/norm.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Call, Emitter, Exporter } from '../emitter.js';
import { floatKinds } from '../kind.js';
import type { Importer, Inputs } from '../reader.js';
import { known, type Size, together } from '../sizes.js';

/**
 * The format's own normalizations keep epsilon, and LayerNormalization its moments, as float32: float64 is written out in
 * simpler operators, which lose nothing.
 */
const isExact = (call: Call): boolean => call.output.dtype === 'float64';

interface Vectors {
  readonly gamma: boolean;
  readonly beta: boolean;
  readonly epsilon: number;
}

/** gamma and beta, which stand after so many operands; null where there is none. */
function vectors(e: Emitter, call: Call, first: number): { gamma: string | null; beta: string | null } {
  const { gamma, beta } = call.attrs as Vectors;
  return {
    gamma: gamma ? e.name(call.value(first)) : null,
    beta: beta ? e.name(call.value(first + Number(gamma))) : null,
  };
}

/** x·gamma + beta. */
function scaled(e: Emitter, x: string, gamma: string | null, beta: string | null): string {
  const product = gamma === null ? x : e.node('Mul', [x, gamma]);
  return beta === null ? product : e.node('Add', [product, beta]);
}

/** (x - mean)/√(variance + ε) over axes, or without the mean. */
function normalized(e: Emitter, call: Call, x: string, axes: readonly number[], centered = true): string {
  const { dtype } = call.output;
  const mean = (name: string): string => e.node('ReduceMean', [name], { axes, keepdims: 1 });
  const around = centered ? e.node('Sub', [x, mean(x)]) : x;
  const variance = e.node('Add', [mean(e.node('Mul', [around, around])), e.scalar(call.attrs.epsilon, dtype)]);
  return e.node('Div', [around, e.node('Sqrt', [variance])]);
}

/** A vector of the channels, to broadcast along axis 1. */
function alongChannels(e: Emitter, call: Call, name: string | null): string | null {
  const { shape } = call.output;
  if (name === null || shape.length === 2) return name;
  const channels = shape[1] as Size;
  return e.reshape(name, [channels], [channels, ...shape.slice(2).map(() => known(1))]);
}

export const exporters: Readonly<Record<string, Exporter>> = {
  rowNorm: (e, call) => {
    const { centered, epsilon } = call.attrs as Vectors & { centered: boolean };
    const { shape, dtype } = call.output;
    const x = e.name(call.value(0));
    const { gamma, beta } = vectors(e, call, 1);
    if (!centered || isExact(call)) return scaled(e, normalized(e, call, x, [shape.length - 1], centered), gamma, beta);
    const last = call.fixed(shape[shape.length - 1] as Size);
    return e.node('LayerNormalization', [x, gamma ?? e.writer.filled(1, dtype, [last]), beta ?? ''], {
      axis: -1,
      epsilon: { f: epsilon },
    });
  },
  groupNorm: (e, call) => {
    const { groups, epsilon } = call.attrs as Vectors & { groups: number };
    const { shape, dtype } = call.output;
    const x = e.name(call.value(0));
    const { gamma, beta } = vectors(e, call, 1);
    const channels = call.fixed(shape[1] as Size);
    const fill = (value: number, length: number): string => e.writer.filled(value, dtype, [length]);
    if (!isExact(call) && groups === channels && shape.length > 2) {
      return e.node('InstanceNormalization', [x, gamma ?? fill(1, channels), beta ?? fill(0, channels)], {
        epsilon: { f: epsilon },
      });
    }
    const rest = together([known(channels / groups), ...shape.slice(2)], numbers => numbers.reduce((a, b) => a * b));
    const grouped = [shape[0] as Size, known(groups), rest];
    const view = e.reshape(x, shape, grouped);
    const n = isExact(call)
      ? normalized(e, call, view, [2])
      : e.node('InstanceNormalization', [view, fill(1, groups), fill(0, groups)], { epsilon: { f: epsilon } });
    return scaled(e, e.reshape(n, grouped, shape), alongChannels(e, call, gamma), alongChannels(e, call, beta));
  },
  batchMoments: (e, call) => {
    const x = e.name(call.value(0));
    const rank = call.value(0).shape.length;
    const axes = Array.from({ length: rank }, (_, d) => d).filter(d => d !== 1);
    const mean = e.node('ReduceMean', [x], { axes, keepdims: 1 });
    const around = e.node('Sub', [x, mean]);
    const variance = e.node('ReduceMean', [e.node('Mul', [around, around])], { axes, keepdims: 1 });
    const row = (name: string): string => e.node('Reshape', [name, e.list([1, -1])]);
    return e.node('Concat', [row(mean), row(variance)], { axis: 0 });
  },
  batchNorm: (e, call) => {
    const { epsilon } = call.attrs as Vectors;
    const { shape, dtype } = call.output;
    const [x, mean, variance] = [0, 1, 2].map(i => e.name(call.value(i))) as [string, string, string];
    const { gamma, beta } = vectors(e, call, 3);
    if (isExact(call)) {
      const root = e.node('Sqrt', [e.node('Add', [variance, e.scalar(epsilon, dtype)])]);
      const scale = e.node('Div', [gamma ?? e.scalar(1, dtype), root]);
      const around = e.node('Sub', [x, alongChannels(e, call, mean) as string]);
      return scaled(e, around, alongChannels(e, call, scale), alongChannels(e, call, beta));
    }
    const channels = call.fixed(shape[1] as Size);
    const fill = (value: number): string => e.writer.filled(value, dtype, [channels]);
    return e.node('BatchNormalization', [x, gamma ?? fill(1), beta ?? fill(0), mean, variance], {
      epsilon: { f: epsilon },
    });
  },
};

/** Raises where a vector is not one of so many elements. */
function checkVectors(inputs: Inputs, length: number | undefined, places: readonly number[]): void {
  for (const place of places) {
    const t = inputs.maybe(place);
    if (t !== null && (t.ndim !== 1 || t.shape[0] !== length))
      inputs.refuse(`input ${place} has shape [${t.shape.join(', ')}], and not [${length}]`);
  }
}

export const importers: Readonly<Record<string, Importer>> = {
  LayerNormalization: node => {
    node.takes(2, 3);
    node.only('axis', -1);
    node.only('stash_type', 1);
    const epsilon = node.float('epsilon', 1e-5);
    return {
      gives: floatKinds([0, 1], [2]),
      run: inputs => {
        const x = inputs.tensor(0);
        checkVectors(inputs, x.shape.at(-1), [1, 2]);
        return [rowNorm(x, inputs.tensor(1), inputs.maybe(2), epsilon, true)];
      },
    };
  },
  InstanceNormalization: node => {
    node.takes(3);
    const epsilon = node.float('epsilon', 1e-5);
    return {
      gives: floatKinds([0, 1, 2]),
      run: inputs => {
        const x = inputs.tensor(0);
        checkVectors(inputs, x.shape[1], [1, 2]);
        if (x.shape[1] === 0) return [x];
        return [groupNorm(x, x.shape[1] as number, inputs.tensor(1), inputs.tensor(2), epsilon)];
      },
    };
  },
  BatchNormalization: node => {
    node.takes(5);
    node.only('training_mode', 0);
    node.float('momentum', 0.9);
    const epsilon = node.float('epsilon', 1e-5);
    return {
      gives: floatKinds([0, 1, 2, 3, 4]),
      run: inputs => {
        const [x, gamma, beta, mean, variance] = [0, 1, 2, 3, 4].map(i => inputs.tensor(i)) as [
          Tensor,
          Tensor,
          Tensor,
          Tensor,
          Tensor,
        ];
        if (x.ndim < 2) inputs.refuse('takes two dimensions or more');
        checkVectors(inputs, x.shape[1], [1, 2, 3, 4]);
        return [batchNorm(x, [mean, variance], gamma, beta, epsilon, false)];
      },
    };
  },
};
