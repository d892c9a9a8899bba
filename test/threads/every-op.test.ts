import * as latent from '../../lib/index.js';
import { autograd, random, type Tensor } from '../../lib/index.js';
import { convBlocked, packBlocked, packWinograd } from '../../lib/ops/blocked/conv.js';
import { meanBlocked, poolBlocked, scaleBlocked } from '../../lib/ops/blocked/pool.js';
import { blockedShape, fromBlocked, toBlocked } from '../../lib/ops/blocked/value.js';
import { definedOps } from '../../lib/ops/op.js';
import { elementFunctions } from '../support/element-functions.js';
import { digests, expectSameBits } from '../support/same-bits.js';

/** A call on operands of these shapes, and from where to where their elements lie. */
type Sample = readonly [
  call: (...inputs: Tensor[]) => unknown,
  shapes: readonly (readonly number[])[],
  range?: readonly [number, number],
];

const api = latent as unknown as Record<string, (...args: unknown[]) => Tensor>;
const LARGE = [600, 700];
const unary = Object.fromEntries(
  Object.entries(elementFunctions).map(([name, { low, high }]) => [
    name,
    [[x => api[name]!(x), [LARGE], [low, high]]] as Sample[],
  ]),
);
const binary = (names: string): Record<string, Sample[]> =>
  Object.fromEntries(
    names.split(' ').map(name => [
      name,
      [
        [
          [600, 700],
          [600, 700],
        ],
        [[600, 700], [700]],
        [
          [600, 700],
          [600, 1],
        ],
        [
          [30, 40, 50],
          [40, 1],
        ],
      ].map((shapes): Sample => [(a, b) => api[name]!(a, b), shapes, [0.5, 2]]),
    ]),
  );
const reduction = (name: string, more: Sample[] = []): Sample[] => [
  ...[undefined, 0, 1].map((axis): Sample => [x => api[name]!(x, { axis }), [[900, 801]]]),
  [x => api[name]!(x, { axis: 0 }), [[200_000, 3]]],
  [x => api[name]!(x, { axis: [0, 2] }), [[40, 60, 300]]],
  [x => api[name]!(x, { axis: 1 }), [[40, 300, 60]]],
  ...more,
];
const whole = (count: number, below: number): Tensor => random.randint(0, below, [count]) as Tensor;
const layer = (make: () => latent.nn.Block, shape: readonly number[]): Sample => [
  x => {
    random.seed(3);
    const block = make();
    block.initialize();
    const call = block as unknown as (x: Tensor) => Tensor;
    call(x);
    const y = autograd.trainMode(() => call(x));
    for (const parameter of block.collectParams().values()) if (parameter.gradReq !== 'null') gradients.add(parameter);
    return y;
  },
  [shape],
];
/** Parameters of the layers that a sample made. */
const gradients = new Set<latent.nn.Parameter>();

const { nn, loss } = latent;
const places = (batch: number, count: number) => new Array(3).fill([batch, count, 64]) as number[][];
/** A convolution in blocks of x by w, of this stride, with as much padding as keeps the size at a stride of 1. */
function blockedConv(x: Tensor, w: Tensor, stride: number, by: 'taps' | 'channels' | 2 | 4 = 'taps'): Tensor {
  const [images, channels, rows, columns] = x.shape as unknown as [number, number, number, number];
  const size = w.shape[2] as number;
  const before = (size - 1) / 2;
  const shape = [images, w.shape[0] as number, Math.ceil(rows / stride), Math.ceil(columns / stride)];
  const pair = (n: number): [number, number] => [n, n];
  return convBlocked(
    channels < 16 ? x : toBlocked(x, before),
    w,
    null,
    {
      strides: pair(stride),
      padding: pair(before),
      dilation: [1, 1],
      taps: pair(size),
      activation: 'silu',
      by,
    },
    blockedShape(shape, before),
    before,
  );
}
const windows = { size: [3, 3], strides: [2, 2], padding: [1, 1], count: [28, 28], countsOutside: true } as const;
const pooled = (isMean: boolean): Sample => [
  x => poolBlocked(toBlocked(x, 0), windows, isMean, blockedShape([4, 40, 28, 28], 1), 1),
  [[4, 40, 56, 56]],
];

