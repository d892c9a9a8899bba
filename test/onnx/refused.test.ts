import { FormatError, io, LatentError, memory, type Tensor, tensor, zeros } from '../../lib/index.js';
import type { Init, TensorData } from '../../lib/onnx/schema.js';
import { thrown, values } from '../support/nn-helpers.js';
import { type Attributes, attributes, bytes, float, long, model, node, weight } from '../support/onnx-files.js';

const x = tensor(values(6), { shape: [2, 3] }) as Tensor;

describe('a file that is none, or asks for what is not known', () => {
  const attribute = (name: string, i: number) => [{ name, i: BigInt(i), type: 2 }];
  const cases: readonly [string, Uint8Array, RegExp][] = [
    ['nothing', new Uint8Array(), /it has no graph/],
    ['text', new TextEncoder().encode('{"not": "a model"}'), /is no ONNX model that can be read/],
    ['a field of another type', Uint8Array.of(0x0a, 1, 0), /field 'irVersion' is of another type/],
    ['a part that is longer than the whole', Uint8Array.of(0x3a, 100, 0), /field 'graph' reaches beyond its message/],
    ['a part that ends too early', Uint8Array.of(0x3a, 1, 0x18, 5), /a message ends inside a field/],
    ['weights without a name', model({ initializer: [weight('', [1])] }), /an initializer has no name/],
    ['an input without a name', model({ input: [float('', 3)] }), /an input has no name/],
    ['no operators', model({}, { opsetImport: [] }), /its operators are of version none; known are 13 to 17/],
    ['old operators', model({}, { opsetImport: [{ version: 9n }] }), /of version 9/],
    ['new operators', model({}, { opsetImport: [{ version: 23n }] }), /of version 23/],
    [
      'a circle',
      model({ node: [node('Relu', ['z'], ['y']), node('Relu', ['y'], ['z'])] }),
      /Relu 'y' takes 'z', which nothing before it gives: the graph runs in a circle or out of order/,
    ],
    ['itself', model({ node: [node('Add', ['x', 'y'], ['y'])] }), /takes 'y', which nothing before it gives/],
    ['an output from nowhere', model({ output: [float('z', 3)] }), /nothing gives its output 'z'/],
    ['no outputs', model({ output: [] }), /it has no outputs/],
    [
      'a name twice',
      model({ node: [node('Relu', ['x'], ['y']), node('Neg', ['x'], ['y'])] }),
      /two values are called 'y'/,
    ],
    ['a result over an input', model({ node: [node('Relu', ['x'], ['x'])] }), /two values are called 'x'/],
    [
      'an unknown operator',
      model({ node: [node('Mystery', ['x'], ['y'], { name: 'here' })] }),
      /Mystery 'here' is an operator that is not known/,
    ],
    [
      'another domain',
      model({ node: [node('Relu', ['x'], ['y'], { domain: 'com.example' })] }),
      /'com.example', which is not known/,
    ],
    [
      'an unknown attribute',
      model({ node: [node('Relu', ['x'], ['y'], { attribute: attribute('slope', 1) })] }),
      /Relu 'y': attribute 'slope' is not known/,
    ],
    [
      'an attribute of another type',
      model({ node: [node('Softmax', ['x'], ['y'], { attribute: [{ name: 'axis', f: 1, type: 1 }] })] }),
      /attribute 'axis' has type 1, and not 2 \(int\)/,
    ],
    [
      'an attribute far out',
      model({ node: [node('Softmax', ['x'], ['y'], { attribute: [{ name: 'axis', i: 2n ** 60n, type: 2 }] })] }),
      /too far out/,
    ],
    [
      'a value that is not known',
      model({ node: [node('ArgMax', ['x'], ['y'], { attribute: attribute('select_last_index', 1) })] }),
      /'select_last_index' is 1, and only 0 is known/,
    ],
    ['too few inputs', model({ node: [node('Add', ['x'], ['y'])] }), /Add 'y': takes 2 inputs, but has 1/],
    ['too many results', model({ node: [node('Relu', ['x'], ['y', 'z'])] }), /Relu 'y': result 1 is not known/],
    ['functions', model({}, { functions: [new Uint8Array()] }), /functions of its own/],
    ['sparse tensors', model({ sparseInitializer: [new Uint8Array()] }), /sparse tensors/],
    ['an input that is no tensor', model({ input: [{ name: 'x', type: {} }] }), /input 'x' is no tensor/],
    [
      'an input of texts',
      model({ input: [{ name: 'x', type: { tensorType: { elemType: 8 } } }] }),
      /input 'x' has element type string/,
    ],
    [
      'elements elsewhere',
      model({
        initializer: [weight('w', [1], { dataLocation: 1, externalData: [{ key: 'location', value: '/etc/passwd' }] })],
      }),
      /lie in another file, which is not opened/,
    ],
    [
      'too few elements',
      model({ initializer: [weight('w', [5], { rawData: bytes(1, 2) })] }),
      /shape \[5\] of float32 takes 20 bytes, but there are 8/,
    ],
    ['too many dimensions', model({ initializer: [weight('w', new Array(9).fill(1))] }), /at most 8 of them/],
    ['a negative size', model({ initializer: [weight('w', [1], { dims: [-1n] })] }), /sizes are whole numbers from 0/],
    [
      'an element type of texts',
      model({ initializer: [weight('w', [1], { dataType: 8 })] }),
      /element type string is not known/,
    ],
    [
      'a bool of 2',
      model({ initializer: [weight('w', [1], { dataType: 9, rawData: Uint8Array.of(2) })] }),
      /a bool is 0 or 1/,
    ],
    ...[
      ['a member of every block', 'forward'],
      ['a member of every object', 'constructor'],
      ['a member of what is read from files', 'program'],
    ].map(([title, name]): [string, Uint8Array, RegExp] => [
      title as string,
      model({ initializer: [weight(name as string, [3, 3])], node: [node('MatMul', ['x', name as string], ['y'])] }),
      new RegExp(`a parameter is called '${name}', as a member of every block is`),
    ]),
    ...(['Conv', 'ConvTranspose', 'MaxPool', 'AveragePool'] as const).flatMap(operator =>
      (
        [
          [{ strides: [0, 1] }, /'strides' is \[0, 1\]; numbers from 1/],
          [{ strides: [1, -1] }, /'strides' is \[1, -1\]; numbers from 1/],
          [{ pads: [0, 0, -1, 0] }, /'pads' is \[0, 0, -1, 0\]; four numbers from 0/],
          [{ pads: [2 ** 40, 0, 0, 0] }, /'pads' is \[1099511627776/],
          [{ dilations: [0, 1] }, /'dilations' is \[0, 1\]; numbers from 1/],
          [{ kernel_shape: [0, 1] }, /'kernel_shape' is \[0, 1\]; numbers from 1/],
        ] as const
      ).map(([given, message]): [string, Uint8Array, RegExp] => [
        `${operator} with ${JSON.stringify(given)}`,
        model({
          initializer: [weight('w', [1, 1, 2, 2])],
          node: [
            node(operator, /Pool/.test(operator) ? ['x'] : ['x', 'w'], ['y'], {
              attribute: attributes({ kernel_shape: [2, 2], ...given }),
            }),
          ],
        }),
        message,
      ]),
    ),
    [
      'an operator by the name of a member of every object',
      model({
        initializer: [weight('w', [3, 3])],
        node: [node('constructor', ['w'], ['v']), node('MatMul', ['x', 'v'], ['y'])],
      }),
      /constructor 'v' is an operator that is not known/,
    ],
    [
      'names of parameters',
      model({}, { metadataProps: [{ key: 'latent.parameters', value: '3' }] }),
      /'latent.parameters' is no list of names/,
    ],
    [
      'a constant without a name',
      model({
        node: [
          node('Constant', [], [], { attribute: [{ name: 'value', t: weight('', [1]), type: 4 }] }),
          node('Relu', ['x'], ['y']),
        ],
      }),
      /Constant '': its result has no name/,
    ],
    [
      'names in lists',
      model({}, { metadataProps: [{ key: 'latent.frozen', value: '[["x"]]' }] }),
      /'latent.frozen' is no list of names/,
    ],
    [
      'names of what is frozen',
      model({}, { metadataProps: [{ key: 'latent.frozen', value: '{' }] }),
      /'latent.frozen' is no list of names/,
    ],
  ];
  test.each(cases)('%s', (_name, file, message) => {
    const before = memory.info().tensors;
    const error = thrown(() => io.onnx.fromBytes(file));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(message);
    expect(memory.info().tensors - before).toBeLessThan(4);
  });

  test('a name of prototypes pollutes none', () => {
    const net = io.onnx.fromBytes(
      model({
        initializer: [weight('w', [1])],
        node: [node('Add', ['x', 'w'], ['__proto__']), node('Relu', ['__proto__'], ['y'])],
      }),
    );
    expect((net(x) as Tensor).shape).toEqual([2, 3]);
    expect(({} as { w?: unknown }).w).toBeUndefined();
  });
});

describe('what does not fit is refused when it is met, and nothing is read or written beside it', () => {
  const run = (operator: string, inputs: Init<TensorData>[], attribute: Attributes = {}) =>
    thrown(() =>
      io.onnx.fromBytes(
        model({
          input: [{ name: 'x', type: { tensorType: { elemType: 1 } } }],
          initializer: inputs,
          node: [
            node(operator, ['x', ...inputs.map(one => one.name as string)], ['y'], {
              attribute: attributes(attribute),
            }),
          ],
        }),
      )(zeros([2, 4, 5, 5])),
    );
  const sizes = (name: string, ...list: number[]): Init<TensorData> =>
    weight(name, [list.length], { dataType: 7, rawData: long(...list) });
  const conv = (weightShape: number[], biasShape: number[], groups = 1): [Init<TensorData>[], { group: number }] => [
    [weight('w', weightShape), weight('b', biasShape)],
    { group: groups },
  ];
  const norm = (...shapes: number[][]) => shapes.map((shape, i) => weight(`n${i}`, shape));
  test.each([
    ['Conv', ...conv([3, 5, 2, 2], [3]), /filters of shape \[3, 5, 2, 2\] in 1 groups do not fit 4 channels/],
    ['Conv', ...conv([3, 2, 2, 2], [3], 2), /in 2 groups do not fit 4 channels/],
    ['Conv', ...conv([3, 4, 2, 2], [3], 0), /in 0 groups/],
    ['Conv', ...conv([3, 4, 2, 2], [4]), /a bias of shape \[4\] does not fit 3 channels/],
    ['Conv', ...conv([3, 4, 2, 2], [3, 1]), /a bias of shape \[3, 1\]/],
    ['Conv', ...conv([3, 4, 2], [3]), /windows of two dimensions/],
    ['Conv', ...conv([3, 4, 7, 2], [3]), /the windows are larger than their input/],
    ['ConvTranspose', ...conv([3, 4, 2, 2], [4]), /do not fit 4 channels/],
    ['ConvTranspose', ...conv([4, 3, 2, 2], [4]), /a bias of shape \[4\] does not fit 3 channels/],
    ['Conv', [weight('w', [3, 4, 2, 2])], { strides: [1, 1, 1] }, /'strides' has 3 numbers; windows of two dimensions/],
    ['Conv', [weight('w', [3, 4, 2, 2])], { kernel_shape: [3, 3] }, /is \[3, 3\], but the weight's is \[2, 2\]/],
    ['MaxPool', [], { kernel_shape: [2, 2], dilations: [2, 2] }, /windows with gaps are not known/],
    ['MaxPool', [], {}, /attribute 'kernel_shape' is missing/],
    ['MaxPool', [], { kernel_shape: [9, 2] }, /the windows are larger than their input/],
    ['AveragePool', [], { kernel_shape: [2, 9] }, /the windows are larger than their input/],
    ['MaxPool', [], { kernel_shape: [2, 2], pads: [2, 0, 0, 0] }, /as wide as the windows/],
    ['BatchNormalization', norm([3], [4], [4], [4]), {}, /input 1 has shape \[3\], and not \[4\]/],
    ['BatchNormalization', norm([4], [4], [4], [5]), {}, /input 4 has shape \[5\]/],
    ['InstanceNormalization', norm([4], [2]), {}, /input 2 has shape \[2\], and not \[4\]/],
    ['LayerNormalization', norm([4], [5]), {}, /input 1 has shape \[4\], and not \[5\]/],
    ['Slice', [sizes('s', 0, 0), sizes('e', 1, 1), sizes('a', 0, -4)], {}, /axes \[0, 0\] name one twice/],
    ['Slice', [sizes('s', 0), sizes('e', 1, 1)], {}, /1 starts, 2 ends/],
    ['Slice', [sizes('s', 0), sizes('e', 1), sizes('a', 4)], {}, /axis 4 of 4/],
    ['Expand', [sizes('s', 3)], {}, /the shapes do not broadcast/],
    ['Unsqueeze', [], {}, /there are no axes/],
    ['Unsqueeze', [sizes('a', 0, 0)], {}, /axes \[0, 0\] name one twice/],
    ['Unsqueeze', [sizes('a', -7)], {}, /axes \[-7\] of 5 dimensions/],
    ['Pad', [sizes('p', 1, 1)], {}, /2 widths for 4 dimensions/],
    ['Gemm', [weight('w', [5, 3]), weight('b', [1, 1, 3])], {}, /a bias of 3 dimensions/],
    ['Gemm', [weight('w', [5, 3])], { alpha: { f: 2 } }, /attribute 'alpha' is not 1/],
    ['Gemm', [weight('w', [5, 3]), weight('b', [3])], { beta: { f: 0.5 } }, /attribute 'beta' is not 1/],
    ['Pow', [weight('w', [1], { dataType: 6 })], {}, /powers of float32 by int32 are not known; cast one before/],
    ['Cast', [], { to: 16 }, /element type bfloat16 is not known/],
    [
      'LSTM',
      [weight('w', [1, 8, 5]), weight('r', [1, 8, 2])],
      { hidden_size: 2 },
      /x\[steps, batch, units\], but got 4/,
    ],
  ] as const)('%s %#', (operator, inputs, attribute, message) => {
    const error = run(operator, [...inputs], attribute);
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(operator);
  });
  test.each([
    ['Div', 6],
    ['ReduceMean', 6],
    ['ReduceLogSumExp', 2],
  ] as const)('%s of integers, whose answer is another in files', (operator, elemType) => {
    const file = model({
      input: [{ name: 'x', type: { tensorType: { elemType } } }],
      node: [node(operator, operator === 'Div' ? ['x', 'x'] : ['x'], ['y'])],
    });
    const ints = zeros([2, 3], { dtype: elemType === 6 ? 'int32' : 'uint8' });
    expect(thrown(() => io.onnx.fromBytes(file)(ints)).message).toMatch(/and only floats are known/);
  });
  const recurrent = (
    operator: string,
    inputs: readonly (Init<TensorData> | null)[],
    attribute: Attributes = {},
    hidden = 2,
  ) =>
    thrown(() =>
      io.onnx.fromBytes(
        model({
          input: [{ name: 'x', type: { tensorType: { elemType: 1 } } }],
          initializer: inputs.filter(one => one !== null),
          node: [
            node(operator, ['x', ...inputs.map(one => one?.name ?? '')], ['y'], {
              attribute: attributes({ hidden_size: hidden, ...attribute }),
            }),
          ],
        }),
      )(zeros([5, 3, 4])),
    );
  const lstm = [weight('w', [1, 8, 4]), weight('r', [1, 8, 2])];
  const rnn = [weight('w', [1, 2, 4]), weight('r', [1, 2, 2])];
  test.each([
    ['LSTM', lstm, { direction: 'bidirectional' }, /direction 'bidirectional' is not known; one direction is/],
    ['LSTM', [weight('w', [1, 8, 5]), lstm[1]], {}, /a weight has shape \[1, 8, 5\], and not \[1, 8, 4\]/],
    ['LSTM', [lstm[0], weight('r', [1, 8, 3])], {}, /a weight has shape \[1, 8, 3\], and not \[1, 8, 2\]/],
    ['LSTM', [weight('w', [2, 8, 4]), lstm[1]], {}, /a weight has shape \[2, 8, 4\]/],
    ['LSTM', [...lstm, weight('b', [1, 8])], {}, /the bias has shape \[1, 8\], and not \[1, 16\]/],
    ['LSTM', [...lstm, weight('b', [2, 16])], {}, /the bias has shape \[2, 16\]/],
    [
      'LSTM',
      [...lstm, null, null, weight('h', [2, 3, 2])],
      {},
      /a first state has shape \[2, 3, 2\], and not \[1, 3, 2\]/,
    ],
    ['LSTM', [...lstm, null, null, weight('h', [1, 3, 7])], {}, /lstm takes \[3, 2\] here, but got shape \[3, 7\]/],
    ['LSTM', [...lstm, null, weight('l', [2], { dataType: 6 })], {}, /lstm takes \[3\] here, but got shape \[2\]/],
    ['LSTM', [...lstm, null, null, null, null, weight('p', [1, 6])], {}, /peepholes are not known/],
    ['LSTM', lstm, { input_forget: 1 }, /'input_forget' is 1, and only 0 is known/],
    ['GRU', lstm, {}, /'linear_before_reset' is 0, and only 1 is known/],
    ['RNN', rnn, { activations: { strings: ['Affine'] } }, /activation 'Affine' is not known/],
    ['RNN', rnn, { layout: 1 }, /'layout' is 1, and only 0 is known/],
  ] as const)('%s over sequences %#', (operator, inputs, attribute, message) => {
    const error = recurrent(operator, inputs as (Init<TensorData> | null)[], attribute);
    expect(error).toBeInstanceOf(LatentError);
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(operator);
  });
  test.each([
    ['MaxPool', [2, 4, 5], 1, { kernel_shape: [2, 2] }, [], /takes 4 dimensions, but got 3/],
    ['MaxPool', [2, 4, 5, 5], 6, { kernel_shape: [2, 2] }, [], /input 0 is int32, and only floats are known/],
    ['BatchNormalization', [2], 1, {}, norm([1], [1], [1], [1]), /takes two dimensions or more/],
  ] as const)('%s of what it does not take %#', (operator, shape, elemType, attribute, initializer, message) => {
    const file = model({
      input: [{ name: 'x', type: { tensorType: { elemType } } }],
      initializer: [...initializer],
      node: [
        node(operator, ['x', ...initializer.map(one => one.name as string)], ['y'], {
          attribute: attributes(attribute),
        }),
      ],
    });
    const given = zeros(shape, { dtype: elemType === 1 ? 'float32' : 'int32' });
    expect(thrown(() => io.onnx.fromBytes(file)(given)).message).toMatch(message);
  });
  test.each([
    ['Add', [sizes('s', 1, 2, 3)], /Add 'other': shapes \[2\] and \[3\] do not broadcast/],
    [
      'Mul',
      [weight('s', [64, 64, 1], { dataType: 7, rawData: long(...new Array<number>(4096).fill(1)) })],
      /more than 4096/,
    ],
    ['Gather', [sizes('s', 2)], /Gather 'other': index 2 lies outside axis 0 of size 2/],
    ['Div', [sizes('s', 0)], /Div 'other': \d divided by 0/],
    ['Concat', [weight('s', [1, 1], { dataType: 7, rawData: long(1) })], /cannot be joined along axis 0/],
    ['Slice', [sizes('s', 0), sizes('e', 2), sizes('a', 0), sizes('t', 0)], /a step is 0/],
    ['Slice', [sizes('s', 0), sizes('e', 2), sizes('a', 1)], /axis 1 of 1/],
    ['Squeeze', [sizes('s', 0)], /axis 0 of shape \[2\] has no size of 1/],
    ['Reshape', [sizes('s', 3)], /shape \[2\] cannot become \[3\]/],
    ['Expand', [sizes('s', 100, 100, 2)], /more than 4096 sizes/],
    ['Slice', [sizes('s', 0, 0), sizes('e', 2), sizes('a', 0)], /2 starts, 1 ends, 1 axes and 2 steps/],
  ] as const)('%s of sizes %#', (operator, inputs, message) => {
    const names = inputs.map(one => one.name as string);
    const file = model({
      initializer: [...inputs],
      node: [
        node('Shape', ['x'], ['sizes']),
        node(operator, ['sizes', ...names], ['other']),
        node('Reshape', ['x', 'other'], ['y']),
      ],
    });
    expect(thrown(() => io.onnx.fromBytes(file)(x)).message).toMatch(message);
  });
  test('lists of sizes that double at each node', () => {
    const count = 60;
    const nodes = Array.from({ length: count }, (_, i) =>
      node('Concat', [`s${i}`, `s${i}`], [`s${i + 1}`], { attribute: attributes({ axis: 0 }) }),
    );
    const net = io.onnx.fromBytes(
      model({ node: [node('Shape', ['x'], ['s0']), ...nodes, node('Reshape', ['x', `s${count}`], ['y'])] }),
    );
    expect(thrown(() => net(x)).message).toMatch(/Concat.*more than 4096 sizes/);
  });
});
