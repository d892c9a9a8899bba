import { type Layer, type LayersSpec, onAxes, type ParameterForm, valuesOf } from './layers.js';
import { layersOf as denseLayersOf, type NetSpec } from './nets.js';
import { Model } from './onnx-model.js';

const EPSILON = { f: 1e-5 };

/** Bytes of a model of dense layers with relu between them. */
export function netModel(spec: NetSpec): Uint8Array {
  const model = new Model();
  const layers = denseLayersOf(spec);
  const y = layers.reduce((x, { inputs, outputs, weight, bias }, i) => {
    const product = model.node(
      'Gemm',
      [x, model.constant([outputs, inputs], weight), model.constant([outputs], bias)],
      {
        transB: 1,
      },
    );
    return i === layers.length - 1 ? product : model.node('Relu', [product]);
  }, 'x');
  return model.bytes([spec.batch, spec.sizes[0] as number], y, [spec.batch, spec.sizes.at(-1) as number]);
}

/** Bytes of a model of layers, or the kind of one that ONNX has no operator for. */
export function layersModel(spec: LayersSpec): Uint8Array | { readonly lacks: string } {
  const model = new Model();
  let x = 'x';
  let shape = spec.input;
  for (const layer of spec.layers) {
    const added = add(model, layer, x, shape);
    if (added === null) return { lacks: layer.is };
    x = added;
    // Behind layers that change a shape come only those that don't ask for it.
    shape = layer.is === 'encoder' || layer.is === 'attention' ? shape : [];
  }
  return model.bytes(spec.input, x, spec.output);
}

function add(model: Model, layer: Layer, x: string, shape: readonly number[]): string | null {
  const form = (path: string): ParameterForm => layer.parameters.find(one => one.path === path) as ParameterForm;
  const parameter = (path: string): string => model.constant(form(path).shape, valuesOf(form(path)));
  /** x·Wᵀ + b over the last axis. */
  const project = (input: string, path: string): string => {
    const [units, inputs] = form(`${path}.weight`).shape as [number, number];
    const weight = valuesOf(form(`${path}.weight`));
    const turned = new Float32Array(weight.length);
    for (let i = 0; i < units; i++)
      for (let j = 0; j < inputs; j++) turned[j * units + i] = weight[i * inputs + j] as number;
    const product = model.node('MatMul', [input, model.constant([inputs, units], turned)]);
    return model.node('Add', [product, parameter(`${path}.bias`)]);
  };
  const attend = (input: string, heads: number, within: string): string => {
    const [batch, places, units] = shape as [number, number, number];
    const size = units / heads;
    const split = (path: string, perm: readonly number[]): string =>
      model.node(
        'Transpose',
        [model.node('Reshape', [project(input, `${within}${path}`), model.list([batch, places, heads, size])])],
        { perm },
      );
    const scale = model.constant([], Float32Array.of(1 / Math.sqrt(size)));
    const scores = model.node('MatMul', [split('query', [0, 2, 1, 3]), split('key', [0, 2, 3, 1])]);
    const weights = model.node('Softmax', [model.node('Mul', [scores, scale])], { axis: -1 });
    const mixed = model.node('MatMul', [weights, split('value', [0, 2, 1, 3])]);
    const joined = model.node('Transpose', [mixed], { perm: [0, 2, 1, 3] });
    return project(model.node('Reshape', [joined, model.list([batch, places, units])]), `${within}out`);
  };
  const normalize = (input: string, within = ''): string =>
    model.node('LayerNormalization', [input, parameter(`${within}gamma`), parameter(`${within}beta`)], {
      axis: -1,
      epsilon: EPSILON,
    });
  const relu = (input: string, wanted: boolean | undefined): string =>
    wanted === true ? model.node('Relu', [input]) : input;

  switch (layer.is) {
    case 'conv': {
      const { kernel, stride = 1, padding = 0, dilation = 1, groups = 1, bias = true } = layer;
      const axes = form('weight').shape.length - 2;
      const paddings = onAxes(padding, axes);
      const attributes = {
        kernel_shape: onAxes(kernel, axes),
        strides: onAxes(stride, axes),
        pads: [...paddings, ...paddings],
        dilations: onAxes(dilation, axes),
        group: groups,
      };
      const inputs = [x, parameter('weight'), ...(bias ? [parameter('bias')] : [])];
      return relu(model.node('Conv', inputs, attributes), layer.relu);
    }
    case 'dense':
      return relu(
        model.node('Gemm', [x, parameter('weight'), ...(layer.bias === false ? [] : [parameter('bias')])], {
          transB: 1,
        }),
        layer.relu,
      );
    case 'flatten':
      return model.node('Flatten', [x]);
    case 'maxPool':
    case 'avgPool': {
      const { size, stride, padding = 0 } = layer;
      const attributes = {
        kernel_shape: [size, size],
        strides: [stride, stride],
        pads: [padding, padding, padding, padding],
      };
      return layer.is === 'maxPool'
        ? model.node('MaxPool', [x], attributes)
        : model.node('AveragePool', [x], { ...attributes, count_include_pad: 1 });
    }
    case 'batchNorm': {
      const size = form('gamma').shape;
      const [mean, variance] = [0, 1].map(value =>
        model.constant(size, new Float32Array(size[0] as number).fill(value)),
      );
      return model.node(
        'BatchNormalization',
        [x, parameter('gamma'), parameter('beta'), mean as string, variance as string],
        { epsilon: EPSILON },
      );
    }
    case 'layerNorm':
      return normalize(x);
    case 'instanceNorm':
      return model.node('InstanceNormalization', [x, parameter('gamma'), parameter('beta')], { epsilon: EPSILON });
    case 'lstm':
    case 'gru': {
      if (layer.bidirectional === true || (layer.layers ?? 1) > 1) return null;
      // Gates come as i, o, f, c there, and as z, r, h.
      const order = layer.is === 'lstm' ? [0, 3, 1, 2] : [1, 0, 2];
      const reordered = (path: string): Float32Array => {
        const values = valuesOf(form(path));
        const part = values.length / order.length;
        return Float32Array.from(values, (_, i) => {
          const gate = order[Math.floor(i / part)] as number;
          return values[gate * part + (i % part)] as number;
        });
      };
      const weight = (path: string): string => model.constant([1, ...form(path).shape], reordered(path));
      const bias = [...reordered('bias_ih_l0'), ...reordered('bias_hh_l0')];
      const inputs = [
        x,
        weight('weight_ih_l0'),
        weight('weight_hh_l0'),
        model.constant([1, bias.length], Float32Array.from(bias)),
      ];
      const all =
        layer.is === 'lstm'
          ? model.node('LSTM', inputs, { hidden_size: layer.size })
          : model.node('GRU', inputs, { hidden_size: layer.size, linear_before_reset: 1 });
      return model.node('Squeeze', [all, model.list([1])]);
    }
    case 'attention':
      if (layer.causal === true) return null;
      return attend(x, layer.heads, '');
    case 'encoder': {
      const seen = normalize(model.node('Add', [x, attend(x, layer.heads, 'attention.')]), 'attentionNorm.');
      const transformed = project(model.node('Relu', [project(seen, 'hidden')]), 'out');
      return normalize(model.node('Add', [seen, transformed]), 'outNorm.');
    }
    case 'convTranspose':
    case 'groupNorm':
    case 'embedding':
    case 'crossEntropy':
      return null;
  }
}
