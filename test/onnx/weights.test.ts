import { autograd, io, nn, ones, type Tensor, Trainer, tensor } from '../../lib/index.js';
import type { Init, Node, TensorData } from '../../lib/onnx/schema.js';
import { values } from '../support/nn-helpers.js';
import { attributes, bytes, float, long, model, node } from '../support/onnx-files.js';
import { difference, flat } from '../support/onnx-models.js';
import { runModel } from '../support/onnxruntime.js';

const sizeOf = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
const floats = (name: string, dims: number[], list: ArrayLike<number> = values(sizeOf(dims), 5)): Init<TensorData> => ({
  name,
  dims: dims.map(BigInt),
  dataType: 1,
  rawData: bytes(...Array.from(list)),
});
const longs = (name: string, ...list: number[]): Init<TensorData> => ({
  name,
  dims: [BigInt(list.length)],
  dataType: 7,
  rawData: long(...list),
});
const chain = (...calls: [string, string[], Parameters<typeof attributes>[0]?][]): Init<Node>[] =>
  calls.map(([type, input, given = {}], i) =>
    node(type, input, [i === calls.length - 1 ? 'y' : `v${i}`], { attribute: attributes(given) }),
  );

/** What a net shows of its parameters: what they are for, and which of them no training changes. */
const shown = (net: nn.BlockBase): Record<string, string> =>
  Object.fromEntries(
    [...net.collectParams()].map(([path, p]) => [path, p.gradReq === 'null' ? `${p.role}, frozen` : p.role]),
  );

interface Sample {
  readonly shape: number[];
  readonly initializer: Init<TensorData>[];
  readonly nodes: Init<Node>[];
  readonly want: Readonly<Record<string, string>>;
}

const epsilon = floats('epsilon', [1], [1e-5]);
const deviation: [string, string[], Parameters<typeof attributes>[0]?][] = [
  ['ReduceMean', ['x'], { axes: [-1] }],
  ['Sub', ['x', 'v0']],
  ['Mul', ['v1', 'v1']],
  ['ReduceMean', ['v2'], { axes: [-1] }],
  ['Add', ['v3', 'epsilon']],
  ['Sqrt', ['v4']],
];

