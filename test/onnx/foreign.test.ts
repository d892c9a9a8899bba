import { io, type Tensor, tensor } from '../../lib/index.js';
import { importers } from '../../lib/onnx/operators/index.js';
import type { Init, TensorData } from '../../lib/onnx/schema.js';
import { values } from '../support/nn-helpers.js';
import { type Attributes, attributes, bytes, long, model, node } from '../support/onnx-files.js';
import { difference, flat } from '../support/onnx-models.js';
import { runModel } from '../support/onnxruntime.js';

/** Files as others write them, of what is known in another way than it is written here: onnxruntime has the answers. */

interface Sample {
  readonly operator: string;
  readonly shape: readonly number[];
  readonly attribute?: Attributes;
  readonly inputs?: readonly (Init<TensorData> | null)[];
  readonly outputs?: number;
  /** What the input is cast to before. */
  readonly type?: number;
}

const constant = (dims: readonly number[], data: Init<TensorData>): Init<TensorData> => ({
  dims: dims.map(BigInt),
  ...data,
});
const floats = (shape: readonly number[]): Init<TensorData> =>
  constant(shape, {
    dataType: 1,
    rawData: bytes(
      ...values(
        shape.reduce((a, b) => a * b, 1),
        3,
      ),
    ),
  });
const scalar = (value: number): Init<TensorData> => constant([], { dataType: 1, rawData: bytes(value) });
const sizes = (...list: number[]): Init<TensorData> => constant([list.length], { dataType: 7, rawData: long(...list) });
const ints = (...list: number[]): Init<TensorData> =>
  constant([list.length], { dataType: 6, rawData: new Uint8Array(Int32Array.from(list).buffer) });

