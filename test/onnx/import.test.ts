import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  ArgumentError,
  DTypeError,
  FileError,
  FormatError,
  io,
  LatentError,
  memory,
  nn,
  ones,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from '../../lib/index.js';
import type { Init, TensorData } from '../../lib/onnx/schema.js';
import { inFolder, thrown, values } from '../support/nn-helpers.js';
import { type Attributes, attributes, bytes, float, long, model, node, weight } from '../support/onnx-files.js';
import { full, seed } from '../support/random.js';

const x = tensor(values(6), { shape: [2, 3] }) as Tensor;

test('a small model runs', () => {
  const net = io.onnx.fromBytes(model());
  expect((net(x) as Tensor).toArray()).toEqual(x.relu().toArray());
  expect(String(net)).toBe('OnnxNet(x -> y)');
  expect(net.inputNames).toEqual(['x']);
  expect(net.outputNames).toEqual(['y']);
});

test.each(['__proto__', 'hasOwnProperty', 'valueOf', 'a.b', 'name', 'length'])(
  'an initializer may be called %s',
  name => {
    const file = model({
      initializer: [weight(name, [3], { rawData: bytes(1, 2, 3) })],
      node: [node('Mul', ['x', name], ['y'])],
    });
    const net = io.onnx.fromBytes(file);
    expect([...net.collectParams()].map(([path, p]) => [path, p.data().toArray()])).toEqual([[name, [1, 2, 3]]]);
    for (const one of [net, net.clone(), io.onnx.fromBytes(net.toOnnx({ inputShape: [-1, 3] }))])
      expect((one(x) as Tensor).toArray()).toEqual(x.mul(tensor([1, 2, 3])).toArray());
  },
);

test.each([
  [{}, 1],
  [{ count_include_pad: 0 }, 1],
  [{ count_include_pad: 1 }, 4 / 9],
] as const)('an average over a corner of ones, with %j', (given, want) => {
  const attribute = attributes({ kernel_shape: [3, 3], pads: [1, 1, 1, 1], ...given });
  const net = io.onnx.fromBytes(
    model({ input: [float('x', 1, 1, 3, 3)], node: [node('AveragePool', ['x'], ['y'], { attribute })] }),
  );
  expect((net(ones([1, 1, 3, 3])) as Tensor).toTypedArray()[0]).toBeCloseTo(want, 6);
});

test.each([
  [{ value_float: { f: 2.5 } }, 2.5],
  [{ value_floats: { floats: [1, 2, 3] } }, [1, 2, 3]],
] as [Attributes, number | number[]][])('a constant in the form %j', (given, want) => {
  const net = io.onnx.fromBytes(
    model({
      node: [node('Constant', [], ['c'], { attribute: attributes(given) }), node('Mul', ['x', 'c'], ['y'])],
    }),
  );
  expect((net(x) as Tensor).toArray()).toEqual(x.mul(typeof want === 'number' ? want : tensor(want)).toArray());
});

test.each([
  [{ value_ints: [3, 2] }, [3, 2]],
  [{ value_int: 6 }, [6]],
] as [Attributes, number[]][])('a shape from a constant in the form %j', (given, want) => {
  const shape = 'value_int' in given ? [node('Unsqueeze', ['c', 'axes'], ['s'])] : [node('Identity', ['c'], ['s'])];
  const net = io.onnx.fromBytes(
    model({
      initializer: [weight('axes', [1], { dataType: 7, rawData: long(0) })],
      node: [
        node('Constant', [], ['c'], { attribute: attributes(given) }),
        ...shape,
        node('Reshape', ['x', 's'], ['y']),
      ],
    }),
  );
  expect((net(x) as Tensor).shape).toEqual(want);
});

