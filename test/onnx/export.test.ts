import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ArgumentError,
  autograd,
  BlockError,
  DTypeError,
  FileError,
  io,
  nn,
  ones,
  ParameterNotInitializedError,
  random,
  ShapeError,
  type Tensor,
  tensor,
  where,
  zeros,
} from '../../lib/index.js';
import { decodeMessage } from '../../lib/onnx/codec.js';
import { modelBytes } from '../../lib/onnx/file.js';
import type { Model } from '../../lib/onnx/schema.js';
import { apply, definedOps, defineOp, type Op } from '../../lib/ops/op.js';
import { maxPool } from '../../lib/ops/pool.js';
import { recurrent } from '../../lib/ops/recurrent.js';
import { inFolderAsync, thrown, values } from '../support/nn-helpers.js';
import { difference, disagreement, flat, graphOf, netOf, operatorsOf } from '../support/onnx-models.js';
import { runModel } from '../support/onnxruntime.js';

const tolerance = { float32: 4e-6, float64: 1e-11 };

function mlp(): nn.Block {
  const net = new nn.Sequential(new nn.Dense(8, { activation: 'relu' }), new nn.Dense(3));
  net.initialize();
  return net as unknown as nn.Block;
}

const input = (...shape: number[]): Tensor => tensor(values(shape.reduce((a, b) => a * b, 1)), { shape }) as Tensor;

async function rejected(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('expected a rejection');
    },
    error => error as Error,
  );
}

/** An operation that ONNX has no operator for. */
const unwritable = defineOp<object>({
  name: 'unwritable',
  infer: ([x]) => x as Tensor,
  run: ([x]) => (x as Tensor).mul(1) as Tensor,
  gradient: g => [g],
  saves: {},
});

