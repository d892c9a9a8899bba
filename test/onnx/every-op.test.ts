import * as latent from '../../lib/index.js';
import { autograd, full, loss, nn, type Tensor, tensor } from '../../lib/index.js';
import { exporters } from '../../lib/onnx/operators/index.js';
import { context } from '../../lib/ops/context.js';
import { batchMoments, batchNorm } from '../../lib/ops/norm.js';
import { type AnyOp, definedOps } from '../../lib/ops/op.js';
import type { DType } from '../../lib/tensor/dtype.js';
import { elementFunctions } from '../support/element-functions.js';
import { layers } from '../support/layers.js';
import { values } from '../support/nn-helpers.js';
import { disagreement, flat, netOf } from '../support/onnx-models.js';

const tolerance = { float32: 4e-6, float64: 1e-11 };

/** What an operation is tried on: shapes, the batch in front. */
interface Sample {
  readonly run: (...inputs: Tensor[]) => unknown;
  readonly shapes: readonly (readonly number[])[];
  /** The inputs' types beside float32 and float64, which all are tried with, or those alone. */
  readonly also?: readonly DType[];
  readonly only?: readonly (readonly DType[])[];
  /** From where numbers are: [-2, 2) by default. */
  readonly low?: number;
  readonly high?: number;
  /** An integer's range: from 0 up to this; 7 by default. */
  readonly below?: number;
}

const call = latent as unknown as Record<string, (x: Tensor) => Tensor>;
const one = (run: (x: Tensor) => unknown, more: Partial<Sample> = {}): Sample => ({
  run,
  shapes: [[3, 4, 5]],
  ...more,
});
const two = (run: (a: Tensor, b: Tensor) => unknown, more: Partial<Sample> = {}): Sample => ({
  run: run as Sample['run'],
  shapes: [
    [3, 4, 5],
    [3, 1, 5],
  ],
  ...more,
});
const counts: readonly DType[] = ['int32', 'uint8', 'bool'];
const positive = { low: 0.1, high: 3 };
const indices = (shape: readonly number[], below: number): Omit<Sample, 'run'> => ({
  shapes: [[3, 4, 5], shape],
  only: [
    ['float32', 'int32'],
    ['float64', 'int32'],
  ],
  below,
});

const losses = {
  softmax: new loss.SoftmaxCrossEntropy(),
  logarithms: new loss.SoftmaxCrossEntropy({ fromLogits: true }),
  binary: new loss.SigmoidBinaryCrossEntropy(),
  probabilities: new loss.SigmoidBinaryCrossEntropy({ fromSigmoid: true }),
  signed: new loss.Logistic(),
};

/** A function of a user, with a form of its own in files. */
class Halved extends autograd.Function {
  dtype: DType = 'float32';
  override forward(x: Tensor): Tensor {
    this.dtype = x.dtype;
    return x.mul(0.5);
  }
  override backward(g: Tensor): Tensor {
    return g.mul(0.5);
  }
  override onnx(graph: autograd.OnnxGraph, x: string): string {
    return graph.node('Div', [x, graph.constant(full([], 2, { dtype: this.dtype }))]);
  }
}

