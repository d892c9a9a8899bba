import type { Spec } from '../contenders/protocol.js';
import { uniform } from './generate.js';

/** A layer as all contenders can build it. Convolutions and pools are of two dimensions, recurrent layers time-major. */
export type LayerForm =
  | {
      readonly is: 'conv';
      readonly channels: number;
      readonly kernel: number;
      readonly stride?: number;
      readonly padding?: number;
      readonly groups?: number;
      readonly relu?: boolean;
    }
  | { readonly is: 'dense'; readonly units: number; readonly relu?: boolean }
  | { readonly is: 'flatten' }
  | { readonly is: 'maxPool' | 'avgPool'; readonly size: number; readonly stride: number; readonly padding?: number }
  | { readonly is: 'batchNorm' | 'layerNorm' | 'instanceNorm' }
  | { readonly is: 'groupNorm'; readonly groups: number }
  | { readonly is: 'lstm' | 'gru'; readonly size: number; readonly bidirectional?: boolean }
  | { readonly is: 'attention'; readonly heads: number }
  | { readonly is: 'encoder'; readonly heads: number; readonly hidden: number };

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
 * result's gradient to those of the input and of all parameters; `train` a step of SGD, on classes where the result has two
 * dimensions, else on half of the mean of squares.
 */
export type Pass = 'predict' | 'forward' | 'backward' | 'train';

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

/** The parameters of a layer, and what comes out of it. */
function resolve(form: LayerForm, input: Shape): { wanted: Wanted[]; output: Shape; multiplyAdds: number } {
  const [n, c, h = 1, w = 1] = input as [number, number, number?, number?];
  switch (form.is) {
    case 'conv': {
      const { channels, kernel, stride = 1, padding = 0, groups = 1 } = form;
      const output = [n, channels, windows(h, kernel, stride, padding), windows(w, kernel, stride, padding)];
      const fanIn = (c / groups) * kernel * kernel;
      const weight = [channels, c / groups, kernel, kernel];
      return {
        wanted: [
          ['weight', weight, fanIn],
          ['bias', [channels], 100],
        ],
        output,
        multiplyAdds: sizeOf(output) * fanIn,
      };
    }
    case 'dense':
      return {
        wanted: [
          ['weight', [form.units, c], c],
          ['bias', [form.units], 100],
        ],
        output: [n, form.units],
        multiplyAdds: n * form.units * c,
      };
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
      const rows = (form.is === 'lstm' ? 4 : 3) * form.size;
      const directions = form.bidirectional === true ? ['', '_reverse'] : [''];
      return {
        wanted: directions.flatMap((suffix): Wanted[] => [
          [`weight_ih_l0${suffix}`, [rows, units], units],
          [`weight_hh_l0${suffix}`, [rows, form.size], form.size],
          [`bias_ih_l0${suffix}`, [rows], 100],
          [`bias_hh_l0${suffix}`, [rows], 100],
        ]),
        output: [steps, batch, form.size * directions.length],
        multiplyAdds: directions.length * steps * batch * rows * (units + form.size),
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

export function inputValues({ input }: LayersSpec): Float32Array {
  return uniform(new Float32Array(sizeOf(input)), 1);
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