describe('what is written', () => {
  test('a net of dense layers is two products and an activation', () => {
    const graph = graphOf(mlp().toOnnx({ inputShape: [-1, 5] }));
    expect(graph.node.map(({ opType, name, input, output }) => [opType, name, input, output])).toEqual([
      ['Gemm', '0.Gemm', ['input', '0.weight', '0.bias'], ['0.Gemm']],
      ['Relu', '0.Relu', ['0.Gemm'], ['0.Relu']],
      ['Gemm', '1.Gemm', ['0.Relu', '1.weight', '1.bias'], ['output']],
    ]);
    expect(graph.initializer.map(({ name, dims }) => [name, dims.map(Number)])).toEqual([
      ['0.weight', [8, 5]],
      ['0.bias', [8]],
      ['1.weight', [3, 8]],
      ['1.bias', [3]],
    ]);
    const [free, fixed] = graph.input[0]?.type?.tensorType?.shape?.dim ?? [];
    expect([free?.dimParam, Number(fixed?.dimValue)]).toEqual(['batch', 5]);
  });

  test('settles a net that waits for shapes, and draws its parameters as the first batch would', () => {
    const draw = (settle: (net: nn.Block) => void) => {
      random.seed(4);
      const net = mlp();
      settle(net);
      return net.collectParams().get('0.weight').data().toArray();
    };
    expect(draw(net => net.toOnnx({ inputShape: [-1, 5] }))).toEqual(draw(net => net(zeros([2, 5]))));
  });

  test('several inputs and results have names, given ones or their own', async () => {
    const net = netOf((a, b) => ({ sum: a?.add(b as Tensor), parts: [a?.mul(2), b] }));
    const options = { inputShape: [[-1, 3], [3]] };
    const names = (model: Uint8Array) => {
      const { inputNames, outputNames } = io.onnx.fromBytes(model);
      return [inputNames, outputNames];
    };
    expect(names(net.toOnnx(options))).toEqual([
      ['input0', 'input1'],
      ['sum', 'parts.0', 'parts.1'],
    ]);
    const given = { ...options, inputNames: ['left', 'right'], outputNames: ['s', 't', 'u'] };
    expect(names(net.toOnnx(given))).toEqual([given.inputNames, given.outputNames]);
    const inputs = [input(2, 3), input(3)];
    expect(await disagreement(net.toOnnx(given), inputs, flat(net(...inputs)), tolerance)).toBe(null);
    expect(names(netOf(x => [x, [x, x]]).toOnnx({ inputShape: [2] }))[1]).toEqual([
      'output0',
      'output1.0',
      'output1.1',
    ]);
  });

  test('a result that is an input, a parameter, a constant, or another result', async () => {
    const held = new nn.Parameter({ shape: [2], init: 'ones' });
    class Odd extends nn.Block {
      readonly held = held;
      override forward(x: Tensor): unknown {
        const y = x.exp();
        return [x, held.data(), tensor([1, 2]), y, y, y.clone(), x];
      }
    }
    const net = new Odd() as unknown as nn.Block;
    net.initialize();
    const x = input(4, 2);
    expect(await disagreement(net.toOnnx({ inputShape: [-1, 2] }), [x], flat(net(x)), tolerance)).toBe(null);
  });

  test("a user's function is what its forward computes", async () => {
    class Twice extends autograd.Function {
      override forward(x: Tensor): Tensor {
        return x.mul(2) as Tensor;
      }
      override backward(g: Tensor): Tensor {
        return g.mul(2) as Tensor;
      }
    }
    const net = netOf(x => new Twice().apply(x as Tensor));
    const x = input(2, 3);
    expect(await disagreement(net.toOnnx({ inputShape: [-1, 3] }), [x], [net(x) as Tensor], tolerance)).toBe(null);
  });

  describe("a user's function with a form of its own", () => {
    class Softsigned extends autograd.Function {
      constructor(private readonly alpha = 0.3) {
        super();
      }
      override forward(x: Tensor, scale: Tensor): Tensor {
        const kept = where(x.less(0), x.mul(this.alpha), x);
        return apply(unwritable, [kept.mul(scale)], {}) as Tensor;
      }
      override backward(g: Tensor): (Tensor | null)[] {
        return [g, null];
      }
      override onnx(graph: autograd.OnnxGraph, x: string, scale: string): string {
        const kept = graph.node('LeakyRelu', [x], { alpha: { f: this.alpha } });
        return graph.node('Mul', [graph.node('Mul', [kept, scale]), graph.constant(1)]);
      }
    }
    class Scaled extends nn.Block {
      readonly dense = new nn.Dense(4);
      readonly scale = new nn.Parameter({ shape: [4], init: 'uniform' });
      override forward(x: Tensor): Tensor {
        const once = new Softsigned().apply(this.dense(x) as Tensor, this.scale.data() as Tensor);
        return new Softsigned(0.7).apply(once, this.scale.data() as Tensor).add(1) as Tensor;
      }
    }

    test('is that in a file, and what its forward computes in a plan', async () => {
      const net = new Scaled() as unknown as nn.Block;
      net.initialize();
      const bytes = net.toOnnx({ inputShape: ['batch', 3] });
      expect(operatorsOf(bytes).filter(name => name !== 'Constant')).toEqual([
        'Gemm',
        'LeakyRelu',
        'Mul',
        'Mul',
        'LeakyRelu',
        'Mul',
        'Mul',
        'Add',
      ]);
      expect([...io.onnx.fromBytes(bytes).collectParams()].map(([name]) => name).sort()).toEqual([
        'dense.bias',
        'dense.weight',
        'scale',
      ]);
      const x = input(2, 3).sub(0.5) as Tensor;
      const want = net(x) as Tensor;
      expect(await disagreement(bytes, [x], [want], tolerance)).toBe(null);
      net.hybridize();
      expect(difference([net(x) as Tensor], [want], { float32: 0, float64: 0 })).toBe(null);
    });

    test('may be an operator of a domain of its own', () => {
      class Twist extends autograd.Function {
        override forward(x: Tensor): Tensor {
          return x.exp();
        }
        override backward(g: Tensor): Tensor {
          return g;
        }
        override onnx(graph: autograd.OnnxGraph, x: string): string {
          return graph.node('com.example::Twist', [x, ''], { turns: 3, axes: [0, 1], mode: 'left' });
        }
      }
      const net = netOf(x => new Twist().apply(x as Tensor));
      const bytes = net.toOnnx({ inputShape: [2, 3] });
      const model: Model = decodeMessage('Model', bytes);
      expect(model.opsetImport.map(({ domain, version }) => [domain, Number(version)])).toEqual([
        ['', 17],
        ['com.example', 1],
      ]);
      const [node] = graphOf(bytes).node;
      expect([node?.domain, node?.opType, node?.input, node?.attribute.map(({ name }) => name)]).toEqual([
        'com.example',
        'Twist',
        ['input'],
        ['turns', 'axes', 'mode'],
      ]);
      expect(() => io.onnx.fromBytes(bytes)).toThrow(/operator of 'com\.example', which is not known/);
    });

    const forms: [string, (graph: autograd.OnnxGraph, x: string, size: number) => unknown, RegExp][] = [
      ['that answers nothing', () => undefined, /the result must be the name of a value of the graph.*undefined/],
      ['that names what is not there', () => '#7', /the result must be the name of a value .*'#7'/],
      ['of a node that reads it', g => g.node('Neg', ['x']), /an input of node\('Neg'\) must be the name.*'x'/],
      ['without a list', g => g.node('Neg', '#0' as never), /node\('Neg'\) takes a list of names, but got '#0'/],
      [
        'with a fraction for a whole number',
        (g, x) => g.node('LeakyRelu', [x], { alpha: 0.5 }),
        /Bad\.onnx: attribute 'alpha' of node\('LeakyRelu'\) takes .* \{ f: 0\.5 \}.*but got 0\.5/,
      ],
      ['with nothing for an attribute', (g, x) => g.node('Neg', [x], { a: null as never }), /attribute 'a' .*null/],
      ['of a mixed list', (g, x) => g.node('Neg', [x], { a: ['b', 1] as never }), /attribute 'a'/],
      ['of no type', (g, x) => g.node('', [x]), /the type of a node cannot be empty/],
      ['that names a place before all', () => '#-1', /the result must be the name/],
      ['with a text for a constant', g => g.constant('1' as never), /constant\(\) takes a tensor or a number/],
      [
        'that is another at other sizes',
        (g, x, size) => g.node('LeakyRelu', [x], { alpha: { f: 1 / size } }),
        /does other things for a batch of 1; give the batch size/,
      ],
    ];
    test.each(forms)('and a form %s', (_, form, message) => {
      class Bad extends autograd.Function {
        size = 0;
        override forward(x: Tensor): Tensor {
          this.size = x.shape[0] as number;
          return x.exp();
        }
        override backward(g: Tensor): Tensor {
          return g;
        }
        override onnx(graph: autograd.OnnxGraph, x: string): string {
          return form(graph, x, this.size) as string;
        }
      }
      const net = netOf(x => new Bad().apply(x as Tensor));
      expect(thrown(() => net.toOnnx({ inputShape: [-1, 3] })).message).toMatch(message);
    });
  });

  test('a forward that records by itself', async () => {
    class Recording extends nn.Block {
      readonly w = new nn.Parameter({ shape: [3], init: 'uniform' });
      override forward(x: Tensor): Tensor {
        return autograd.record(() => x.mul(this.w.data()).add(this.w.data().detach()) as Tensor);
      }
    }
    const net = new Recording() as unknown as nn.Block;
    net.initialize();
    const x = input(2, 3);
    expect(await disagreement(net.toOnnx({ inputShape: [-1, 3] }), [x], [net(x) as Tensor], tolerance)).toBe(null);
  });

  test('what nobody reads is left out, also what a file could not say', () => {
    const net = netOf(x => {
      x?.add(random.normal([3]));
      return x?.relu();
    });
    expect(operatorsOf(net.toOnnx({ inputShape: [-1, 3] }))).toEqual(['Relu']);
  });

  test('constants are worked out, and kept once', () => {
    const net = netOf(x =>
      x
        ?.add(tensor([1, 2]).mul(3))
        .mul(2)
        .add(2)
        .mul(2),
    );
    const { node } = graphOf(net.toOnnx({ inputShape: [-1, 2] }));
    expect(node.map(one => one.opType)).toEqual(['Constant', 'Add', 'Constant', 'Mul', 'Add', 'Mul']);
  });

  test('it is the net as it predicts: no dropout, statistics that have run', async () => {
    const net = new nn.Sequential(new nn.Dense(4), new nn.BatchNorm(), new nn.Dropout(0.5)) as unknown as nn.Block;
    net.initialize();
    for (let i = 0; i < 3; i++) autograd.record(() => net(input(6, 3)));
    const model = autograd.record(() => net.toOnnx({ inputShape: [-1, 3] }));
    expect(operatorsOf(model)).toEqual(['Gemm', 'BatchNormalization']);
    const x = input(4, 3);
    expect(await disagreement(model, [x], [net.predictSync(x)], tolerance)).toBe(null);
  });

  test('states and lengths of a recurrent layer', async () => {
    for (const Layer of [nn.LSTM, nn.GRU, nn.RNN]) {
      const layer = new Layer(4, { numLayers: 2, bidirectional: true });
      class Net extends nn.Block {
        readonly layer = layer;
        override forward(x: Tensor, h: Tensor, lengths: Tensor): unknown {
          return layer(x, Layer === nn.LSTM ? [h, h.mul(2)] : [h], lengths);
        }
      }
      const net = new Net() as unknown as nn.Block;
      net.initialize();
      const inputs = [input(5, 3, 2), input(4, 3, 4), tensor(Int32Array.of(5, 1, 3)) as Tensor];
      net(...inputs);
      const model = net.toOnnx({ inputShape: inputs.map(x => x.shape), dtype: inputs.map(x => x.dtype) });
      expect(operatorsOf(model)).toContain(Layer.name);
      expect(await disagreement(model, inputs, flat(net(...inputs)), tolerance)).toBe(null);
    }
  });

  test('a recurrent layer along an open first axis, its steps', async () => {
    const net = new nn.LSTM(3, { bidirectional: true }) as unknown as nn.Block;
    net.initialize();
    const model = net.toOnnx({ inputShape: [-1, 2, 5] });
    for (const steps of [4, 1, 9]) {
      const x = input(steps, 2, 5);
      expect(await disagreement(model, [x], [net.predictSync(x)], tolerance)).toBe(null);
    }
  });

  test('windows that reach beyond the padding count what they do here', async () => {
    for (const countIncludePad of [true, false]) {
      const net = new nn.AvgPool2D({ poolSize: 3, strides: 2, padding: 1, ceilMode: true, countIncludePad });
      const x = input(2, 3, 6, 8);
      const model = net.toOnnx({ inputShape: [-1, 3, 6, 8] });
      expect(await disagreement(model, [x], [net(x) as Tensor], tolerance)).toBe(null);
    }
  });

  test('a transposed convolution with more at the end than at the beginning, without padding', async () => {
    const net = new nn.Conv2DTranspose(3, { kernelSize: 3, strides: 3, outputPadding: [2, 1] }) as unknown as nn.Block;
    net.initialize();
    const x = input(2, 4, 3, 5);
    const y = net(x) as Tensor;
    expect(y.shape).toEqual([2, 3, 11, 16]);
    expect(await disagreement(net.toOnnx({ inputShape: [-1, 4, 3, 5] }), [x], [y], tolerance)).toBe(null);
  });

  test('bounds that are infinite let infinities through', async () => {
    const net = netOf(x => [x?.clip(-Infinity, 1), x?.clip(-1, Infinity)]);
    for (const dtype of ['float32', 'float64'] as const) {
      const x = tensor([-Infinity, -3, 0, 3, Infinity], { dtype }) as Tensor;
      const model = net.toOnnx({ inputShape: [-1], dtype });
      expect(await disagreement(model, [x], flat(net(x)), tolerance)).toBe(null);
    }
  });

  test('shapes with a size of 0', async () => {
    const net = netOf(x => x?.slice([0, 0]).reshape([3, 0, 2]));
    const x = input(4, 6);
    expect(await disagreement(net.toOnnx({ inputShape: [4, 6] }), [x], [net(x) as Tensor], tolerance)).toBe(null);
  });

  test('integers wrap around as they do here', async () => {
    const net = netOf(x => [x?.add(300), x?.mul(-1), x?.sub(2)]);
    const x = tensor(Uint8Array.of(0, 1, 250, 255), { dtype: 'uint8' }) as Tensor;
    expect(await disagreement(net.toOnnx({ inputShape: [4], dtype: 'uint8' }), [x], flat(net(x)), tolerance)).toBe(
      null,
    );
  });

  test('a chain of thousands of operations, of constants and of what is computed', async () => {
    const net = netOf(x => {
      let [y, c] = [x as Tensor, ones([2]) as Tensor];
      for (let i = 0; i < 4000; i++) [y, c] = [y.add(0.001).mul(0.999) as Tensor, c.add(0.001).mul(0.999) as Tensor];
      return y.add(c);
    });
    const x = input(3, 2);
    expect(
      difference(flat(io.onnx.fromBytes(net.toOnnx({ inputShape: [-1, 2] }))(x)), [net(x) as Tensor], tolerance),
    ).toBe(null);
  });

  test('floats that become bytes are held to their range', async () => {
    const net = netOf(x => x?.cast('uint8'));
    const x = tensor([-3.7, 0.9, 254.5, 300, 7]) as Tensor;
    expect(await disagreement(net.toOnnx({ inputShape: [5] }), [x], [net(x) as Tensor], tolerance)).toBe(null);
  });

  test('a fixed batch size writes what an open one cannot', async () => {
    const net = netOf(x => x?.add(tensor(Array.from({ length: x.shape[0] as number }, (_, i) => i * i))));
    expect(thrown(() => net.toOnnx({ inputShape: [-1] })).message).toMatch(
      /takes a constant whose size is open; give the batch size in inputShape/,
    );
    const x = input(4);
    expect(await disagreement(net.toOnnx({ inputShape: [4] }), [x], [net(x) as Tensor], tolerance)).toBe(null);
  });

  test('a parameter that no training changes stays one', () => {
    const net = new nn.Sequential(new nn.Dense(4), new nn.BatchNorm()) as unknown as nn.Block;
    net.initialize();
    net.cast('float64');
    net.collectParams().get('0.weight').gradReq = 'null';
    const back = io.onnx.fromBytes(net.toOnnx({ inputShape: [-1, 3], dtype: 'float64' }));
    const frozen = (of: nn.BlockBase) =>
      [...of.collectParams()].flatMap(([path, p]) => (p.gradReq === 'null' ? [path] : [])).sort();
    expect(frozen(back)).toEqual(frozen(net));
    expect(frozen(net)).toEqual(['0.weight', '1.runningMean', '1.runningVar']);
  });

  test('an imported net trains, and gives its values back to the one that was written', () => {
    const net = mlp();
    const back = io.onnx.fromBytes(net.toOnnx({ inputShape: [-1, 5] }));
    const x = input(4, 5);
    autograd.record(() => back(x).square().sum()).backward();
    expect(back.collectParams().get('0.weight').grad().abs().sum().item()).toBeGreaterThan(0);
    back
      .collectParams()
      .get('1.bias')
      .setData(tensor([1, 2, 3]));
    net.fromBytes(back.toBytes());
    expect((net(x) as Tensor).toArray()).toEqual((back(x) as Tensor).toArray());
    back.hybridize();
    expect(difference([back(x) as Tensor], [net(x) as Tensor], tolerance)).toBe(null);
  });
});

