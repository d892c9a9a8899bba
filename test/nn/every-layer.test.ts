import { inspect } from 'node:util';
import { autograd, nn, random, ShapeError, type Tensor, tensor } from '../../lib/index.js';
import { allBits, bits, inFolder, thrown, values } from '../support/nn-helpers.js';

interface Entry {
  /** The layer without any input size. */
  readonly make: () => nn.BlockBase;
  /** The shape of a first input, and its type. */
  readonly input: readonly number[];
  readonly ids?: number;
  /** The same with every size given, for layers that have parameters whose shape hangs on the input. */
  readonly sized?: () => nn.BlockBase;
  /** An input that doesn't fit any more once the first one came. */
  readonly wrong?: readonly number[];
  /** What it prints before it knows its input. */
  readonly print: string | RegExp;
  readonly output: readonly number[];
}

const dense = (inUnits?: number) => new nn.Dense(3, { activation: 'tanh', inUnits });

/** Every layer that nn exports. */
const layers: Record<string, Entry> = {
  Dense: {
    make: () => dense(),
    sized: () => dense(5),
    input: [4, 5],
    wrong: [4, 6],
    print: 'Dense(-1 -> 3, Activation(tanh))',
    output: [4, 3],
  },
  PReLU: {
    make: () => new nn.PReLU({ inChannels: -1 }),
    sized: () => new nn.PReLU({ inChannels: 5 }),
    input: [4, 5, 2],
    wrong: [4, 6, 2],
    print: 'PReLU(-1)',
    output: [4, 5, 2],
  },
  Sequential: {
    make: () => new nn.Sequential(dense(), dense()),
    sized: () => new nn.Sequential(dense(5), dense(3)),
    input: [4, 5],
    wrong: [4, 6],
    print: /\(0\): Dense\(-1 -> 3.*\n.*\(1\): Dense\(-1 -> 3/,
    output: [4, 3],
  },
  Concurrent: {
    make: () => new nn.Concurrent(dense(), new nn.Identity(), { axis: 1 }),
    sized: () => new nn.Concurrent(dense(5), new nn.Identity(), { axis: 1 }),
    input: [4, 5],
    wrong: [4, 6],
    print: /Concurrent\(\n {2}\(layers.0\): Dense\(-1 -> 3/,
    output: [4, 8],
  },
  Residual: {
    make: () => new nn.Residual(dense(), { shortcut: new nn.Dense(3, { useBias: false }) }),
    sized: () => new nn.Residual(dense(5), { shortcut: new nn.Dense(3, { useBias: false, inUnits: 5 }) }),
    input: [4, 5],
    wrong: [4, 6],
    print: /Residual\(\n {2}\(body\): Sequential/,
    output: [4, 3],
  },
  BatchNorm: {
    make: () => new nn.BatchNorm(),
    sized: () => new nn.BatchNorm({ inChannels: 5 }),
    input: [4, 5, 2],
    wrong: [4, 6, 2],
    print: 'BatchNorm(-1, axis = 1, momentum = 0.9, epsilon = 0.00001)',
    output: [4, 5, 2],
  },
  LayerNorm: {
    make: () => new nn.LayerNorm(),
    sized: () => new nn.LayerNorm({ inChannels: 5 }),
    input: [4, 2, 5],
    wrong: [4, 2, 6],
    print: 'LayerNorm(-1, axis = -1, epsilon = 0.00001)',
    output: [4, 2, 5],
  },
  RMSNorm: {
    make: () => new nn.RMSNorm(),
    sized: () => new nn.RMSNorm({ inChannels: 5 }),
    input: [4, 2, 5],
    wrong: [4, 2, 6],
    print: 'RMSNorm(-1, axis = -1, epsilon = 0.000001)',
    output: [4, 2, 5],
  },
  GroupNorm: {
    make: () => new nn.GroupNorm({ numGroups: 2 }),
    sized: () => new nn.GroupNorm({ numGroups: 2, inChannels: 6 }),
    input: [4, 6, 2],
    wrong: [4, 8, 2],
    print: 'GroupNorm(-1, numGroups = 2, epsilon = 0.00001)',
    output: [4, 6, 2],
  },
  InstanceNorm: {
    make: () => new nn.InstanceNorm(),
    sized: () => new nn.InstanceNorm({ inChannels: 5 }),
    input: [4, 5, 3],
    wrong: [4, 6, 3],
    print: 'InstanceNorm(-1, epsilon = 0.00001)',
    output: [4, 5, 3],
  },
  Embedding: {
    make: () => new nn.Embedding(7, 2),
    sized: () => new nn.Embedding(7, 2),
    input: [4, 3],
    ids: 7,
    print: 'Embedding(7 -> 2, float32)',
    output: [4, 3, 2],
  },
  Conv1D: {
    make: () => new nn.Conv1D(6, { kernelSize: 3, strides: 2, groups: 2, activation: 'tanh' }),
    sized: () => new nn.Conv1D(6, { kernelSize: 3, strides: 2, groups: 2, activation: 'tanh', inChannels: 4 }),
    input: [3, 4, 9],
    wrong: [3, 2, 9],
    print: 'Conv1D(-1 -> 6, kernelSize = 3, strides = 2, padding = 0, groups = 2, Activation(tanh))',
    output: [3, 6, 4],
  },
  Conv2D: {
    make: () => new nn.Conv2D(3, { kernelSize: [3, 2], padding: 'same', dilation: 2, activation: 'relu' }),
    sized: () =>
      new nn.Conv2D(3, { kernelSize: [3, 2], padding: 'same', dilation: 2, activation: 'relu', inChannels: 2 }),
    input: [3, 2, 6, 5],
    wrong: [3, 4, 6, 5],
    print: 'Conv2D(-1 -> 3, kernelSize = [3, 2], strides = 1, padding = same, dilation = 2, Activation(relu))',
    output: [3, 3, 6, 5],
  },
  Conv1DTranspose: {
    make: () => new nn.Conv1DTranspose(6, { kernelSize: 3, strides: 2, groups: 2 }),
    sized: () => new nn.Conv1DTranspose(6, { kernelSize: 3, strides: 2, groups: 2, inChannels: 4 }),
    input: [3, 4, 5],
    wrong: [3, 2, 5],
    print: 'Conv1DTranspose(-1 -> 6, kernelSize = 3, strides = 2, padding = 0, groups = 2)',
    output: [3, 6, 11],
  },
  Conv2DTranspose: {
    make: () => new nn.Conv2DTranspose(3, { kernelSize: 4, strides: 2, padding: 1, outputPadding: [0, 1] }),
    sized: () =>
      new nn.Conv2DTranspose(3, { kernelSize: 4, strides: 2, padding: 1, outputPadding: [0, 1], inChannels: 2 }),
    input: [3, 2, 6, 5],
    wrong: [3, 4, 6, 5],
    print: 'Conv2DTranspose(-1 -> 3, kernelSize = 4, strides = 2, padding = 1, outputPadding = [0, 1])',
    output: [3, 3, 12, 11],
  },
  RNN: {
    make: () => new nn.RNN(4, { activation: 'relu', layout: 'NTC' }),
    sized: () => new nn.RNN(4, { activation: 'relu', layout: 'NTC', inputSize: 5 }),
    input: [3, 2, 5],
    wrong: [3, 2, 6],
    print: 'RNN(-1 -> 4, NTC, Activation(relu))',
    output: [3, 2, 4],
  },
  LSTM: {
    make: () => new nn.LSTM(4, { numLayers: 2, bidirectional: true, layout: 'NTC' }),
    sized: () => new nn.LSTM(4, { numLayers: 2, bidirectional: true, layout: 'NTC', inputSize: 5 }),
    input: [3, 2, 5],
    wrong: [3, 2, 6],
    print: 'LSTM(-1 -> 4, NTC, numLayers = 2, bidirectional)',
    output: [3, 2, 8],
  },
  GRU: {
    make: () => new nn.GRU(4),
    sized: () => new nn.GRU(4, { inputSize: 5 }),
    input: [3, 2, 5],
    wrong: [3, 2, 6],
    print: 'GRU(-1 -> 4, TNC)',
    output: [3, 2, 4],
  },
  RNNCell: {
    make: () => new nn.RNNCell(4),
    sized: () => new nn.RNNCell(4, { inputSize: 5 }),
    input: [3, 5],
    wrong: [3, 6],
    print: 'RNNCell(-1 -> 4, Activation(tanh))',
    output: [3, 4],
  },
  LSTMCell: {
    make: () => new nn.LSTMCell(4),
    sized: () => new nn.LSTMCell(4, { inputSize: 5 }),
    input: [3, 5],
    wrong: [3, 6],
    print: 'LSTMCell(-1 -> 4)',
    output: [3, 4],
  },
  GRUCell: {
    make: () => new nn.GRUCell(4),
    sized: () => new nn.GRUCell(4, { inputSize: 5 }),
    input: [3, 5],
    wrong: [3, 6],
    print: 'GRUCell(-1 -> 4)',
    output: [3, 4],
  },
  MultiHeadAttention: {
    make: () => new nn.MultiHeadAttention(2, { causal: true }),
    sized: () => new nn.MultiHeadAttention(2, { causal: true, inUnits: 6, keyUnits: 6, valueUnits: 6 }),
    input: [3, 4, 6],
    wrong: [3, 4, 8],
    print: /MultiHeadAttention\(\n {2}\(query\): Projection\(-1 -> -1\)/,
    output: [3, 4, 6],
  },
  TransformerEncoderLayer: {
    make: () => new nn.TransformerEncoderLayer(2, { hiddenUnits: 5 }),
    sized: () => new nn.TransformerEncoderLayer(2, { hiddenUnits: 5, inUnits: 6 }),
    input: [3, 4, 6],
    wrong: [3, 4, 8],
    print:
      /TransformerEncoderLayer\(\n {2}\(attention\): MultiHeadAttention\((.*\n)+ {2}\(hidden\): Projection\(-1 -> 5\)/,
    output: [3, 4, 6],
  },
  MaxPool1D: {
    make: () => new nn.MaxPool1D({ poolSize: 3, padding: 1 }),
    input: [4, 2, 7],
    print: 'MaxPool1D(size = 3, strides = 3, padding = 1)',
    output: [4, 2, 3],
  },
  MaxPool2D: {
    make: () => new nn.MaxPool2D({ poolSize: [2, 3], strides: 2, ceilMode: true }),
    input: [4, 2, 5, 6],
    print: 'MaxPool2D(size = [2, 3], strides = 2, padding = 0, ceilMode = true)',
    output: [4, 2, 3, 3],
  },
  AvgPool1D: {
    make: () => new nn.AvgPool1D(),
    input: [4, 2, 7],
    print: 'AvgPool1D(size = 2, strides = 2, padding = 0)',
    output: [4, 2, 3],
  },
  AvgPool2D: {
    make: () => new nn.AvgPool2D(),
    input: [4, 2, 5, 6],
    print: 'AvgPool2D(size = 2, strides = 2, padding = 0)',
    output: [4, 2, 2, 3],
  },
  GlobalMaxPool1D: {
    make: () => new nn.GlobalMaxPool1D(),
    input: [4, 2, 7],
    print: 'GlobalMaxPool1D()',
    output: [4, 2, 1],
  },
  GlobalMaxPool2D: {
    make: () => new nn.GlobalMaxPool2D(),
    input: [4, 2, 7, 3],
    print: 'GlobalMaxPool2D()',
    output: [4, 2, 1, 1],
  },
  GlobalAvgPool1D: {
    make: () => new nn.GlobalAvgPool1D(),
    input: [4, 2, 7],
    print: 'GlobalAvgPool1D()',
    output: [4, 2, 1],
  },
  GlobalAvgPool2D: {
    make: () => new nn.GlobalAvgPool2D(),
    input: [4, 2, 7, 3],
    print: 'GlobalAvgPool2D()',
    output: [4, 2, 1, 1],
  },
  Activation: { make: () => new nn.Activation('relu'), input: [4, 5], print: 'Activation(relu)', output: [4, 5] },
  Dropout: { make: () => new nn.Dropout(0.5), input: [4, 5], print: 'Dropout(p = 0.5)', output: [4, 5] },
  Flatten: { make: () => new nn.Flatten(), input: [4, 5, 2], print: 'Flatten()', output: [4, 10] },
  Identity: { make: () => new nn.Identity(), input: [4, 5], print: 'Identity()', output: [4, 5] },
  Lambda: { make: () => new nn.Lambda(x => x.mul(2) as Tensor), input: [4, 5], print: 'Lambda()', output: [4, 5] },
  LeakyReLU: { make: () => new nn.LeakyReLU(0.1), input: [4, 5], print: 'LeakyReLU(0.1)', output: [4, 5] },
  ELU: { make: () => new nn.ELU(), input: [4, 5], print: 'ELU(1)', output: [4, 5] },
  SELU: { make: () => new nn.SELU(), input: [4, 5], print: 'SELU()', output: [4, 5] },
  GELU: { make: () => new nn.GELU(), input: [4, 5], print: 'GELU()', output: [4, 5] },
  SiLU: { make: () => new nn.SiLU(), input: [4, 5], print: 'SiLU()', output: [4, 5] },
  Swish: { make: () => new nn.Swish(2), input: [4, 5], print: 'Swish(2)', output: [4, 5] },
};

/** Classes of nn that are no layers. */
const others = ['Block', 'Parameter', 'ParameterDict', 'Summary'];

/** What a layer answers first: cells answer with their states behind. */
const call = (layer: nn.BlockBase, x: Tensor): Tensor => [(layer as nn.Block)(x)].flat()[0] as Tensor;
const net = (layer: nn.BlockBase): nn.Block => layer as nn.Block;

function inputOf({ input, ids }: Entry, shape = input): Tensor {
  const numbers = values(shape.reduce((a, b) => a * b, 1));
  if (ids === undefined) return tensor(numbers, { shape });
  return tensor(
    Int32Array.from(numbers, v => Math.floor(((v + 1) / 2) * ids)),
    { shape },
  );
}

/** Where the layer's parameters stand. */
function standing(layer: nn.BlockBase): unknown {
  return [...layer.collectParams()].map(([path, p]) => [path, p.state, [...p.shape]]);
}

function initialized(entry: Entry, make = entry.make): nn.BlockBase {
  random.seed(3);
  const layer = make();
  layer.initialize({ init: 'uniform' });
  return layer;
}

test('every layer that is exported is here', () => {
  const exported = Object.entries(nn)
    .filter(([name, value]) => typeof value === 'function' && /^[A-Z]/.test(name) && !others.includes(name))
    .map(([name]) => name);
  expect(exported.filter(name => !(name in layers))).toEqual([]);
  expect(Object.keys(layers).filter(name => !exported.includes(name))).toEqual([]);
});

describe.each(Object.entries(layers))('%s', (name, entry) => {
  const x = inputOf(entry);

  test('prints what it knows, and is called by its class', () => {
    const layer = entry.make();
    if (typeof entry.print === 'string') expect(inspect(layer)).toBe(entry.print);
    else expect(inspect(layer)).toMatch(entry.print);
    expect(layer.name).toBe(name);
    if (entry.wrong !== undefined) expect(String(layer)).toContain('-1');
  });

  test('tells its output shape before it has any parameter, and changes nothing by it', () => {
    const layer = entry.make();
    const before = standing(layer);
    const dtype = entry.ids === undefined ? 'float32' : 'int32';
    const told = (shape: number[]) => {
      const answer = layer.outputShape(shape, { dtype });
      return typeof answer[0] === 'number' ? answer : answer[0];
    };
    expect(told([...entry.input])).toEqual(entry.output);
    // The axis that holds the batch may be anything.
    expect(told([-1, ...entry.input.slice(1)])).toEqual([-1, ...entry.output.slice(1)]);
    expect(standing(layer)).toEqual(before);
  });

  test('its first forward settles everything, bit for bit as if the sizes had been given', () => {
    const layer = initialized(entry);
    const y = call(layer, x);
    expect(y.shape).toEqual(entry.output);
    expect([...layer.collectParams().values()].every(p => p.state === 'ready')).toBe(true);
    if (entry.sized === undefined) return;
    const sized = initialized(entry, entry.sized);
    expect([...sized.collectParams().values()].every(p => p.state === 'ready')).toBe(true);
    expect(allBits(net(layer))).toEqual(allBits(net(sized)));
    expect(bits(call(sized, x))).toBe(bits(y));
  });

  test('trains: its gradients are those of the layer with sizes given', () => {
    const [a, b] = [initialized(entry), initialized(entry, entry.sized ?? entry.make)];
    for (const layer of [a, b]) {
      random.seed(9);
      const input = entry.ids === undefined ? (x.clone().attachGrad() as Tensor) : x;
      autograd.record(() => call(layer, input).square().sum()).backward();
    }
    const gradients = (layer: nn.BlockBase) =>
      [...layer.collectParams().values()].map(p => bits(p.gradReq === 'null' ? p.data() : p.grad()));
    expect(gradients(a)).toEqual(gradients(b));
  });

  test('an input of another size raises, names the layer, and changes nothing', () => {
    if (entry.wrong === undefined) return;
    const layer = initialized(entry);
    call(layer, x);
    const before = allBits(net(layer));
    const error = thrown(() => call(layer, inputOf(entry, entry.wrong)));
    expect(error).toBeInstanceOf(ShapeError);
    expect(error.message).toContain(`its input has shape [${entry.wrong.join(', ')}]`);
    expect(allBits(net(layer))).toEqual(before);
    const known = initialized(entry, entry.sized);
    expect(thrown(() => call(known, inputOf(entry, entry.wrong)))).toBeInstanceOf(ShapeError);
  });

  test('a first forward that fails leaves it as it was, and a corrected one works', () => {
    const failing = new nn.Sequential(
      initialized(entry) as nn.Block,
      new nn.Lambda(() => {
        throw new Error('on purpose');
      }),
    );
    const before = standing(failing);
    expect(thrown(() => call(failing, x)).message).toBe('on purpose');
    expect(standing(failing)).toEqual(before);
    expect(call((failing as unknown as nn.Block[])[0]!, x).shape).toEqual(entry.output);
  });

  test('loads before any forward what another saved, and saves only when it can', () => {
    inFolder(folder => {
      const path = `${folder}/layer.safetensors`;
      const layer = initialized(entry);
      const y = call(layer, x);
      layer.saveParameters(path);
      const other = entry.make();
      other.loadParameters(path);
      expect(allBits(net(other))).toEqual(allBits(net(layer)));
      expect(bits(call(other, x))).toBe(bits(y));
      if (entry.wrong === undefined) return;
      expect(thrown(() => initialized(entry).saveParameters(path)).message).toMatch(/deferred|shape/);
    });
  });

  test('is cloned and cast before and after its first forward', () => {
    if (entry.ids === undefined) {
      const layer = initialized(entry);
      layer.cast('float64');
      expect(call(layer, x.cast('float64') as Tensor).dtype).toBe('float64');
    }
    const layer = initialized(entry);
    const copies = [layer.clone()];
    const y = call(layer, x);
    copies.push(layer.clone());
    for (const copy of copies) expect(bits(call(copy, x))).toBe(bits(y));
  });
});