describe('a file takes memory by what it holds, not by what it claims', () => {
  const rise = (body: () => unknown): number => {
    const before = process.memoryUsage();
    const native = memory.info().peakBytes;
    body();
    const after = process.memoryUsage();
    return after.arrayBuffers - before.arrayBuffers + memory.info().peakBytes - native;
  };

  test('tensors of sizes beyond the file', () => {
    for (const dims of [[2 ** 40], [2 ** 31, 2 ** 31], [2 ** 52], [100_000, 100_000]]) {
      const huge = weight('w', [1], { dims: dims.map(BigInt) });
      const typed = weight('w', [1], {
        dims: dims.map(BigInt),
        rawData: new Uint8Array(),
        int64Data: [Uint8Array.of(1)],
        dataType: 7,
      });
      for (const data of [huge, typed])
        expect(
          rise(() =>
            expect(thrown(() => io.onnx.fromBytes(model({ initializer: [data] })))).toBeInstanceOf(FormatError),
          ),
        ).toBeLessThan(2 ** 20);
    }
  });

  test('millions of empty parts', () => {
    // A node of two bytes each, which decoded would take hundreds.
    const empty = new Uint8Array(2 * 3_000_000);
    for (let i = 0; i < empty.length; i += 2) empty[i] = 0x0a;
    const length: number[] = [];
    for (let n = empty.length; n > 0; n >>= 7) length.push((n & 127) | (n > 127 ? 128 : 0));
    const file = Buffer.concat([Uint8Array.of(0x3a, ...length), empty]);
    const heap = process.memoryUsage().heapUsed;
    expect(thrown(() => io.onnx.fromBytes(file)).message).toMatch(/its parts would take more than 30 MB of heap/);
    expect(process.memoryUsage().heapUsed - heap).toBeLessThan(64 * 2 ** 20);
  });

  test('lengths beyond the file, and groups in groups', () => {
    for (const file of [
      Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x07),
      Uint8Array.of(0x3a, 0x02, 0x0a, 0x7f),
      new Uint8Array(100_000).fill(0x0b),
      new Uint8Array(1000).fill(0xff),
      Uint8Array.of(0x3a),
    ])
      expect(thrown(() => io.onnx.fromBytes(file))).toBeInstanceOf(FormatError);
  });

  test('a result that would be huge is refused as any is', () => {
    const shape = { name: 'shape', dims: [2n], dataType: 7, rawData: long(1_000_000, 1_000_000) };
    const net = io.onnx.fromBytes(
      model({
        initializer: [shape, weight('w', [1])],
        node: [node('Expand', ['w', 'shape'], ['big']), node('Exp', ['big'], ['y'])],
      }),
    );
    memory.setLimit(2 ** 30);
    try {
      expect(thrown(() => net(x))).toBeInstanceOf(LatentError);
    } finally {
      memory.setLimit(Infinity);
    }
  });

  test('a file that is too large is not read', () => {
    inFolder(folder => {
      const path = join(folder, 'sparse.onnx');
      writeFileSync(path, '');
      require('node:fs').truncateSync(path, 2 ** 31);
      expect(
        rise(() => expect(thrown(() => io.onnx.load(path)).message).toMatch(/has 2147483648 bytes, more than/)),
      ).toBeLessThan(2 ** 20);
    });
  });
});