/** By operation: sizes at which its work, or that of its gradient, is shared out in each way that it has. */
const samples: Record<string, readonly Sample[]> = {
  ...unary,
  toBlocked: [[x => toBlocked(x, 1).tensor, [[4, 40, 56, 56]]]],
  fromBlocked: [[x => fromBlocked(toBlocked(x, 1)), [[4, 40, 56, 56]]]],
  packBlocked: [[packBlocked, [[200, 256, 3, 3]]]],
  packWinograd: [[w => packWinograd(w, 4), [[200, 256, 3, 3]]]],
  winogradBlocked: [
    [
      (x, w) => blockedConv(x, w, 1, 2),
      [
        [3, 64, 56, 56],
        [64, 64, 3, 3],
      ],
    ],
    [
      (x, w) => blockedConv(x, w, 1, 4),
      [
        [1, 256, 13, 15],
        [200, 256, 3, 3],
      ],
    ],
  ],
  convBlocked: [
    [
      (x, w) => blockedConv(x, w, 1),
      [
        [4, 64, 56, 56],
        [64, 64, 3, 3],
      ],
    ],
    [
      (x, w) => blockedConv(x, w, 1),
      [
        [2, 256, 28, 28],
        [200, 256, 1, 1],
      ],
    ],
    [
      (x, w) => blockedConv(x, w, 1),
      [
        [3, 512, 7, 7],
        [512, 512, 3, 3],
      ],
    ],
    [
      (x, w) => blockedConv(x, w, 2),
      [
        [2, 3, 224, 224],
        [64, 3, 7, 7],
      ],
    ],
  ],
  depthwiseBlocked: [
    [
      (x, w) => blockedConv(x, w, 1, 'channels'),
      [
        [1, 40, 56, 56],
        [40, 1, 3, 3],
      ],
    ],
    [
      (x, w) => blockedConv(x, w, 2, 'channels'),
      [
        [4, 240, 28, 28],
        [240, 1, 5, 5],
      ],
    ],
  ],
  poolBlocked: [pooled(false), pooled(true)],
  meanBlocked: [[x => meanBlocked(toBlocked(x, 1)), [[4, 200, 28, 28]]]],
  scaleBlocked: [
    [
      (x, factors) => scaleBlocked(toBlocked(x, 1), factors),
      [
        [4, 200, 28, 28],
        [4, 200, 1, 1],
      ],
    ],
  ],
  ...binary('add sub mul div pow maximum minimum'),
  ...binary('equal notEqual less lessEqual greater greaterEqual'),
  geluTanh: [[x => latent.gelu(x, { approximate: 'tanh' }), [LARGE]]],
  cast: [[x => x.cast('float64').cast('int32').cast('float32'), [LARGE]]],
  clone: [[x => x.clone(), [LARGE]]],
  where: [[(a, b) => latent.where(latent.greater(a, b), a, b), [LARGE, LARGE]]],
  clip: [[x => x.clip(-0.5, 0.5), [LARGE]]],
  reshape: [[x => x.transpose().reshape([-1]), [LARGE]]],
  transpose: [[x => latent.transpose(x, [2, 0, 1]).clone(), [[60, 70, 80]]]],
  broadcastTo: [[x => x.broadcastTo([600, 700]).clone(), [[700]]]],
  slice: [[x => x.slice([10, 590], [null, null, 3]).clone(), [LARGE]]],
  sum: reduction('sum', [[x => latent.sum(x), [[1_500_000]]]]),
  mean: reduction('mean'),
  prod: reduction('prod'),
  max: reduction('max'),
  min: reduction('min'),
  squares: [...reduction('norm'), ...reduction('std')],
  argmax: [[x => latent.argmax(x, { axis: 1 }), [[900, 801]]]],
  argmin: [[x => latent.argmin(x, { axis: 0 }), [[900, 801]]]],
  logsumexp: [[x => latent.logsumexp(x, { axis: 1 }), [[900, 801]]]],
  softmax: [
    [x => latent.softmax(x), [[900, 801]]],
    [x => latent.softmax(x), [[40_000, 10]]],
  ],
  logSoftmax: [
    [x => latent.logSoftmax(x), [[900, 801]]],
    [x => latent.logSoftmax(x, { axis: 0 }), [[900, 801]]],
  ],
  cumsum: [0, 1].map((axis): Sample => [x => latent.cumsum(x, { axis }), [[900, 801]]]),
  argsort: [[x => latent.sort(x, { axis: 1 }), [[300, 801]]]],
  concat: [[(a, b) => latent.concat([a, b], { axis: 1 }), [LARGE, LARGE]]],
  take: [
    [x => latent.take(x, whole(3000, 5000)), [[5000, 200]]],
    [x => latent.take(x, whole(2000, 2)), [[2, 600]]],
    [x => latent.take(x, whole(400, 300), { axis: 1 }), [[700, 300]]],
  ],
  gather: [[x => latent.gather(x, whole(600 * 300, 700).reshape([600, 300]) as Tensor, { axis: 1 }), [LARGE]]],
  oneHot: [[x => latent.oneHot(x.abs().mul(9).cast('int32') as Tensor, 40), [[30_000]]]],
  matmul: [
    [
      (a, b) => latent.matmul(a, b),
      [
        [197, 768],
        [768, 300],
      ],
    ],
    [
      (a, b) => latent.matmul(a, b),
      [
        [2, 3000],
        [3000, 900],
      ],
    ],
    [
      (a, b) => latent.matmul(a, b),
      [
        [3000, 200],
        [200, 5],
      ],
    ],
    [
      (a, b) => latent.matmul(a, b),
      [
        [24, 60, 40],
        [24, 40, 70],
      ],
    ],
    [
      (a, b) => latent.matmul(a, b),
      [
        [9, 120_000],
        [120_000, 33],
      ],
    ],
    [
      (a, b) => latent.matmul(a, b.transpose()),
      [
        [500, 700],
        [300, 700],
      ],
    ],
  ],
  dense: [1, 2, 128, 130, 1024].flatMap((batch): Sample[] =>
    (['relu', 'tanh', 'gelu', undefined] as const).map(activation =>
      layer(() => new nn.Dense(256, { activation }), [batch, batch < 3 ? 4000 : 784]),
    ),
  ),
  attention: [
    // One operation where no gradient is taken, else composed of others.
    [(q, k, v) => autograd.pause(() => nn.scaledDotProductAttention(q, k, v)), places(4, 197)],
    [(q, k, v) => nn.scaledDotProductAttention(q, k, v), places(4, 197)],
    [(q, k, v) => autograd.pause(() => nn.scaledDotProductAttention(q, k, v, { causal: true })), places(1, 1500)],
    [(q, k, v) => nn.scaledDotProductAttention(q, k, v, { causal: true }), places(1, 1500)],
  ],
  rowNorm: [layer(() => new nn.LayerNorm(), [500, 768]), layer(() => new nn.RMSNorm(), [30_000, 12])],
  groupNorm: [
    layer(() => new nn.GroupNorm({ numGroups: 8 }), [6, 64, 28, 28]),
    layer(() => new nn.InstanceNorm(), [6, 64, 28, 28]),
  ],
  batchNorm: [layer(() => new nn.BatchNorm(), [16, 64, 28, 28]), layer(() => new nn.BatchNorm(), [4000, 100])],
  avgPool: [layer(() => new nn.AvgPool2D({ poolSize: 3, strides: 2, padding: 1 }), [8, 32, 56, 56])],
  maxPool: [
    layer(() => new nn.MaxPool2D({ poolSize: 3, strides: 2, padding: 1 }), [8, 32, 56, 56]),
    layer(() => new nn.MaxPool2D({ poolSize: 2 }), [8, 32, 56, 56]),
  ],
  conv: [
    layer(() => new nn.Conv2D(64, { kernelSize: 3, padding: 1, activation: 'relu' }), [4, 64, 28, 28]),
    layer(() => new nn.Conv2D(64, { kernelSize: 7, strides: 2, padding: 3 }), [1, 3, 112, 112]),
    layer(() => new nn.Conv2D(128, { kernelSize: 1 }), [4, 64, 28, 28]),
    layer(() => new nn.Conv2D(64, { kernelSize: 5, padding: 2, groups: 64 }), [4, 64, 28, 28]),
    layer(() => new nn.Conv2D(768, { kernelSize: 16, strides: 16 }), [1, 3, 112, 112]),
    layer(() => new nn.Conv2DTranspose(32, { kernelSize: 4, strides: 2, padding: 1 }), [4, 64, 16, 16]),
    layer(() => new nn.Conv1D(64, { kernelSize: 3, padding: 1 }), [1, 40, 3000]),
    layer(() => new nn.Conv2D(6, { kernelSize: 5 }), [256, 1, 28, 28]),
  ],
  lstm: [layer(() => new nn.LSTM(256), [6, 32, 200])],
  gru: [layer(() => new nn.GRU(256), [6, 32, 200])],
  rnnTanh: [layer(() => new nn.RNN(256), [6, 32, 200])],
  rnnRelu: [layer(() => new nn.RNN(256, { activation: 'relu' }), [6, 32, 200])],
  crossEntropy: [
    [x => new loss.SoftmaxCrossEntropy()(x, whole(60, 30_522)), [[60, 30_522]]],
    [x => new loss.SoftmaxCrossEntropy()(x, whole(60_000, 10)), [[60_000, 10]]],
  ],
  sigmoidCrossEntropy: [[x => new loss.SigmoidBinaryCrossEntropy()(x, x.detach().clip(0, 1)), [LARGE]]],
  labelProduct: [[x => new loss.Hinge()(x, latent.where(latent.greater(x.detach(), 0), 1, -1)), [LARGE]]],
  inRange: [[x => new loss.PoissonNLL({ fromLogits: false })(x, x.detach()), [LARGE], [0.5, 2]]],
};