/** Operations as users call them. */
const samples: Readonly<Record<string, Sample>> = {
  ...Object.fromEntries(
    Object.entries(elementFunctions).map(([name, { low, high, integers }]) => [
      name,
      one(x => call[name]!(x), { low, high, also: integers ? ['int32'] : [] }),
    ]),
  ),
  'exp of integers': one(x => x.exp(), { only: counts.map(dtype => [dtype]) }),
  'log1p near 0': one(x => x.mul(1e-6).log1p()),
  'expm1 near 0': one(x => x.mul(1e-6).expm1()),
  'expm1 far out': one(x => x.mul(60).expm1().minimum(1e9)),
  'sigmoid far out': one(x => x.mul(20).sigmoid()),
  'softplus far out': one(x => x.mul(20).softplus()),
  'gelu by tanh': one(x => x.gelu({ approximate: 'tanh' })),
  'a function of a user': one(x => new Halved().apply(x)),
  add: two((a, b) => a.add(b), { also: ['int32', 'bool'] }),
  'add a number': one(x => x.add(2.5)),
  'add types': two((a, b) => a.add(b), {
    only: [
      ['int32', 'float32'],
      ['float32', 'float64'],
      ['bool', 'int32'],
    ],
  }),
  sub: two((a, b) => a.sub(b), { also: ['int32'] }),
  'number minus': one(x => x.neg().add(1).sub(3)),
  mul: two((a, b) => a.mul(b), { also: ['int32'] }),
  div: two((a, b) => a.div(b), { ...positive, also: ['int32'] }),
  'by the batch size': one(x => x.div(x.shape[0] as number).add((x.shape[0] as number) * 2 + 1)),
  pow: two((a, b) => a.pow(b), positive),
  'power of a number': one(x => x.pow(3)),
  maximum: two((a, b) => a.maximum(b), { also: ['int32'] }),
  minimum: two((a, b) => a.minimum(b), { also: ['int32'] }),
  equal: two((a, b) => a.equal(b), { also: counts, below: 2 }),
  notEqual: two((a, b) => a.notEqual(b), { also: counts, below: 2 }),
  less: two((a, b) => a.less(b), { also: counts, below: 3 }),
  lessEqual: two((a, b) => a.lessEqual(b), { also: counts, below: 3 }),
  greater: two((a, b) => a.greater(b), { also: counts, below: 3 }),
  greaterEqual: two((a, b) => a.greaterEqual(b), { also: counts, below: 3 }),
  'compare with a number': one(x => [x.less(0.5), x.equal(1), x.greater(2 ** 40)], { also: ['int32', 'uint8'] }),
  'compare types': two((a, b) => a.less(b), {
    only: [
      ['int32', 'float32'],
      ['uint8', 'int32'],
      ['bool', 'float64'],
    ],
  }),
  logical: two((a, b) => [a.logicalAnd(b), a.logicalOr(b), a.logicalNot()], { also: counts, below: 2 }),
  cast: one(x => (['float32', 'float64', 'int32', 'bool'] as const).map(d => x.cast(d)), { also: counts }),
  'cast to bytes': one(x => x.cast('uint8'), { low: 0, high: 200, also: ['int32', 'bool'] }),
  clone: one(x => x.clone()),
  where: two((a, b) => latent.where(a.greater(0.2), a, b), { also: ['int32', 'uint8'] }),
  'where a number': one(x => latent.where(x.greater(0), x, -3)),
  clip: one(x => [x.clip(-1, 0.5), x.clip(-Infinity, 0), x.clip(0, Infinity)]),
  'clip integers': one(x => x.clip(1, 4), { only: [['int32']] }),
  sum: one(x => [x.sum(), x.sum({ axis: 1 }), x.sum({ axis: [0, 2], keepdims: true })], { also: counts }),
  mean: one(x => [x.mean(), x.mean({ axis: -1 }), x.mean({ axis: 0, keepdims: true })], { also: ['int32'] }),
  prod: one(x => x.prod({ axis: 1 }), { also: ['int32'] }),
  max: one(x => [x.max(), x.max({ axis: 1, keepdims: true })], { also: ['int32', 'bool'] }),
  min: one(x => [x.min(), x.min({ axis: [0, 1] })], { also: ['int32', 'bool'] }),
  'over no axes': one(x => x.sum({ axis: [] }), { also: ['bool'] }),
  argmax: one(x => [x.argmax(), x.argmax({ axis: 1 }), x.argmax({ axis: 0, keepdims: true })], { also: ['int32'] }),
  argmin: one(x => [x.argmin({ keepdims: true }), x.argmin({ axis: -1 })], { also: ['int32'] }),
  'variance and norms': one(x => [
    latent.var(x, { axis: 1 }),
    latent.std(x, { ddof: 1 }),
    latent.norm(x, { axis: -1 }),
  ]),
  softmax: one(x => [x.softmax(), x.softmax({ axis: 1 })], { also: ['int32'] }),
  logSoftmax: one(x => [x.logSoftmax(), x.logSoftmax({ axis: 0 })]),
  logsumexp: one(x => [x.logsumexp(), x.logsumexp({ axis: [1, 2] })]),
  cumsum: one(x => [x.cumsum({ axis: 1 }), x.cumsum()], { also: counts }),
  argsort: one(x => [x.argsort(), x.argsort({ axis: 0, descending: true })], { also: ['int32'], below: 3 }),
  sort: one(x => x.sort({ axis: 1 })),
  topk: one(x => Object.values(x.topk(2, { axis: 1 }))),
  'smallest of the batch': one(x => Object.values(x.topk(1, { axis: 0, largest: false }))),
  reshape: one(x => [x.reshape([x.shape[0] as number, 20]), x.reshape([-1]), x.reshape([4, -1, 5]), x.flatten()]),
  'reshape by halves': one(x => x.reshape([2 * (x.shape[0] as number), 2, 5]).reshape([2, x.shape[0] as number, 2, 5])),
  'dimensions of 1': one(x => [x.expandDims(0), x.expandDims(-1), x.sum({ axis: 1, keepdims: true }).squeeze(1)]),
  transpose: one(x => [x.transpose(), x.swapAxes(0, 1), x.transpose([1, 2, 0])], { also: counts }),
  broadcastTo: one(x => x.expandDims(1).broadcastTo([x.shape[0] as number, 2, 4, 5])),
  'tile and repeat': one(x => [x.tile([2, 1, 2]), x.repeat(2, { axis: 1 }), x.repeat([1, 0, 2, 1], { axis: 1 })]),
  slice: one(
    x => [x.slice(null, 1), x.slice([1, null], [0, 3, 2]), x.slice([0, -1]), x.slice(null, null, [3, 0, -1])],
    {
      also: counts,
    },
  ),
  flip: one(x => [x.flip(), x.flip({ axis: 0 })]),
  'every second from the end of the batch': one(x => x.slice([null, null, -1], [null, null, -2])),
  pad: one(
    x => [
      x.pad(1),
      x.pad(
        [
          [0, 0],
          [1, 0],
          [0, 2],
        ],
        { value: 7 },
      ),
    ],
    { also: ['int32'] },
  ),
  'pad by the edge': one(x =>
    [
      x.pad(
        [
          [0, 0],
          [1, 1],
          [2, 0],
        ],
        { mode: 'reflect' },
      ),
      x.pad([0, 1], { mode: 'edge' }),
    ].slice(0, 1),
  ),
  concat: two((a, b) => [latent.concat([a, b], { axis: 1 }), latent.stack([a, a], { axis: 1 })], { also: ['int32'] }),
  'concat types': two((a, b) => latent.concat([a, b], { axis: 1 }), {
    only: [
      ['int32', 'float32'],
      ['bool', 'float64'],
    ],
  }),
  split: one(x => latent.split(x, 2, { axis: 1 })),
  matmul: {
    run: (a, b) => (a as Tensor).matmul(b as Tensor),
    shapes: [
      [3, 2, 4, 5],
      [5, 6],
    ],
  },
  'products of a batch': {
    run: (a, b) => (a as Tensor).matmul(b as Tensor),
    shapes: [
      [3, 4, 5],
      [3, 5, 2],
    ],
  },
  'outer and dot': {
    run: (a, b) => [(a as Tensor).dot(b as Tensor), (b as Tensor).outer(b as Tensor)],
    shapes: [[3, 4], [4]],
  },
  take: { run: (x, i) => (x as Tensor).take(i as Tensor, { axis: 1 }), ...indices([3, 2], 4) },
  'take from the end': one(x => x.take(tensor(Int32Array.of(-1, 0, -2)) as Tensor, { axis: -1 })),
  gather: { run: (x, i) => (x as Tensor).gather(i as Tensor, { axis: 1 }), ...indices([3, 2, 5], 4) },
  'gather a corner': {
    run: (x, i) => (x as Tensor).gather((i as Tensor).slice(null, null, [0, 2]), { axis: 1 }),
    ...indices([3, 2, 5], 4),
  },
  oneHot: one(x => [latent.oneHot(x.sub(1) as Tensor, 5), latent.oneHot(x, 3, { dtype: 'int32' })], {
    only: [['int32']],
  }),
  eye: one(x => x.matmul(latent.eye(5, { dtype: x.dtype as 'float32' }))),
  ones: one(x => x.add(latent.ones([x.shape[0] as number, 1, 1], { dtype: x.dtype as 'float32' }))),
  positions: one(x => x.add(latent.arange(0, 5).cast(x.dtype as 'float32'))),
  attention: {
    run: (q, k) => nn.scaledDotProductAttention(q as Tensor, k as Tensor, k as Tensor, { causal: true }),
    shapes: [
      [3, 2, 4],
      [3, 3, 4],
    ],
  },
  'attention with a mask': {
    // onnxruntime makes a factor in front of a product a float32, of float64 too: 0.75 stays what it is.
    run: (q, k, seen) => [
      nn.scaledDotProductAttention(q as Tensor, k as Tensor, k as Tensor, { mask: seen as Tensor, scale: 0.75 }),
      nn.scaledDotProductAttention(q as Tensor, k as Tensor, k as Tensor, { mask: seen as Tensor, causal: true }),
      nn.scaledDotProductAttention(q as Tensor, k as Tensor, k as Tensor),
    ],
    shapes: [
      [3, 2, 4],
      [3, 3, 4],
      [3, 2, 3],
    ],
    only: [
      ['float32', 'float32', 'bool'],
      ['float64', 'float64', 'bool'],
    ],
  },
  'softmax cross-entropy': {
    run: (x, labels) => losses.softmax(x as Tensor, labels as Tensor),
    shapes: [[3, 7], [3]],
    only: [
      ['float32', 'int32'],
      ['float64', 'int32'],
    ],
  },
  'cross-entropy of logarithms': {
    run: (x, labels) => losses.logarithms((x as Tensor).logSoftmax(), labels as Tensor),
    shapes: [[3, 7], [3]],
    only: [['float32', 'int32']],
  },
  'binary cross-entropy': {
    run: (x, t) =>
      losses.binary(x as Tensor, (t as Tensor).greater(0).cast((t as Tensor).dtype as 'float32') as Tensor),
    shapes: [
      [3, 7],
      [3, 7],
    ],
  },
  'logistic loss': {
    run: (x, t) =>
      losses.signed(
        x as Tensor,
        (t as Tensor)
          .greater(0)
          .cast((t as Tensor).dtype as 'float32')
          .mul(2)
          .sub(1) as Tensor,
      ),
    shapes: [
      [3, 7],
      [3, 7],
    ],
  },
  'binary cross-entropy of probabilities': {
    run: (x, t) =>
      losses.probabilities(
        (x as Tensor).sigmoid(),
        (t as Tensor).greater(0).cast((t as Tensor).dtype as 'float32') as Tensor,
      ),
    shapes: [
      [3, 7],
      [3, 7],
    ],
  },
  'batch statistics': one(x => {
    const moments = batchMoments(x);
    return batchNorm(x, [moments.slice(0) as Tensor, moments.slice(1) as Tensor], null, null, 1e-5, true);
  }),
};