const pools = (['MaxPool', 'AveragePool'] as const).flatMap(operator =>
  (
    [
      { kernel_shape: [3, 2] },
      { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
      { kernel_shape: [3, 3], pads: [0, 0, 1, 1], strides: [2, 2] },
      { kernel_shape: [3, 3], pads: [2, 1, 0, 1], strides: [2, 1] },
      { kernel_shape: [3, 3], pads: [0, 2, 2, 0], strides: [2, 3] },
    ] as Attributes[]
  ).flatMap(attribute =>
    (operator === 'MaxPool' ? [{}] : [{ count_include_pad: 0 }, { count_include_pad: 1 }]).map(
      (more): Sample => ({ operator, shape: [2, 3, 6, 7], attribute: { ...attribute, ...more } }),
    ),
  ),
);

const convolutions = (
  [
    {},
    { pads: [1, 0, 2, 1] },
    { strides: [2, 3], pads: [0, 1, 1, 2] },
    { dilations: [2, 1], pads: [2, 2, 0, 0] },
  ] as Attributes[]
).flatMap((attribute): Sample[] => [
  { operator: 'Conv', shape: [2, 4, 6, 7], attribute, inputs: [floats([3, 4, 3, 2]), floats([3])] },
  { operator: 'Conv', shape: [2, 4, 6, 7], attribute: { ...attribute, group: 2 }, inputs: [floats([6, 2, 3, 2])] },
  { operator: 'ConvTranspose', shape: [2, 4, 6, 7], attribute, inputs: [floats([4, 3, 3, 2]), floats([3])] },
  {
    operator: 'ConvTranspose',
    shape: [2, 4, 6, 7],
    attribute: { strides: [2, 3], output_padding: [1, 2], group: 2 },
    inputs: [floats([4, 3, 3, 3])],
  },
]);

const recurrent = (['LSTM', 'GRU', 'RNN'] as const).flatMap(operator => {
  const gates = { LSTM: 4, GRU: 3, RNN: 1 }[operator];
  const attribute = { hidden_size: 3, ...(operator === 'GRU' && { linear_before_reset: 1 }) };
  const weights = [floats([1, gates * 3, 2]), floats([1, gates * 3, 3])];
  const outputs = operator === 'LSTM' ? 3 : 2;
  return [
    [floats([1, gates * 6]), ints(4, 1, 2)],
    [null, ints(2, 4, 3), floats([1, 3, 3])],
    [floats([1, gates * 6])],
  ].map((more): Sample => ({ operator, shape: [4, 3, 2], attribute, inputs: [...weights, ...more], outputs }));
});

const products = (
  [
    [[3, 4]],
    [[3, 4], [4]],
    [[3, 4], [1]],
    [[3, 4], []],
    [
      [3, 4],
      [2, 1],
    ],
    [
      [3, 4],
      [2, 4],
    ],
  ] as const
).map((shapes): Sample => ({ operator: 'Gemm', shape: [2, 3], inputs: shapes.map(floats) }));

const slices = [
  [3, 1, 1],
  [9, 10, 1],
  [-1, -9, -1],
  [4, 0, -1],
  [9, -9, -2],
  [0, -6, -1],
  [2, 2, 1],
  [1, 5, 9],
].map(
  ([start, stop, step]): Sample => ({
    operator: 'Slice',
    shape: [2, 5],
    inputs: [sizes(start as number), sizes(stop as number), sizes(-1), sizes(step as number)],
  }),
);

const shapes: Sample[] = [
  { operator: 'Reshape', shape: [2, 3], inputs: [sizes(0, -1, 1)] },
  { operator: 'Reshape', shape: [0, 3], inputs: [sizes(3, 0)], attribute: { allowzero: 1 } },
  { operator: 'Reshape', shape: [0, 3], inputs: [sizes(0, 3)] },
  { operator: 'Expand', shape: [1, 3], inputs: [sizes(4, 2, 1)] },
  { operator: 'Squeeze', shape: [1, 2, 1], inputs: [sizes()] },
  { operator: 'Squeeze', shape: [1, 2, 1], inputs: [sizes(-1)] },
  { operator: 'Unsqueeze', shape: [2], inputs: [sizes(-1, 0)] },
  { operator: 'Pad', shape: [2, 3], inputs: [sizes(1, 0, 0, 2), scalar(9)] },
  { operator: 'Transpose', shape: [2, 3, 4] },
  { operator: 'CumSum', shape: [2, 3], inputs: [ints(1)], attribute: { reverse: 1 } },
];

const rest: Sample[] = [
  { operator: 'ReduceSum', shape: [2, 3, 4], inputs: [sizes(-1, 0)], attribute: { keepdims: 0 } },
  { operator: 'ReduceSum', shape: [2, 3], attribute: { noop_with_empty_axes: 1 } },
  { operator: 'ReduceMean', shape: [2, 3, 4], attribute: { axes: [1] } },
  { operator: 'LogSoftmax', shape: [2, 3], attribute: { axis: 0 } },
  {
    operator: 'BatchNormalization',
    shape: [4, 3],
    inputs: [[3], [3], [3]].map(floats).concat(constant([3], { dataType: 1, rawData: bytes(1, 2, 3) })),
  },
  { operator: 'LayerNormalization', shape: [2, 3, 4], inputs: [floats([4])], attribute: { epsilon: { f: 0.1 } } },
  { operator: 'InstanceNormalization', shape: [2, 3, 4], inputs: [floats([3]), floats([3])] },
  { operator: 'PRelu', shape: [2, 3, 4], inputs: [floats([3, 1])] },
  { operator: 'Clip', shape: [2, 3], inputs: [scalar(-0.5)] },
  { operator: 'Clip', shape: [2, 3], inputs: [null, scalar(0.5)] },
];

const all: Readonly<Record<string, readonly Sample[]>> = {
  pools,
  convolutions,
  recurrent,
  products,
  slices,
  shapes,
  rest,
};

/** The node between casts: what comes out may have a type that no tensor here has. */
function fileOf({ operator, shape, attribute = {}, inputs = [], outputs = 1, type = 1 }: Sample): Uint8Array {
  const places = Array.from({ length: outputs }, (_, i) => i);
  const cast = (from: string, to: string, of: number) =>
    node('Cast', [from], [to], { attribute: attributes({ to: of }) });
  return model({
    input: [
      {
        name: 'x',
        type: { tensorType: { elemType: 1, shape: { dim: shape.map(size => ({ dimValue: BigInt(size) })) } } },
      },
    ],
    output: places.map(i => ({ name: `y${i}` })),
    initializer: inputs.flatMap((one, i) => (one === null ? [] : [{ name: `i${i}`, ...one }])),
    node: [
      cast('x', 'given', type),
      node(
        operator,
        ['given', ...inputs.map((one, i) => (one === null ? '' : `i${i}`))],
        places.map(i => `made${i}`),
        { attribute: attributes(attribute) },
      ),
      ...places.map(i => cast(`made${i}`, `y${i}`, 1)),
    ],
  });
}

async function wrongAmong(samples: readonly Sample[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const sample of samples) {
    const { operator, shape, attribute = {}, outputs = 1 } = sample;
    const file = fileOf(sample);
    const count = shape.reduce((a, b) => a * b, 1);
    const x = tensor(values(count, 7), { shape: [...shape] }) as Tensor;
    const got = flat(io.onnx.fromBytes(file)(x));
    const answer = await runModel(file, { x });
    const want = Array.from({ length: outputs }, (_, i) => answer.get(`y${i}`) as Tensor);
    const message = difference(got, want, { float32: 4e-6, float64: 0 });
    if (message !== null) wrong.push(`${operator} [${shape}] ${JSON.stringify(attribute)}: ${message}`);
  }
  return wrong;
}

test.each(Object.entries(all))('%s', async (_name, samples) => {
  expect(await wrongAmong(samples)).toEqual([]);
});

test('every operator that is read means what it means where its file leaves attributes out', async () => {
  const bools = constant([3], { dataType: 9, rawData: Uint8Array.of(1, 0, 1) });
  const vector = [floats([3])];
  const four = [floats([3]), floats([3]), floats([3])];
  const given: Readonly<Record<string, Omit<Sample, 'operator' | 'shape'> & { shape?: readonly number[] }>> = {
    ...Object.fromEntries(
      ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min', 'Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual']
        .concat('PRelu')
        .map(name => [name, { inputs: vector }]),
    ),
    Not: { type: 9 },
    And: { type: 9, inputs: [bools] },
    Or: { type: 9, inputs: [bools] },
    Where: { type: 9, inputs: [floats([2, 3]), floats([1, 3])] },
    Gemm: { inputs: [floats([3, 4])] },
    MatMul: { inputs: [floats([3, 4])] },
    Conv: { shape: [2, 4, 6, 7], inputs: [floats([3, 4, 3, 2])] },
    ConvTranspose: { shape: [2, 4, 6, 7], inputs: [floats([4, 3, 3, 2])] },
    MaxPool: { shape: [2, 4, 6, 7], attribute: { kernel_shape: [2, 3] } },
    AveragePool: { shape: [2, 4, 6, 7], attribute: { kernel_shape: [2, 3] } },
    BatchNormalization: { inputs: [...four, constant([3], { dataType: 1, rawData: bytes(1, 2, 3) })] },
    LayerNormalization: { inputs: vector },
    InstanceNormalization: { shape: [2, 3, 4], inputs: [floats([3]), floats([3])] },
    LSTM: { shape: [4, 3, 2], attribute: { hidden_size: 3 }, inputs: [floats([1, 12, 2]), floats([1, 12, 3])] },
    RNN: { shape: [4, 3, 2], attribute: { hidden_size: 3 }, inputs: [floats([1, 3, 2]), floats([1, 3, 3])] },
    Cast: { attribute: { to: 6 } },
    Reshape: { inputs: [sizes(0, -1, 1)] },
    Expand: { inputs: [sizes(2, 2, 3)] },
    Concat: { attribute: { axis: 1 }, inputs: [floats([2, 1])] },
    Slice: { inputs: [sizes(1), sizes(3)] },
    Pad: { inputs: [sizes(1, 0, 0, 2)] },
    Squeeze: { shape: [1, 3, 1] },
    Unsqueeze: { inputs: [sizes(0)] },
    Gather: { inputs: [ints(1, 0, 1)] },
    GatherElements: {
      inputs: [constant([1, 3], { dataType: 6, rawData: new Uint8Array(Int32Array.of(1, 0, 1).buffer) })],
    },
    CumSum: { inputs: [constant([], { dataType: 6, rawData: new Uint8Array(Int32Array.of(1).buffer) })] },
    TopK: { inputs: [sizes(2)], outputs: 2 },
  };
  // The format's GRU resets before the product, and is refused.
  const samples = [...importers.keys()].filter(name => name !== 'GRU');
  expect(await wrongAmong(samples.map(operator => ({ operator, shape: [2, 3], ...given[operator] })))).toEqual([]);
});