const samples: Readonly<Record<string, Sample>> = {
  'a product and its bias': {
    shape: [2, 3],
    initializer: [floats('w', [3, 4]), floats('b', [4])],
    nodes: chain(['MatMul', ['x', 'w']], ['Add', ['b', 'v0']]),
    want: { w: 'weight', b: 'bias' },
  },
  'a product with one result and its bias of one element': {
    shape: [2, 3],
    initializer: [floats('w', [3, 1]), floats('b', [1])],
    nodes: chain(['MatMul', ['x', 'w']], ['Add', ['v0', 'b']]),
    want: { w: 'weight', b: 'bias' },
  },
  'a product with one result and a number that it is multiplied by': {
    shape: [2, 3],
    initializer: [floats('w', [3, 1]), floats('one', [1])],
    nodes: chain(['MatMul', ['x', 'w']], ['Mul', ['v0', 'one']]),
    want: { w: 'weight' },
  },
  'filters, and as many numbers as they are along another axis': {
    shape: [1, 2, 3, 4],
    initializer: [floats('w', [4, 2, 1, 1]), floats('columns', [4])],
    nodes: chain(['Conv', ['x', 'w']], ['Add', ['v0', 'columns']]),
    want: { w: 'weight', columns: 'weight, frozen' },
  },
  'numbers beside a product: one to add, one to multiply, one for each row': {
    shape: [2, 3],
    initializer: [floats('w', [3, 4]), floats('one', [1]), floats('two', []), floats('rows', [2, 1])],
    nodes: chain(['MatMul', ['x', 'w']], ['Add', ['v0', 'one']], ['Mul', ['v1', 'two']], ['Mul', ['v2', 'rows']]),
    want: { w: 'weight', rows: 'weight, frozen' },
  },
  'a weight on the left, with a bias for each row': {
    shape: [3, 2],
    initializer: [floats('w', [4, 3]), floats('b', [4, 1])],
    nodes: chain(['MatMul', ['w', 'x']], ['Add', ['v0', 'b']]),
    want: { w: 'weight', b: 'bias' },
  },
  'a weight that is turned': {
    shape: [2, 3],
    initializer: [floats('w', [4, 3]), floats('b', [4])],
    nodes: chain(['Transpose', ['w']], ['MatMul', ['x', 'v0']], ['Add', ['v1', 'b']]),
    want: { w: 'weight', b: 'bias' },
  },
  'weights that are joined, and one that is computed from its direction and length': {
    shape: [2, 3],
    initializer: [floats('v', [3, 2]), floats('g', [1, 2]), floats('u', [3, 2]), floats('two', [1], [2])],
    nodes: chain(
      ['Pow', ['v', 'two']],
      ['ReduceSum', ['v0']],
      ['Sqrt', ['v1']],
      ['Div', ['v', 'v2']],
      ['Mul', ['g', 'v3']],
      ['Concat', ['v4', 'u'], { axis: 1 }],
      ['MatMul', ['x', 'v5']],
    ),
    want: { v: 'weight', g: 'weight', u: 'weight' },
  },
  'a weight that is computed with a factor and with exponents': {
    shape: [2, 3],
    initializer: [floats('v', [3, 2]), floats('half', [1], [0.5]), floats('each', [2], [2, 3])],
    nodes: chain(['Pow', ['v', 'each']], ['Mul', ['half', 'v0']], ['MatMul', ['x', 'v1']]),
    want: { v: 'weight', each: 'weight, frozen' },
  },
  'a mask beside scores, and one of infinities where a bias could be': {
    shape: [4, 4],
    initializer: [
      floats('mask', [1, 4, 4]),
      floats('w', [4, 4]),
      floats('infinite', [4], [0, -Infinity, 0, -Infinity]),
    ],
    nodes: chain(
      ['MatMul', ['x', 'x']],
      ['Add', ['v0', 'mask']],
      ['MatMul', ['v1', 'w']],
      ['Add', ['v2', 'infinite']],
      ['Softmax', ['v3']],
    ),
    want: { mask: 'weight, frozen', w: 'weight', infinite: 'weight, frozen' },
  },
  'a bias, and no second one': {
    shape: [2, 3],
    initializer: [floats('w', [3, 4]), floats('b', [4]), floats('c', [4])],
    nodes: chain(['Gemm', ['x', 'w', 'b']], ['Add', ['v0', 'c']]),
    want: { w: 'weight', b: 'bias', c: 'weight, frozen' },
  },
  'exponents and bounds': {
    shape: [2, 3],
    initializer: [
      floats('e', [1], [2]),
      floats('each', [3], [2, 1, 3]),
      floats('low', [], [-1]),
      floats('high', [], [1]),
    ],
    nodes: chain(['Pow', ['x', 'e']], ['Pow', ['v0', 'each']], ['Clip', ['v1', 'low', 'high']]),
    want: { each: 'weight, frozen' },
  },
  'a convolution, with its bias and a factor beside it': {
    shape: [2, 3, 5, 5],
    initializer: [floats('w', [4, 3, 2, 2]), floats('b', [1, 4, 1, 1]), floats('g', [4, 1, 1]), floats('c', [4, 1, 1])],
    nodes: chain(['Conv', ['x', 'w']], ['Add', ['v0', 'b']], ['Mul', ['v1', 'g']], ['Add', ['v2', 'c']]),
    want: { w: 'weight', b: 'bias', g: 'gamma', c: 'bias' },
  },
  'a normalization that is written out': {
    shape: [2, 3],
    initializer: [epsilon, floats('g', [3]), floats('b', [3]), floats('c', [3])],
    nodes: chain(...deviation, ['Div', ['v1', 'v5']], ['Mul', ['v6', 'g']], ['Add', ['v7', 'b']], ['Add', ['v8', 'c']]),
    want: { g: 'gamma', b: 'beta', c: 'weight, frozen' },
  },
  'the same by a reciprocal, without a mean': {
    shape: [2, 3],
    initializer: [epsilon, floats('g', [3])],
    nodes: chain(
      ['Mul', ['x', 'x']],
      ['ReduceMean', ['v0'], { axes: [-1] }],
      ['Add', ['v1', 'epsilon']],
      ['Sqrt', ['v2']],
      ['Reciprocal', ['v3']],
      ['Mul', ['x', 'v4']],
      ['Mul', ['g', 'v5']],
    ),
    want: { g: 'gamma' },
  },
  'normalizations over groups': {
    shape: [2, 4, 3, 3],
    initializer: [
      floats('one', [2], [1, 1]),
      floats('zero', [2], [0, 0]),
      longs('grouped', 0, 2, -1),
      longs('back', 2, 4, 3, 3),
      floats('g', [4, 1, 1]),
      floats('b', [4, 1, 1]),
    ],
    nodes: chain(
      ['Reshape', ['x', 'grouped']],
      ['InstanceNormalization', ['v0', 'one', 'zero']],
      ['Reshape', ['v1', 'back']],
      ['Mul', ['v2', 'g']],
      ['Add', ['v3', 'b']],
    ),
    want: { one: 'gamma', zero: 'beta', g: 'gamma', b: 'beta' },
  },
  'statistics and slopes': {
    shape: [2, 3],
    initializer: [...['g', 'b', 'm'].map(name => floats(name, [3])), floats('v', [3], [1, 2, 3]), floats('slope', [1])],
    nodes: chain(['BatchNormalization', ['x', 'g', 'b', 'm', 'v']], ['PRelu', ['v0', 'slope']]),
    want: { g: 'gamma', b: 'beta', m: 'runningMean, frozen', v: 'runningVar, frozen', slope: 'weight' },
  },
  'a recurrent layer and its first state': {
    shape: [4, 2, 3],
    initializer: [floats('w', [1, 8, 3]), floats('r', [1, 8, 2]), floats('b', [1, 16]), floats('h', [1, 2, 2])],
    nodes: chain(['LSTM', ['x', 'w', 'r', 'b', '', 'h'], { hidden_size: 2 }]),
    want: { w: 'weight', r: 'weight', b: 'bias', h: 'weight, frozen' },
  },
  'rows of a table, which is a weight as well, and places': {
    shape: [2, 3],
    initializer: [floats('table', [5, 3]), floats('position', [1, 2, 3])],
    nodes: chain(
      ['ArgMax', ['x'], { axis: 1, keepdims: 0 }],
      ['Gather', ['table', 'v0']],
      ['Add', ['v1', 'position']],
      ['Transpose', ['table']],
      ['MatMul', ['v2', 'v3']],
    ),
    want: { table: 'weight', position: 'weight, frozen' },
  },
};

