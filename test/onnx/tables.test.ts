import { io, LatentError, type Tensor, tensor } from '../../lib/index.js';
import type { Init, Node, TensorData } from '../../lib/onnx/schema.js';
import { thrown, values } from '../support/nn-helpers.js';
import { attributes, float, model, node, weight } from '../support/onnx-files.js';
import { difference, flat } from '../support/onnx-models.js';
import { TableProgram } from '../support/onnx-tables.js';
import { runModel } from '../support/onnxruntime.js';
import { full, makeRandom } from '../support/random.js';

const rounds = full ? 2000 : 60;

test(`${rounds} random models of whole numbers answer as in onnxruntime, called and planned, at any batch size`, async () => {
  const wrong: string[] = [];
  let answered = 0;
  for (let salt = 0; salt < rounds && wrong.length < 3; salt++) {
    const program = new TableProgram(makeRandom(salt), 10);
    const file = program.file();
    const xs = [2, 5].map(n => tensor(values(n * 12, n + salt), { shape: [n, 3, 4] }) as Tensor);
    try {
      const net = io.onnx.fromBytes(file);
      for (const x of xs) {
        const answer = await runModel(file, { x });
        const want = net.outputNames.map(name => answer.get(name) as Tensor);
        for (const isPlanned of [false, true]) {
          net.hybridize(isPlanned);
          const message = difference(flat(net(x)), want, { float32: 0, float64: 0 });
          if (message !== null)
            wrong.push(`${salt}, planned ${isPlanned}, ${x.shape[0]} rows: ${program.text}: ${message}`);
        }
      }
      answered++;
    } catch (error) {
      // onnxruntime does not open some models: where it works out shapes, it takes lists for numbers.
      if (!/2\^53|does not fit int64|ShapeInferenceError/.test(String(error)))
        wrong.push(`${salt} ${program.text}: ${String(error)}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(answered).toBeGreaterThan(rounds / 2);
});

const longs = (name: string, dims: number[], ...list: (number | bigint)[]): Init<TensorData> => ({
  name,
  dims: dims.map(BigInt),
  dataType: 7,
  rawData: new Uint8Array(BigInt64Array.from(list, BigInt).buffer),
});
const ints = (name: string, ...list: number[]): Init<TensorData> => ({
  name,
  dims: [BigInt(list.length)],
  dataType: 6,
  rawData: new Uint8Array(Int32Array.from(list).buffer),
});
const cast = (from: string, to: string, type: number) =>
  node('Cast', [from], [to], { attribute: attributes({ to: type }) });
const DOUBLE = 11;

/** What is wrong with a model's answer to x, called and planned, by onnxruntime; null for nothing. */
async function wrongIn(file: Uint8Array, x: Tensor): Promise<string | null> {
  const net = io.onnx.fromBytes(file);
  const answer = await runModel(file, { x });
  const want = net.outputNames.map(name => answer.get(name) as Tensor);
  for (const isPlanned of [false, true]) {
    net.hybridize(isPlanned);
    const message = difference(flat(net(x)), want, { float32: 1e-6, float64: 0 });
    if (message !== null) return `planned ${isPlanned}: ${message}`;
  }
  return null;
}

/** A model of y as doubles, which is computed from x[n, 3] as lines say. */
const fileOf = (initializer: Init<TensorData>[], nodes: Init<Node>[]): Uint8Array =>
  model({ output: [{ name: 'y' }], initializer, node: [...nodes, cast('made', 'y', DOUBLE)] });

describe('whole numbers of int64', () => {
  const x = tensor([1.5, -2.7, 3, 0, 5, -6], { shape: [2, 3] }) as Tensor;
  const cases: Readonly<Record<string, readonly [Init<TensorData>[], Init<Node>[]]>> = {
    'a batch size that is picked from a shape': [
      [longs('i', [], 0), longs('a', [1], 0), longs('rest', [2], 3, 1)],
      [
        node('Shape', ['x'], ['s']),
        node('Gather', ['s', 'i'], ['n']),
        node('Unsqueeze', ['n', 'a'], ['list']),
        node('Concat', ['list', 'rest'], ['shape'], { attribute: attributes({ axis: 0 }) }),
        node('Reshape', ['x', 'shape'], ['made']),
      ],
    ],
    'quotients of sizes, towards 0': [
      [longs('two', [2], 2, -2), longs('one', [2], 1, -4)],
      [node('Shape', ['x'], ['s']), node('Add', ['s', 'one'], ['more']), node('Div', ['more', 'two'], ['made'])],
    ],
    'a column as floats': [[longs('c', [2, 1], 10, 1)], [cast('c', 'f', 1), node('Mul', ['x', 'f'], ['made'])]],
    'floats beyond int32, cut to whole ones': [
      [weight('far', [], { rawData: new Uint8Array(Float32Array.of(1.1e9).buffer) })],
      [node('Mul', ['x', 'far'], ['f']), cast('f', 'i', 7), node('Identity', ['i'], ['made'])],
    ],
    'what lies at constant places': [
      [longs('i', [1, 2], 2, -3)],
      [node('Gather', ['x', 'i'], ['made'], { attribute: attributes({ axis: 1 }) })],
    ],
    'parts of a table whose other axes have different sizes, before and after': [
      [
        longs('c', [2, 3, 4, 1], ...Array.from({ length: 24 }, (_, i) => i * i)),
        longs('i', [2, 1], 1, -2),
        longs('j', [], 2),
      ],
      [
        node('Gather', ['c', 'i'], ['rows'], { attribute: attributes({ axis: 0 }) }),
        node('Gather', ['rows', 'j'], ['made'], { attribute: attributes({ axis: 2 }) }),
      ],
    ],
    'places that are moved by a constant': [
      [longs('c', [2], -1, 3_000_000_000)],
      [
        node('ArgMax', ['x'], ['i'], { attribute: attributes({ axis: 1, keepdims: 0 }) }),
        node('Add', ['i', 'c'], ['made']),
      ],
    ],
    'a choice among sizes': [
      [longs('c', [2], 2, 7), longs('other', [1], -1)],
      [
        node('Shape', ['x'], ['s']),
        node('Equal', ['s', 'c'], ['same']),
        node('Where', ['same', 's', 'other'], ['made']),
      ],
    ],
    'a number of elements': [
      [],
      [node('Shape', ['x'], ['s']), node('ReduceProd', ['s'], ['made'], { attribute: attributes({ keepdims: 0 }) })],
    ],
    'more of them than any shape has': [
      [longs('c', [5000], ...Array.from({ length: 5000 }, (_, i) => i - 7)), longs('three', [1], 3)],
      [node('Mul', ['c', 'three'], ['made'])],
    ],
    'ends that are as far out as can be': [
      [longs('start', [1], 1), longs('end', [1], 2n ** 63n - 1n), longs('axis', [1], 1)],
      [node('Slice', ['x', 'start', 'end', 'axis'], ['made'])],
    ],
    'a step back from before the first element': [
      [longs('start', [1], -3), longs('end', [1], -4), longs('axis', [1], 0), longs('step', [1], -1)],
      [node('Slice', ['x', 'start', 'end', 'axis', 'step'], ['made'])],
    ],
    'running sums of flags': [
      [weight('zero', [], { rawData: new Uint8Array(4) }), longs('axis', [], 1)],
      [node('Greater', ['x', 'zero'], ['flags']), cast('flags', 'i', 7), node('CumSum', ['i', 'axis'], ['made'])],
    ],
    'a power by a whole number': [[longs('two', [], 2)], [node('Pow', ['x', 'two'], ['made'])]],
    'a power of each column': [[ints('powers', 1, 2, 3)], [node('Pow', ['x', 'powers'], ['made'])]],
    'ends of int32': [
      [ints('start', 1), ints('end', 3), ints('axis', 1)],
      [node('Slice', ['x', 'start', 'end', 'axis'], ['made'])],
    ],
    'a shape that was of int32': [
      [ints('c', -1, 2)],
      [cast('c', 'shape', 7), node('Reshape', ['x', 'shape'], ['made'])],
    ],
    'widths that take away, and a value that goes by two names': [
      [longs('widths', [4], 0, -1, 1, 2), weight('value', [])],
      [node('Identity', ['value'], ['other']), node('Pad', ['x', 'widths', 'other'], ['made'])],
    ],
    'sizes that are held to a range': [
      [longs('low', [], 3), longs('high', [], 2)],
      [
        node('Shape', ['x'], ['s']),
        node('Clip', ['s', 'low'], ['a']),
        node('Clip', ['s', '', 'high'], ['b']),
        node('Concat', ['a', 'b'], ['made'], { attribute: attributes({ axis: 0 }) }),
      ],
    ],
    'bounds that are computed': [
      [longs('none', [0]), longs('axes', [2], 0, 1)],
      [
        node('ReduceMean', ['x'], ['low'], { attribute: attributes({ keepdims: 0 }) }),
        node('Clip', ['x', 'low'], ['made']),
      ],
    ],
  };
  test.each(Object.entries(cases))('%s', async (_name, [initializer, nodes]) => {
    expect(await wrongIn(fileOf([...initializer], [...nodes]), x)).toBe(null);
  });

  test('bounds and widths that stand as initializers are numbers of the net', async () => {
    const bound = (name: string, value: number) =>
      weight(name, [], { rawData: new Uint8Array(Float32Array.of(value).buffer) });
    const file = model({
      output: [float('y', -1, 4)],
      initializer: [bound('low', -1), bound('high', 2), bound('value', 9), longs('widths', [4], 0, 1, 0, 0)],
      node: [node('Clip', ['x', 'low', 'high'], ['c']), node('Pad', ['c', 'widths', 'value'], ['y'])],
    });
    expect(await wrongIn(file, x)).toBe(null);
    expect([...io.onnx.fromBytes(file).collectParams().keys()]).toEqual([]);
  });

  test('as results are tensors: of int32 where they cannot be larger, and else of float64', () => {
    const net = io.onnx.fromBytes(
      model({
        output: ['s', 'i', 'c'].map(name => ({ name })),
        initializer: [longs('c', [2, 1], 3_000_000_000, 1)],
        node: [node('Shape', ['x'], ['s']), cast('x', 'i', 7)],
      }),
    );
    const got = net(x) as unknown as Tensor[];
    expect(got.map(t => [t.dtype, t.toArray()])).toEqual([
      ['int32', [2, 3]],
      [
        'float64',
        [
          [1, -2, 3],
          [0, 5, -6],
        ],
      ],
      ['float64', [[3_000_000_000], [1]]],
    ]);
  });
});

describe('what is refused as a file is opened', () => {
  const refusal = (initializer: Init<TensorData>[], nodes: Init<Node>[], more = {}): Error => {
    const error = thrown(() => io.onnx.fromBytes(model({ initializer, node: nodes, ...more })));
    expect(error).toBeInstanceOf(LatentError);
    return error;
  };
  const sum = { attribute: attributes({ keepdims: 0 }) };
  test.each([
    [
      'sums of whole numbers of any size',
      [],
      [cast('x', 'i', 7), node('ReduceSum', ['i'], ['s'], sum), cast('s', 'y', 1)],
      /ReduceSum 's': whole numbers of int64 .* larger here than 2\^53/,
    ],
    [
      'products of them',
      [],
      [cast('x', 'i', 7), node('Mul', ['i', 'i'], ['s']), cast('s', 'y', 1)],
      /Mul 's': whole numbers of int64/,
    ],
    [
      'whole numbers that no tensor holds',
      [longs('c', [1], 2n ** 62n + 1n)],
      [cast('c', 'f', 1), node('Add', ['x', 'f'], ['y'])],
      /Cast 'f': input 0 holds whole numbers beyond 2\^53/,
    ],
    [
      'constants that do not fit int64 when they are summed',
      [longs('c', [1], 2n ** 63n - 1n), longs('d', [1], 1)],
      [node('Add', ['c', 'd'], ['s']), node('Reshape', ['x', 's'], ['y'])],
      /Add 's': 9223372036854775808 does not fit int64/,
    ],
    [
      'constants that are cut to int32',
      [longs('c', [1], 3_000_000_000)],
      [cast('c', 'i', 6), cast('i', 'f', 1), node('Add', ['x', 'f'], ['y'])],
      /Cast 'i': whole numbers from 3000000000 to 3000000000 do not fit int32/,
    ],
    [
      'what may not fit int32',
      [],
      [cast('x', 'i', 7), cast('i', 'j', 6), cast('j', 'y', 1)],
      /Cast 'j': whole numbers from -Infinity to Infinity do not fit int32/,
    ],
    [
      'constants whose shapes do not fit',
      [longs('c', [2], 1, 2), longs('d', [3], 1, 2, 3)],
      [node('Add', ['c', 'd'], ['s']), node('Reshape', ['x', 's'], ['y'])],
      /Add 's': shapes \[2\] and \[3\] do not broadcast/,
    ],
    [
      'sizes that depend on values',
      [],
      [cast('x', 'i', 7), node('Reshape', ['x', 'i'], ['y'])],
      /Reshape 'y': input 1 must be known before the graph runs/,
    ],
    [
      'products of sizes',
      [],
      [node('Shape', ['x'], ['s']), node('MatMul', ['s', 's'], ['y'])],
      /MatMul 'y': input 0 is int64/,
    ],
    [
      'mixed types',
      [longs('c', [1], 1)],
      [node('Add', ['x', 'c'], ['y'])],
      /Add 'y': input 1 is int64, and input 0 float32/,
    ],
    [
      'a bound for each element',
      [weight('w', [3])],
      [node('CumSum', ['x', 'w'], ['y'])],
      /CumSum 'y': input 1 is float32/,
    ],
  ] as const)('%s', (_name, initializer, nodes, message) => {
    expect(refusal([...initializer], [...nodes]).message).toMatch(message);
  });

  test('for all reasons in one message', () => {
    const { message } = refusal(
      [weight('w', [1], { dataType: 8 })],
      [
        node('Mystery', ['x'], ['a'], { name: 'first' }),
        node('Relu', ['a'], ['b'], { attribute: attributes({ slope: 1 }) }),
        node('Riddle', ['b'], ['c']),
        node('Div', ['s', 's'], ['y']),
      ],
      { output: [float('y', 1), float('z', 1)] },
    );
    expect(message.split('\n')).toEqual([
      'The buffer is no ONNX model that can be read, for 6 reasons:',
      expect.stringMatching(/^- initializer 'w': element type string is not known/),
      "- Mystery 'first' is an operator that is not known",
      "- Relu 'b': attribute 'slope' is not known",
      "- Riddle 'c' is an operator that is not known",
      "- Div 'y' takes 's', which nothing before it gives: the graph runs in a circle or out of order",
      "- nothing gives its output 'z'",
    ]);
  });
});