describe('what cannot be written', () => {
  const nobody = defineOp<object>({
    name: 'nobody',
    infer: ([x]) => ({ shape: (x as Tensor).shape, dtype: (x as Tensor).dtype }),
    run: ([x]) => x as Tensor,
    gradient: g => [g],
    saves: {},
  });
  const cases: readonly [string, (x: Tensor) => unknown, RegExp][] = [
    [
      'random numbers',
      x => x.add(random.normal([3])),
      /Function_ draws random numbers, which a file would draw otherwise/,
    ],
    [
      'values that are read',
      x => (x.sum().item() > 0 ? x : x.neg()),
      /export: a tensor's value was read while tracing, in Function_/,
    ],
    [
      'gradients',
      x => {
        const y = x.clone();
        y.attachGrad();
        autograd.record(() => y.square().sum()).backward();
        return y.grad;
      },
      /Function_/,
    ],
    [
      'noise of another size for each batch',
      x => x.matmul(random.normal([3, x.shape[0] as number])),
      /draws random numbers/,
    ],
    [
      'a size that grows with the square of the batch',
      x =>
        x
          .sum({ axis: 1 })
          .expandDims(0)
          .tile([x.shape[0] as number, 1])
          .reshape([-1]),
      /does other things for a batch of 1; give the batch size/,
    ],
    [
      'other things at other sizes',
      x => ((x.shape[0] as number) > 5 ? x.exp() : x.sin()),
      /does other things at other sizes; give the batch size/,
    ],
    [
      'a slice that is spread',
      x => {
        const spread = definedOps().get('sliceGradient') as Op<unknown>;
        return apply(spread, [x], { shape: [x.shape[0], 6], starts: [0, 0], steps: [1, 2], value: 0 });
      },
      /Function_.*spreads a slice, which ONNX has no operator for/,
    ],
    [
      'windows over all there is',
      x =>
        maxPool(x, {
          size: [1, 1],
          strides: [1, 1],
          padding: [0, 0],
          count: [x.shape[0] as number, 3],
          countsOutside: true,
        }),
      /has maxPool work on 2 dimensions/,
    ],
    [
      'weights of a recurrent layer that depend on its input',
      x => {
        const weight = x
          .sum({ axis: 0 })
          .slice([0, 2])
          .add(zeros([2, 1])) as Tensor;
        return recurrent('rnnTanh', ones([2, 3, 2]), weight, null, [ones([3, 2])], false, null).y.add(
          x.sum(),
        ) as Tensor;
      },
      /computes the weights of rnn\w* from its input/,
    ],
    [
      'states after the ends of sequences',
      x => {
        const rnn = definedOps().get('rnnTanh') as Op<unknown>;
        const lengths = tensor([1, 2, 1], { dtype: 'int32' });
        const steps = x.sum().add(ones([2, 3, 3])) as Tensor;
        return apply(rnn, [steps, ones([3, 3]), ones([3, 3]), lengths], { backwards: false, lengths: true });
      },
      /reads states of a recurrent layer that lie after the ends of sequences/,
    ],
    ['an operation of nobody', x => apply(nobody, [x], {}), /Function_ uses 'nobody', which ONNX has no operator for/],
  ];
  test.each(cases)('%s', (_name, forward, message) => {
    const error = thrown(() => netOf(x => forward(x as Tensor)).toOnnx({ inputShape: [-1, 3] }));
    expect(error.message).toMatch(message);
    expect(error).toBeInstanceOf(BlockError);
  });

  test('an input that nothing reads', () => {
    const error = thrown(() =>
      mlp().toOnnx({
        inputShape: [
          [-1, 5],
          [-1, 5],
        ],
      }),
    );
    expect(error).toBeInstanceOf(BlockError);
    expect(error.message).toMatch(/does nothing with its input 'input1'; leave it out of inputShape/);
  });

  test('the layer that does it is named', () => {
    const body = netOf(x => x?.add(random.normal([1])));
    const net = new nn.Sequential(new nn.Dense(2), body as never) as unknown as nn.Block;
    net.initialize();
    expect(thrown(() => net.toOnnx({ inputShape: [-1, 3] })).message).toMatch(
      /Sequential.export: Function_ '1' in Sequential draws random numbers/,
    );
  });

  test('a write to a tensor', () => {
    const buffer = zeros([1]);
    const net = netOf(x => {
      buffer.copyFrom(x?.mean().reshape([1]) as Tensor);
      return x;
    });
    expect(thrown(() => net.toOnnx({ inputShape: [-1, 3] })).message).toMatch(
      /writes to a tensor that outlives the call/,
    );
  });
});