/** The model with its constants as initializers, or as nodes. */
const fileOf = ({ shape, initializer, nodes }: Sample, asNodes: boolean): Uint8Array =>
  model({
    input: [float('x', ...shape)],
    output: [{ name: 'y' }],
    initializer: asNodes ? [] : initializer,
    node: [
      ...(asNodes ? initializer : []).map(data =>
        node('Constant', [], [data.name as string], { attribute: [{ name: 'value', t: data, type: 4 }] }),
      ),
      ...nodes,
    ],
  });

describe('what a layer would learn is trained, and nothing else', () => {
  test.each(Object.entries(samples))('%s', async (_name, sample) => {
    const x = tensor(values(sizeOf(sample.shape), 3), { shape: sample.shape }) as Tensor;
    for (const asNodes of [false, true]) {
      const file = fileOf(sample, asNodes);
      const net = io.onnx.fromBytes(file);
      expect(shown(net)).toEqual(sample.want);
      const want = [(await runModel(file, { x })).get('y') as Tensor];
      for (const isPlanned of [false, true]) {
        net.hybridize(isPlanned);
        expect(difference(flat(net(x)), want, { float32: 4e-6, float64: 0 })).toBe(null);
      }
      const params = [...net.collectParams().values()];
      const before = params.map(p => p.data().toArray());
      if (params.every(p => p.gradReq === 'null')) continue;
      const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.01, weightDecay: 0.1 });
      autograd.record(() => (net(x) as Tensor).square().mean()).backward();
      trainer.step(1);
      const moved = params.filter((p, i) => JSON.stringify(p.data().toArray()) !== JSON.stringify(before[i]));
      expect(moved.map(p => p.gradReq)).toEqual(params.filter(p => p.gradReq !== 'null').map(p => p.gradReq));
      for (const p of moved) expect([...p.data().toTypedArray()].every(Number.isFinite)).toBe(true);
    }
  });

  test('what is frozen can be trained all the same, and is never drawn anew', () => {
    const sample = samples['a mask beside scores, and one of infinities where a bias could be'] as Sample;
    const net = io.onnx.fromBytes(fileOf(sample, false));
    const { mask, infinite } = Object.fromEntries(net.collectParams()) as Record<string, nn.Parameter>;
    const [first, second] = [mask, infinite].map(p => (p as nn.Parameter).data().toArray());
    for (const p of [mask, infinite]) p?.setData(ones(p.shape as number[]));
    net.initialize({ forceReinit: true });
    expect([mask?.data().toArray(), infinite?.data().toArray()]).toEqual([first, second]);
    (mask as nn.Parameter).gradReq = 'write';
    const x = tensor(values(16, 3), { shape: [4, 4] }) as Tensor;
    autograd.record(() => (net(x) as Tensor).square().sum()).backward();
    expect(mask?.grad().abs().sum().item()).toBeGreaterThan(0);
  });
});