/** What only makes another window of the same elements, or is the gradient of an operation that has samples. */
const elsewhere =
  'detach sliceGradient takeGradient gatherGradient softmaxGradient logSoftmaxGradient batchMoments avgPoolGradient maxPoolGradient maxPoolPick convData convWeights crossEntropyGradient ownForm';

test('every operation has samples', () => {
  const missing = [...definedOps().keys()].filter(
    name => !Object.hasOwn(samples, name) && !elsewhere.split(' ').includes(name),
  );
  expect(missing).toEqual([]);
  expect(Object.keys(samples).filter(name => !definedOps().has(name))).toEqual([]);
});

function drawn(shape: readonly number[], [low, high]: readonly [number, number]): Tensor {
  return random.uniform([...shape], { low, high } as never) as Tensor;
}

test.each(Object.entries(samples))('%s gives the same bits with any number of threads', (name, list) => {
  const op = definedOps().get(name) as { run: (...args: never[]) => unknown };
  const run = jest.spyOn(op, 'run');
  try {
    for (const [call, shapes, range = [-2, 2] as const] of list) {
      expectSameBits(() => {
        random.seed(1);
        gradients.clear();
        const inputs = shapes.map(shape => drawn(shape, range).attachGrad() as Tensor);
        const y = autograd.record(() => call(...inputs)) as Tensor;
        if (!y.dtype.startsWith('float')) return digests([y]);
        const first = digests([y]);
        try {
          y.backward(drawn(y.shape, [-1, 1]));
        } catch (error) {
          if ((error as { code?: string }).code !== 'ERR_LATENT_AUTOGRAD') throw error;
          return first;
        }
        return [...first, ...digests(inputs.map(x => x.grad)), ...digests([...gradients].map(p => p.grad()))];
      });
    }
    expect(run).toHaveBeenCalled();
  } finally {
    run.mockRestore();
  }
});

test.each(['uniform', 'normal', 'bernoulli', 'randint', 'permutation'])(
  'random.%s gives the same bits with any number of threads',
  name => {
    const draw: Record<string, () => Tensor> = {
      uniform: () => random.uniform([300, 1001]),
      normal: () => random.normal([300, 1001]),
      bernoulli: () => random.bernoulli([300, 1001], { p: 0.3 }) as Tensor,
      randint: () => random.randint(0, 1000, [300, 1001]),
      permutation: () => random.permutation(200_000),
    };
    expectSameBits(() => {
      random.seed(5);
      return digests([draw[name]!()]);
    });
  },
);