describe('what is asked for', () => {
  test.each([
    [{}, ArgumentError, /export takes { inputShape }/],
    [{ inputShape: [2, -1] }, ShapeError, /only the first size, the batch's, may be -1/],
    [{ inputShape: [-1, 5], shape: 1 }, ArgumentError, /shape/],
    [{ inputShape: [-1, 5], dtype: 'float16' }, DTypeError, /float16/],
    [{ inputShape: [-1, 5], inputNames: ['a', 'b'] }, ArgumentError, /inputNames takes a list of one name/],
    [{ inputShape: [-1, 5], outputNames: [''] }, ArgumentError, /a name cannot be empty/],
    [
      { inputShape: [-1, 5], inputNames: ['x'], outputNames: ['x'] },
      ArgumentError,
      /two inputs or results are called 'x'/,
    ],
    [{ inputShape: [-1, 6] }, ShapeError, /takes 5 input units/],
    [{ inputShape: [-1, 5], dtype: 'float64' }, DTypeError, /float32, but its input is float64/],
  ])('%j', (options, type, message) => {
    const net = mlp();
    net(zeros([2, 5]));
    const error = thrown(() => net.toOnnx(options as never));
    expect(error).toBeInstanceOf(type);
    expect(error.message).toMatch(message);
  });

  test('a net that was never initialized', () => {
    expect(() => new nn.Dense(2).toOnnx({ inputShape: [-1, 3] })).toThrow(ParameterNotInitializedError);
  });

  test('a net whose forward runs', () => {
    const net: nn.Block = netOf(x => {
      net.toOnnx({ inputShape: [-1, 3] });
      return x;
    });
    expect(() => net(zeros([2, 3]))).toThrow(/export was called from inside the forward/);
  });

  test('more than a file can hold is refused before its elements are read', () => {
    const huge = ones([1]).broadcastTo([2 ** 30]) as Tensor;
    const error = thrown(() => modelBytes({}, {}, [{ name: 'huge', tensor: huge }]));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toMatch(/takes 4294967296 bytes as an ONNX file, which holds at most 2147483647/);
  });
});

describe('the file', () => {
  test('is what toOnnx gives, with the values of when it was asked for', async () => {
    await inFolderAsync(async folder => {
      const net = mlp();
      net(zeros([2, 5]));
      const path = join(folder, 'net.onnx');
      const options = { inputShape: [-1, 5] };
      const bytes = net.toOnnx(options);
      const written = net.export(path, options);
      net
        .collectParams()
        .get('0.bias')
        .data()
        .copyFrom(Float32Array.from({ length: 8 }, () => 9));
      expect(existing(folder)).not.toContain('net.onnx');
      await written;
      expect(Buffer.compare(readFileSync(path), Buffer.from(bytes))).toBe(0);
      expect(existing(folder)).toEqual(['net.onnx']);
      const x = input(2, 5);
      const results = await runModel(readFileSync(path), { input: x });
      expect(difference([results.get('output') as Tensor], [io.onnx.load(path)(x) as Tensor], tolerance)).toBe(null);
    });
  });

  test('in a folder that is not there', async () => {
    await inFolderAsync(async folder => {
      const error = await rejected(mlp().export(join(folder, 'missing', 'net.onnx'), { inputShape: [-1, 5] }));
      expect(error).toBeInstanceOf(FileError);
    });
  });

  test('what cannot be written rejects, and leaves the old file', async () => {
    await inFolderAsync(async folder => {
      const path = join(folder, 'net.onnx');
      writeFileSync(path, 'old');
      const net = netOf(x => x?.add(random.normal([3])));
      expect(await rejected(net.export(path, { inputShape: [-1, 3] }))).toBeInstanceOf(BlockError);
      expect(await rejected(net.export(3 as never, { inputShape: [-1, 3] }))).toBeInstanceOf(ArgumentError);
      expect(readFileSync(path, 'utf8')).toBe('old');
    });
  });
});

const existing = (folder: string): string[] => readdirSync(folder);