function inputOf(
  shape: readonly number[],
  dtype: DType,
  { low = -2, high = 2, below = 7 }: Sample,
  salt: number,
): Tensor {
  const numbers = values(
    shape.reduce((a, b) => a * b, 1),
    salt,
  );
  if (dtype === 'float32' || dtype === 'float64')
    return tensor(
      Float64Array.from(numbers, v => low + ((v + 1) / 2) * (high - low)),
      { shape, dtype },
    ) as Tensor;
  const most = dtype === 'bool' ? 2 : below;
  return tensor(
    Int32Array.from(numbers, v => Math.floor(((v + 1) / 2) * most)),
    { shape, dtype },
  ) as Tensor;
}

const cases = Object.entries(samples).flatMap(([name, sample]) => {
  const plain =
    sample.only ?? [...(['float32', 'float64'] as const), ...(sample.also ?? [])].map(d => sample.shapes.map(() => d));
  return plain.map(types => [name, types.join(', '), sample, types] as const);
});

test.each(cases)('%s of %s', async (_name, _types, sample, types) => {
  const net = netOf(sample.run, Object.values(losses));
  const free = sample.shapes.map(shape => (shape[0] === 3 ? [-1, ...shape.slice(1)] : shape));
  const model = net.toOnnx({ inputShape: free, dtype: [...types] });
  for (const batch of [3, 1, 5]) {
    const inputs = sample.shapes.map((shape, i) =>
      inputOf(shape[0] === 3 ? [batch, ...shape.slice(1)] : shape, types[i] as DType, sample, i + batch),
    );
    expect(await disagreement(model, inputs, flat(net(...inputs)), tolerance)).toBe(null);
  }
});

