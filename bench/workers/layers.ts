import type { Spec } from '../contenders/protocol.js';
import { integers, uniform } from './generate.js';

/** One number for all axes of a window, or one for each. */
export type PerAxis = number | readonly number[];

/**
 * A layer as all contenders can build it. Convolutions have as many dimensions as their input, pools two; dense layers take the
 * last axis, recurrent layers are time-major; an embedding comes first, and the loss last.
 */
export type LayerForm =
  | {
      readonly is: 'conv';
      readonly channels: number;
      readonly kernel: PerAxis;
      readonly stride?: PerAxis;
      readonly padding?: PerAxis;
      readonly dilation?: PerAxis;
      readonly groups?: number;
      readonly bias?: boolean;
      readonly relu?: boolean;
    }
  | {
      readonly is: 'convTranspose';
      readonly channels: number;
      readonly kernel: PerAxis;
      readonly stride?: PerAxis;
      readonly padding?: PerAxis;
      readonly bias?: boolean;
    }
  | { readonly is: 'dense'; readonly units: number; readonly bias?: boolean; readonly relu?: boolean }
  | { readonly is: 'flatten' }
  | { readonly is: 'maxPool' | 'avgPool'; readonly size: number; readonly stride: number; readonly padding?: number }
  | { readonly is: 'batchNorm' | 'layerNorm' | 'instanceNorm' }
  | { readonly is: 'groupNorm'; readonly groups: number }
  | { readonly is: 'lstm' | 'gru'; readonly size: number; readonly layers?: number; readonly bidirectional?: boolean }
  | { readonly is: 'attention'; readonly heads: number; readonly causal?: boolean }
  | { readonly is: 'encoder'; readonly heads: number; readonly hidden: number }
  | { readonly is: 'embedding'; readonly rows: number; readonly units: number }
  | { readonly is: 'crossEntropy' };

/** A parameter's path within its layer, and its first values: uniform in [offset - scale, offset + scale). */
export interface ParameterForm {
  readonly path: string;
  readonly shape: readonly number[];
  readonly seed: number;
  readonly scale: number;
  readonly offset: number;
  /** Whether its gradient is zero, and what is computed of it rounding alone, which isn't compared. */
  readonly cancels: boolean;
}

export type Layer = LayerForm & { readonly parameters: readonly ParameterForm[] };

/**
 * What is timed: `predict` the forward where nothing is recorded; `forward` in training, recorded; `backward` from the
 * result's gradient to those of the input, where it has one, and of all parameters; `both` the two after another; `train` a
 * step of SGD, on classes where the result has two dimensions, else on half of the mean of squares.
 */
export type Pass = 'predict' | 'forward' | 'backward' | 'both' | 'train';

export interface LayersSpec extends Spec {
  readonly kind: 'layers';
  readonly layers: readonly Layer[];
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly pass: Pass;
  /** Ours by a plan: a hybridized net, or a compiled step. */
  readonly planned?: boolean;
}

export const LAYERS_RATE = 0.01;

type Shape = readonly number[];
type Wanted = readonly [path: string, shape: Shape, fanIn: number, offset?: number];

const windows = (size: number, kernel: number, stride: number, padding: number): number =>
  Math.floor((size + 2 * padding - kernel) / stride) + 1;

/** A layer's option for each of so many axes. */
export const onAxes = (value: PerAxis, axes: number): readonly number[] =>
  typeof value === 'number' ? new Array<number>(axes).fill(value) : value;

const weightAndBias = (shape: Shape, fanIn: number, channels: number, bias = true): Wanted[] => [
  ['weight', shape, fanIn],
  ...(bias ? ([['bias', [channels], 100]] as const) : []),
];