describe('a net that is written and read again', () => {
  test('has the parameters that it had, and no others, whatever they are used for', () => {
    class Odd extends nn.Block {
      readonly power = new nn.Parameter({ shape: [1], init: 'ones' });
      readonly scale = new nn.Parameter({ shape: [], init: 'ones' });
      readonly mask = new nn.Parameter({ shape: [2, 3], init: 'ones' });
      readonly kept = new nn.Parameter({ shape: [3, 2], init: 'ones', gradReq: 'null' });
      override forward(x: Tensor): Tensor {
        const fixed = tensor(values(9), { shape: [3, 3] });
        const y = x.abs().add(1).pow(this.power.data()).mul(this.scale.data()).add(this.mask.data());
        return y
          .matmul(fixed)
          .add(tensor([1, 2, 3]))
          .matmul(this.kept.data()) as Tensor;
      }
    }
    const net = new Odd() as unknown as nn.Block;
    net.initialize();
    const want = { power: 'weight', scale: 'weight', mask: 'weight', kept: 'weight, frozen' };
    const back = io.onnx.fromBytes(net.toOnnx({ inputShape: [2, 3] }));
    expect(shown(back)).toEqual(want);
    expect(shown(io.onnx.fromBytes(back.toOnnx({ inputShape: [2, 3] })))).toEqual(want);
  });

  test('has frozen weights of a recurrent layer frozen', () => {
    const net = new nn.LSTM(2, { layout: 'NTC' }) as unknown as nn.Block;
    net.initialize();
    for (const [path, p] of net.collectParams()) if (/hh|bias/.test(path)) p.gradReq = 'null';
    const back = io.onnx.fromBytes(net.toOnnx({ inputShape: [-1, 4, 3] }));
    expect(Object.values(shown(back)).sort()).toEqual(['bias, frozen', 'weight', 'weight, frozen']);
  });
});