describe('elements in the fields of their types', () => {
  const varint = (...numbers: number[]) => Uint8Array.from(numbers);
  const shapes: readonly [string, Init<TensorData>, unknown][] = [
    ['floats', { dataType: 1, floatData: [bytes(1.5, -2)] }, [1.5, -2]],
    ['floats in two pieces', { dataType: 1, floatData: [bytes(1.5), bytes(-2)] }, [1.5, -2]],
    ['doubles', { dataType: 11, doubleData: [new Uint8Array(Float64Array.of(1 / 3, 2).buffer)] }, [1 / 3, 2]],
    ['integers', { dataType: 6, int32Data: [varint(3, 0x80, 1)] }, [3, 128]],
    ['bytes', { dataType: 2, int32Data: [varint(3, 7)] }, [3, 7]],
    ['bools', { dataType: 9, int32Data: [varint(1, 0)] }, [true, false]],
  ];
  test.each(shapes)('%s', (_name, data, want) => {
    const elemType = data.dataType as number;
    const net = io.onnx.fromBytes(
      model({
        input: [],
        output: [{ name: 'y', type: { tensorType: { elemType } } }],
        node: [
          node('Constant', [], ['c'], { attribute: [{ name: 'value', t: { dims: [2n], ...data }, type: 4 }] }),
          node('Identity', ['c'], ['y']),
        ],
      }),
    );
    expect((net() as Tensor).toArray()).toEqual(want);
  });
  const long64 = (...numbers: number[]) => ({ dataType: 7, int64Data: [varint(...numbers)] });
  test.each([
    ['too few', [2], { dataType: 6, int32Data: [varint(3)] }, /2 elements, but 1 bytes for them/],
    ['too few, of many bytes', [2], { dataType: 6, int32Data: [varint(0x80, 0x80, 1)] }, /more or fewer than its 2/],
    ['too many', [2], { dataType: 6, int32Data: [varint(3, 4, 5)] }, /more or fewer than its 2/],
    ['cut off', [2], { dataType: 6, int32Data: [varint(3, 0x80)] }, /its elements end inside one/],
    ['none', [2], { dataType: 1 }, /shape \[2\] of float32 takes 8 bytes, but there are 0/],
    ['too few sizes', [2], long64(3), /2 elements, but 1 bytes/],
    ['too many sizes', [1], { dataType: 7, rawData: long(1, 2) }, /1 numbers take 8 bytes, but there are 16/],
    ['half a size', [1], { dataType: 7, rawData: varint(1, 2, 3) }, /1 numbers take 8 bytes, but there are 3/],
    ['millions of sizes', [1000, 1001], long64(), /1001000 whole numbers of eight bytes; at most 1000000/],
  ] as const)('%s of them', (_name, dims, data, message) => {
    const given = { rawData: new Uint8Array(), ...data } as Init<TensorData>;
    const error = thrown(() =>
      io.onnx.fromBytes(model({ initializer: [{ name: 'w', dims: dims.map(BigInt), ...given }] })),
    );
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(message);
  });
});

describe('a net from a file is called', () => {
  const net = io.onnx.fromBytes(model());
  test.each([
    ['without its input', () => net(), ArgumentError, /takes 1 inputs \(x\), but got 0/],
    [
      'with another rank',
      () => net(zeros([3])),
      ShapeError,
      /input 'x' takes shape \[-1, 3\], -1 for any size, but got \[3\]/,
    ],
    ['with another size', () => net(zeros([2, 4])), ShapeError, /input 'x' takes shape \[-1, 3\]/],
    [
      'with another type',
      () => net(zeros([2, 3], { dtype: 'int32' })),
      DTypeError,
      /input 'x' takes float32, but got int32/,
    ],
    ['with a number', () => net(3 as never), ArgumentError, /input 'x'/],
  ] as const)('%s', (_name, call, type, message) => {
    const error = thrown(call);
    expect(error).toBeInstanceOf(type);
    expect(error.message).toMatch(message);
  });
  test('and what does not fit inside says which node it was', () => {
    const shape = { name: 's', dims: [2n], dataType: 7, rawData: long(4, 2) };
    const wrong = io.onnx.fromBytes(
      model({ initializer: [shape], node: [node('Reshape', ['x', 's'], ['y'], { name: 'here' })] }),
    );
    expect(thrown(() => wrong(x)).message).toMatch(/Reshape 'here': reshape: shape \[2, 3\] cannot become \[4, 2\]/);
  });
});

test("a result that is the net's own weight or constant is the caller's to change and to dispose of", () => {
  const constant = [{ name: 'value', t: weight('', [2], { rawData: bytes(5, 6) }), type: 4 }];
  const net = io.onnx.fromBytes(
    model({
      initializer: [
        weight('w', [2]),
        weight('fixed', [1], { dataType: 6, rawData: new Uint8Array(Int32Array.of(7).buffer) }),
      ],
      node: [node('Relu', ['x'], ['y']), node('Constant', [], ['c'], { attribute: constant })],
      output: ['y', 'w', 'fixed', 'c'].map(name => ({ name })),
    }),
  );
  const read = () => (net(x) as unknown as Tensor[]).slice(1).map(t => t.toArray());
  const want = [[1, 1], [7], [5, 6]];
  expect(read()).toEqual(want);
  for (const t of (net(x) as unknown as Tensor[]).slice(1)) {
    t.copyFrom(t.mul(0));
    t.dispose();
  }
  expect(read()).toEqual(want);
});