/** The parameters of a layer, and what comes out of it. */
function resolve(form: LayerForm, input: Shape): { wanted: Wanted[]; output: Shape; multiplyAdds: number } {
  const [n, c, h = 1, w = 1] = input as [number, number, number?, number?];
  switch (form.is) {
    case 'conv': {
      const { channels, stride = 1, padding = 0, dilation = 1, groups = 1, bias } = form;
      const axes = input.slice(2);
      const [kernels, strides, paddings, dilations] = [form.kernel, stride, padding, dilation].map(value =>
        onAxes(value, axes.length),
      ) as [Shape, Shape, Shape, Shape];
      const places = axes.map((size, i) =>
        windows(size, (kernels[i]! - 1) * dilations[i]! + 1, strides[i] as number, paddings[i] as number),
      );
      const fanIn = (c / groups) * sizeOf(kernels);
      const output = [n, channels, ...places];
      const wanted = weightAndBias([channels, c / groups, ...kernels], fanIn, channels, bias);
      return { wanted, output, multiplyAdds: sizeOf(output) * fanIn };
    }
    case 'convTranspose': {
      const { channels, stride = 1, padding = 0, bias } = form;
      const axes = input.slice(2);
      const [kernels, strides, paddings] = [form.kernel, stride, padding].map(value => onAxes(value, axes.length)) as [
        Shape,
        Shape,
        Shape,
      ];
      const places = axes.map((size, i) => (size - 1) * strides[i]! - 2 * paddings[i]! + kernels[i]!);
      const wanted = weightAndBias([c, channels, ...kernels], c, channels, bias);
      const multiplyAdds = sizeOf(input) * channels * sizeOf(kernels);
      return { wanted, output: [n, channels, ...places], multiplyAdds };
    }
    case 'dense': {
      const units = input.at(-1) as number;
      const output = [...input.slice(0, -1), form.units];
      const wanted = weightAndBias([form.units, units], units, form.units, form.bias);
      return { wanted, output, multiplyAdds: sizeOf(output) * units };
    }
    case 'flatten':
      return { wanted: [], output: [n, c * h * w], multiplyAdds: 0 };
    case 'maxPool':
    case 'avgPool': {
      const { size, stride, padding = 0 } = form;
      const output = [n, c, windows(h, size, stride, padding), windows(w, size, stride, padding)];
      return { wanted: [], output, multiplyAdds: 0 };
    }
    case 'batchNorm':
    case 'groupNorm':
    case 'instanceNorm':
    case 'layerNorm': {
      const channels = form.is === 'layerNorm' ? (input.at(-1) as number) : c;
      return {
        wanted: [
          ['gamma', [channels], 100, 1],
          ['beta', [channels], 100],
        ],
        output: input,
        multiplyAdds: 0,
      };
    }
    case 'lstm':
    case 'gru': {
      const [steps, batch, units] = input as [number, number, number];
      const { size, layers = 1 } = form;
      const rows = (form.is === 'lstm' ? 4 : 3) * size;
      const directions = form.bidirectional === true ? ['', '_reverse'] : [''];
      const inputs = Array.from({ length: layers }, (_, i) => (i === 0 ? units : size * directions.length));
      return {
        wanted: inputs.flatMap((width, i) =>
          directions.flatMap((suffix): Wanted[] => [
            [`weight_ih_l${i}${suffix}`, [rows, width], width],
            [`weight_hh_l${i}${suffix}`, [rows, size], size],
            [`bias_ih_l${i}${suffix}`, [rows], 100],
            [`bias_hh_l${i}${suffix}`, [rows], 100],
          ]),
        ),
        output: [steps, batch, size * directions.length],
        multiplyAdds: directions.length * steps * batch * rows * inputs.reduce((sum, width) => sum + width + size, 0),
      };
    }
    case 'attention':
    case 'encoder': {
      const [batch, places, units] = input as [number, number, number];
      const within = form.is === 'encoder' ? 'attention.' : '';
      const attention = ['query', 'key', 'value', 'out'].flatMap((part): Wanted[] => [
        [`${within}${part}.weight`, [units, units], units],
        [`${within}${part}.bias`, [units], 100],
      ]);
      const products = batch * places * (4 * units * units + 2 * places * units);
      if (form.is === 'attention') return { wanted: attention, output: input, multiplyAdds: products };
      const norms = ['attentionNorm', 'outNorm'].flatMap((part): Wanted[] => [
        [`${part}.gamma`, [units], 100, 1],
        [`${part}.beta`, [units], 100],
      ]);
      const transform: Wanted[] = [
        ['hidden.weight', [form.hidden, units], units],
        ['hidden.bias', [form.hidden], 100],
        ['out.weight', [units, form.hidden], form.hidden],
        ['out.bias', [units], 100],
      ];
      return {
        wanted: [...attention, ...norms, ...transform],
        output: input,
        multiplyAdds: products + 2 * batch * places * units * form.hidden,
      };
    }
    case 'embedding':
      return { wanted: [['weight', [form.rows, form.units], 1]], output: [...input, form.units], multiplyAdds: 0 };
    case 'crossEntropy':
      return { wanted: [], output: [n], multiplyAdds: 0 };
  }
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A case of layers on top of each other, with all that contenders need to build it, and its multiply-adds forwards. */
export function layersSpec(
  forms: readonly LayerForm[],
  input: Shape,
  pass: Pass,
): { spec: LayersSpec; multiplyAdds: number } {
  let shape = input;
  let seed = 10;
  let multiplyAdds = 0;
  const layers = forms.map(form => {
    const { wanted, output, multiplyAdds: own } = resolve(form, shape);
    shape = output;
    multiplyAdds += own;
    const parameters = wanted.map(([path, size, fanIn, offset = 0]) => ({
      path,
      shape: size,
      seed: seed++,
      scale: 1 / Math.sqrt(fanIn),
      offset,
      // It adds the same to all of a query's scores.
      cancels: path.endsWith('key.bias'),
    }));
    return { ...form, parameters };
  });
  return { spec: { kind: 'layers', layers, input, output: shape, pass }, multiplyAdds };
}

export function valuesOf({ shape, seed, scale, offset }: ParameterForm): Float32Array {
  const values = uniform(new Float32Array(sizeOf(shape)), seed, scale);
  return offset === 0 ? values : values.map(value => value + offset);
}

export function inputValues({ input, layers }: LayersSpec): Float32Array | Int32Array {
  const first = layers[0] as Layer;
  if (first.is === 'embedding') return integers(sizeOf(input), 1, first.rows);
  return uniform(new Float32Array(sizeOf(input)), 1);
}

/** Of a loss: the class of each row of its input. */
export function labelValues({ input }: LayersSpec): Int32Array {
  return integers(input[0] as number, 3, input[1] as number);
}

/** The gradient that a backward starts from. */
export function headValues({ output }: LayersSpec): Float32Array {
  return uniform(new Float32Array(sizeOf(output)), 2);
}

/** Lists one after another, each by its largest element, so that small gradients count as large ones do. */
export function alike(lists: readonly ArrayLike<number>[]): Float64Array {
  const all = new Float64Array(lists.reduce((n, list) => n + list.length, 0));
  let at = 0;
  for (const list of lists) {
    let most = 1e-30;
    for (let i = 0; i < list.length; i++) most = Math.max(most, Math.abs(list[i] as number));
    for (let i = 0; i < list.length; i++) all[at++] = (list[i] as number) / most;
  }
  return all;
}
