import { autograd, compileStep, loss, nn, type Tensor, Trainer, tensor } from 'latent';
import { integers } from './generate.js';
import {
  alike,
  headValues,
  inputValues,
  LAYERS_RATE,
  type Layer,
  type LayersSpec,
  labelValues,
  onAxes,
  type ParameterForm,
  valuesOf,
} from './layers.js';
import { COMPARED_STEPS } from './nets.js';
import { calls, type Job } from './serve.js';

function blockOf(layer: Layer, spec: LayersSpec): nn.Block {
  switch (layer.is) {
    case 'conv': {
      const { channels, kernel, stride = 1, padding = 0, dilation = 1, groups = 1, bias = true, relu = false } = layer;
      const axes = (layer.parameters[0] as ParameterForm).shape.length - 2;
      const options = {
        kernelSize: [...onAxes(kernel, axes)],
        strides: [...onAxes(stride, axes)],
        padding: [...onAxes(padding, axes)],
        dilation: [...onAxes(dilation, axes)],
        groups,
        useBias: bias,
        ...(relu ? { activation: 'relu' as const } : {}),
      };
      return axes === 1 ? new nn.Conv1D(channels, options) : new nn.Conv2D(channels, options);
    }
    case 'convTranspose': {
      const { channels, kernel, stride = 1, padding = 0, bias = true } = layer;
      const axes = (layer.parameters[0] as ParameterForm).shape.length - 2;
      const options = {
        kernelSize: [...onAxes(kernel, axes)],
        strides: [...onAxes(stride, axes)],
        padding: [...onAxes(padding, axes)],
        useBias: bias,
      };
      return axes === 1 ? new nn.Conv1DTranspose(channels, options) : new nn.Conv2DTranspose(channels, options);
    }
    case 'dense': {
      const { units, bias = true, relu = false } = layer;
      return new nn.Dense(units, { flatten: false, useBias: bias, ...(relu ? { activation: 'relu' } : {}) });
    }
    case 'flatten':
      return new nn.Flatten();
    case 'maxPool':
      return new nn.MaxPool2D({ poolSize: layer.size, strides: layer.stride, padding: layer.padding });
    case 'avgPool':
      return new nn.AvgPool2D({ poolSize: layer.size, strides: layer.stride, padding: layer.padding });
    case 'batchNorm':
      return new nn.BatchNorm();
    case 'layerNorm':
      return new nn.LayerNorm();
    case 'instanceNorm':
      return new nn.InstanceNorm();
    case 'groupNorm':
      return new nn.GroupNorm({ numGroups: layer.groups });
    case 'lstm':
      return new nn.LSTM(layer.size, { numLayers: layer.layers, bidirectional: layer.bidirectional });
    case 'gru':
      return new nn.GRU(layer.size, { numLayers: layer.layers, bidirectional: layer.bidirectional });
    case 'attention':
      return new nn.MultiHeadAttention(layer.heads, { causal: layer.causal });
    case 'encoder':
      return new nn.TransformerEncoderLayer(layer.heads, { hiddenUnits: layer.hidden, dropout: 0 });
    case 'embedding':
      return new nn.Embedding(layer.rows, layer.units);
    case 'crossEntropy':
      return new Labelled(tensor(labelValues(spec)));
  }
}

/** The loss of one row each, on classes that stay the same. */
class Labelled extends nn.Block {
  readonly criterion = new loss.SoftmaxCrossEntropy();
  constructor(readonly labels: Tensor) {
    super();
  }
  override forward(x: Tensor): Tensor {
    return this.criterion(x, this.labels);
  }
}

/** The layers with the values that all contenders start from; those without such values as they are by default. */
export function layersOf(spec: LayersSpec): { net: nn.Sequential; compared: nn.Parameter[] } {
  const compared: nn.Parameter[] = [];
  const blocks = spec.layers.map(layer => {
    const block = blockOf(layer, spec);
    const own = block.collectParams();
    for (const form of layer.parameters) {
      const parameter = own.get(form.path) as nn.Parameter;
      parameter.setData(tensor(valuesOf(form)).reshape([...form.shape]));
      if (!form.cancels) compared.push(parameter);
    }
    return block;
  });
  const net: nn.Sequential = new nn.Sequential(...blocks);
  net.initialize();
  return { net, compared };
}

/** One step of training on the same batch again and again; answers the losses. */
export function layersStep(spec: LayersSpec): () => Tensor {
  const { net } = layersOf(spec);
  const x: Tensor = tensor(inputValues(spec)).reshape([...spec.input]);
  const [size, classes] = spec.output as [number, number];
  const hasClasses = spec.output.length === 2;
  const y: Tensor = hasClasses
    ? tensor(integers(size, 2, classes))
    : tensor(headValues(spec)).reshape([...spec.output]);
  const criterion = hasClasses ? new loss.SoftmaxCrossEntropy() : new loss.L2();
  const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: LAYERS_RATE });
  if (spec.planned === true) {
    const step = compileStep(net, criterion, trainer);
    return () => step(x, y);
  }
  return () => {
    const losses: Tensor = autograd.record(() => criterion(net(x), y));
    losses.backward();
    trainer.step(size);
    return losses;
  };
}

export function layersJob(spec: LayersSpec): Job {
  const { net, compared } = layersOf(spec);
  const x: Tensor = tensor(inputValues(spec)).reshape([...spec.input]);
  if (spec.planned === true && spec.pass !== 'train') net.hybridize();
  if (spec.pass === 'predict')
    return calls(
      () => net(x),
      () => net(x).toTypedArray(),
    );
  if (spec.pass === 'train') {
    const step = layersStep(spec);
    return calls(step, () => Array.from({ length: COMPARED_STEPS }, () => step().mean().item()));
  }
  const floats = x.dtype === 'float32';
  if (floats) x.attachGrad();
  const forward = (): Tensor => autograd.record(() => net(x));
  if (spec.pass === 'forward') return calls(forward, () => forward().toTypedArray());
  const head: Tensor = tensor(headValues(spec)).reshape([...spec.output]);
  const gradients = (): Tensor[] => [
    ...(floats ? [x.grad as Tensor] : []),
    ...compared.map(parameter => parameter.grad()),
  ];
  const y = forward();
  const pass = (): Tensor[] => {
    if (spec.pass === 'both') forward().backward(head);
    else autograd.backward([y], [head], { retainGraph: true });
    // A gradient that nobody looked at would be warned of.
    return gradients();
  };
  return calls(pass, () => alike(pass().map(gradient => gradient.toTypedArray())));
}