describe('a net from a file among others', () => {
  const made = () => {
    const net = new nn.Sequential(new nn.Dense(4), new nn.BatchNorm(), new nn.LayerNorm(), new nn.Dense(2));
    net.initialize();
    net(zeros([2, 3]));
    return net as unknown as nn.Block;
  };
  const options = { inputShape: [-1, 3], inputNames: ['img'], outputNames: ['logits'] };
  test('knows what its parameters are for', () => {
    const back = io.onnx.fromBytes(made().toOnnx(options));
    const roles = Object.fromEntries([...back.collectParams()].map(([path, p]) => [path, p.role]));
    expect(roles).toEqual({
      '0.weight': 'weight',
      '0.bias': 'bias',
      '1.gamma': 'gamma',
      '1.beta': 'beta',
      '1.runningMean': 'runningMean',
      '1.runningVar': 'runningVar',
      '2.gamma': 'gamma',
      '2.beta': 'beta',
      '3.weight': 'weight',
      '3.bias': 'bias',
    });
    back.initialize({ forceReinit: true });
    expect((back(x) as Tensor).toArray().flat().every(Number.isFinite)).toBe(true);
  });
  test('keeps its names when it is written again', () => {
    const back = io.onnx.fromBytes(made().toOnnx(options));
    const again = io.onnx.fromBytes(back.toOnnx({ inputShape: [-1, 3] }));
    expect([again.inputNames, again.outputNames]).toEqual([['img'], ['logits']]);
  });
  test('keeps its types', () => {
    const back = io.onnx.fromBytes(made().toOnnx(options));
    expect(back.cast('float32')).toBe(back);
    expect(thrown(() => back.cast('float64')).message).toMatch(/the file says which types its values have/);
  });
});

test('a path that cannot be read raises FileError', () => {
  inFolder(folder => {
    for (const path of [join(folder, 'missing'), folder]) {
      const error = thrown(() => io.onnx.load(path));
      expect(error).toBeInstanceOf(FileError);
      expect(error.message).toContain(path);
    }
    expect(() => io.onnx.load(3 as never)).toThrow(ArgumentError);
    expect(() => io.onnx.fromBytes('x' as never)).toThrow(ArgumentError);
    const path = join(folder, 'bad.onnx');
    writeFileSync(path, 'x');
    expect(thrown(() => io.onnx.load(path)).message).toContain(path);
  });
});

describe('fuzzing', () => {
  const numRuns = full ? 20_000 : 1_000;

  const nets = [
    () => new nn.Sequential(new nn.Conv2D(2, { kernelSize: 2 }), new nn.MaxPool2D(), new nn.Dense(2)),
    () => new nn.Sequential(new nn.LSTM(2, { layout: 'NTC' }), new nn.LayerNorm(), new nn.Dense(2)),
    () => new nn.Sequential(new nn.BatchNorm(), new nn.GELU(), new nn.AvgPool2D(), new nn.Flatten()),
  ];
  const inputs = [
    [2, 1, 5, 5],
    [2, 3, 2],
    [2, 3, 4, 4],
  ];
  const good = nets.map((make, i) => {
    const net = make() as unknown as nn.Block;
    net.initialize();
    return net.toOnnx({ inputShape: [-1, ...(inputs[i] as number[]).slice(1)] });
  });

  /** Accepts what is a file, and then what it computes; anything else must be an error that is meant. */
  const tryRun = (file: Uint8Array, shape: readonly number[]): boolean => {
    try {
      const net = io.onnx.fromBytes(file);
      net(zeros([...shape]));
      return true;
    } catch (error) {
      if (!(error instanceof LatentError)) throw error;
      return false;
    }
  };

  test.each(good.map((_, i) => [i]))('any change of bytes of model %d is a model or an error', i => {
    const file = good[i] as Uint8Array;
    let accepted = 0;
    memory.setLimit(memory.info().liveBytes + 2 ** 28);
    try {
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
          fc.nat(file.length),
          (changes, keep) => {
            const changed = file.slice(0, keep % 4 === 0 ? keep : file.length);
            for (const [at, value] of changes) if (at < changed.length) changed[at] = value;
            if (tryRun(changed, inputs[i] as number[])) accepted++;
          },
        ),
        { numRuns, seed },
      );
    } finally {
      memory.setLimit(Infinity);
    }
    expect(accepted).toBeGreaterThan(0);
  });

  test('any bytes are a model or an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), file => {
        tryRun(file, [2, 3]);
      }),
      { numRuns, seed },
    );
  });
});