/** The operations that run in a body. */
function opsOf(body: () => unknown): string[] {
  const names: string[] = [];
  const { tape } = context;
  context.tape = { record: (op: AnyOp) => void names.push(op.name), beforeWrite: () => undefined };
  try {
    body();
  } finally {
    context.tape = tape;
  }
  return names;
}

/** What only gradients run: no forward that can be written has them. */
const ofGradients = [
  'avgPoolGradient',
  'convWeights',
  'crossEntropyGradient',
  'gatherGradient',
  'logSoftmaxGradient',
  'maxPoolGradient',
  'maxPoolPick',
  'softmaxGradient',
  'takeGradient',
];

/** Operations that only plans run: files are written from graphs without them. */
const ofPlans = [
  'convBlocked',
  'depthwiseBlocked',
  'fromBlocked',
  'meanBlocked',
  'packBlocked',
  'packWinograd',
  'poolBlocked',
  'scaleBlocked',
  'toBlocked',
  'winogradBlocked',
];

test('every operation can be written but for those of gradients and of plans, and every one that can is tried', () => {
  const all = [...definedOps().keys()];
  expect(all.filter(name => !exporters.has(name)).sort()).toEqual([...ofGradients, ...ofPlans].sort());
  const tried = new Set(
    cases.flatMap(([, , sample, types]) =>
      opsOf(() => sample.run(...sample.shapes.map((shape, i) => inputOf(shape, types[i] as DType, sample, i)))),
    ),
  );
  // Layers have a test of their own.
  const ofLayers = [
    'dense',
    'conv',
    'convData',
    'rowNorm',
    'groupNorm',
    'avgPool',
    'maxPool',
    'lstm',
    'gru',
    'rnnTanh',
    'rnnRelu',
    // Only where gradients are not recorded, which is how the samples' operations are listed.
    'attention',
    // Only while a forward is traced.
    'ownForm',
    // Only where gradients are recorded: test/onnx/export.test.ts.
    'detach',
  ];
  expect(Object.keys(layers).length).toBeGreaterThan(40);
  expect([...exporters.keys()].filter(name => !tried.has(name) && !ofLayers.includes(name))).toEqual([]);
});
