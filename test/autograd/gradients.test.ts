import * as latent from '../../lib/index.js';
import { autograd, type Tensor, tensor } from '../../lib/index.js';
import { type ConvWindows, conv, convTranspose } from '../../lib/ops/conv.js';
import { crossEntropy } from '../../lib/ops/cross-entropy.js';
import { dense } from '../../lib/ops/dense.js';
import { batchMoments, batchNorm, groupNorm, rowNorm } from '../../lib/ops/norm.js';
import { apply, definedOps } from '../../lib/ops/op.js';
import { avgPool, maxPool, type Windows } from '../../lib/ops/pool.js';
import { gateCount, recurrent } from '../../lib/ops/recurrent.js';
import { expectClose } from '../support/close.js';
import { elementFunctions } from '../support/element-functions.js';
import { gradientOf } from '../support/gradient-of.js';
import { lay, layouts, randomPlain } from '../support/plain.js';
import { makeRandom } from '../support/random.js';

type Call = (...inputs: Tensor[]) => Tensor;
type Pair = readonly [number, number];
const filters = (strides: Pair, padding: Pair, dilation: Pair, groups: number): ConvWindows => ({
  strides,
  padding,
  dilation,
  groups,
});
const windows = (size: Pair, strides: Pair, padding: Pair, count: Pair): Windows => ({
  size,
  strides,
  padding,
  count,
  countsOutside: true,
});

/** A batch's own moments, and others that know nothing of it. */
const momentsOf = (x: Tensor) =>
  batchMoments(x.detach())
    .split(2)
    .map(t => t.flatten()) as unknown as [Tensor, Tensor];
const constants = (x: Tensor): [Tensor, Tensor] => [
  latent.linspace(-1, 1, x.shape[1]!, { dtype: 'float64' }) as Tensor,
  latent.linspace(0.5, 2, x.shape[1]!, { dtype: 'float64' }) as Tensor,
];

/** A function and the shapes of its inputs, each with the range that its elements come from. */
type Sample = readonly [Call, ...(readonly [readonly number[], number, number])[]];

const call = latent as unknown as Record<string, (...args: unknown[]) => Tensor>;
const ints = (data: unknown) => tensor(data as number[], { dtype: 'int32' }) as Tensor;

const unary = Object.fromEntries(
  Object.entries(elementFunctions).map(([name, { smooth }]) => [
    name,
    smooth.map(([low, high]): Sample => [x => call[name]!(x), [[3, 4], low, high]]),
  ]),
);

const rowGradient = (name: string): Sample[] =>
  [2, 0, 1].map(axis => [(g, y) => apply(op(name), [g, y], { axis } as never), [[2, 3, 4], -2, 2], [[2, 3, 4], -1, 1]]);

const shapePairs: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [[3, 4], [4]],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[], [3]],
  [[1], [2, 2]],
];
const binary = (name: string, a: readonly [number, number], b: readonly [number, number]): Sample[] => [
  ...shapePairs.map(([left, right]): Sample => [(x, y) => call[name]!(x, y), [left, ...a], [right, ...b]]),
  [x => call[name]!(x, 1.7), [[2, 3], ...a]],
  [y => call[name]!(1.3, y), [[2, 3], ...b]],
  // The same tensor on both sides adds both gradients up.
  [x => call[name]!(x, x.mul(0.7)), [[2, 3], ...a]],
];

const axes: readonly object[] = [
  {},
  { axis: 0 },
  { axis: -1, keepdims: true },
  { axis: [0, 2] },
  { axis: [1], keepdims: true },
  { axis: [] },
];
const reduction = (name: string): Sample[] => axes.map(options => [x => call[name]!(x, options), [[2, 3, 4], -2, 2]]);

const op = (name: string) => definedOps().get(name) as never;

const samples: Record<string, readonly Sample[]> = {
  ...unary,
  geluTanh: [[x => latent.gelu(x, { approximate: 'tanh' }), [[7], -3, 3]]],
  add: binary('add', [-2, 2], [-2, 2]),
  sub: binary('sub', [-2, 2], [-2, 2]),
  mul: binary('mul', [-2, 2], [-2, 2]),
  div: binary('div', [-2, 2], [0.4, 2]),
  pow: [
    ...binary('pow', [0.4, 2], [-2, 2]),
    [x => x.pow(3) as Tensor, [[2, 3], -2, -0.3]],
    [x => x.pow(0) as Tensor, [[2, 3], -2, 2]],
  ],
  maximum: binary('maximum', [-2, 2], [-2, 2]),
  minimum: binary('minimum', [-2, 2], [-2, 2]),
  where: shapePairs.map(
    ([left, right]): Sample => [
      (a, b) => latent.where(tensor([true, false]).reshape([2, 1, 1, 1]), a, b),
      [left, -2, 2],
      [right, -2, 2],
    ],
  ),
  clip: [
    [x => x.clip(-1, 1) as Tensor, [[3, 4], -0.9, 0.9]],
    [x => x.clip(-1, 1) as Tensor, [[3, 4], 1.1, 3]],
    [x => x.clip(-1, Infinity) as Tensor, [[3, 4], -3, -1.1]],
  ],
  inRange: [[x => apply(op('inRange'), [x], { who: 'test', low: 0, high: 1 } as never), [[3, 4], 0.1, 0.9]]],
  labelProduct: [
    [
      (x, z) => apply(op('labelProduct'), [x, z], { who: 'test', low: 0, high: 1 } as never),
      [[3, 4], -2, 2],
      [[3, 4], 0.1, 0.9],
    ],
  ],
  // Through 0 as well, where the formula's parts bend and their sum doesn't.
  sigmoidCrossEntropy: [false, true].map(
    (isSigned): Sample => [
      (x, z) =>
        apply(op('sigmoidCrossEntropy'), [x.mul(x.greater(-0.5).cast('float64')), z], {
          who: 'test',
          low: -1,
          high: 1,
          isSigned,
        } as never),
      [[3, 5], -2, 2],
      [[3, 5], 0.1, 0.9],
    ],
  ),
  cast: [[x => apply(op('cast'), [x], { dtype: 'float64' } as never), [[3], -2, 2]]],
  rowNorm: [
    [(x, g, b) => rowNorm(x, g, b, 0.1, true), [[3, 5], -2, 2], [[5], 0.5, 2], [[5], -1, 1]],
    [(x, g) => rowNorm(x, g, null, 0.1, false), [[2, 3, 4], -2, 2], [[4], 0.5, 2]],
    [(x, b) => rowNorm(x, null, b, 0.1, true), [[3, 1], -2, 2], [[1], -1, 1]],
    [x => rowNorm(x, null, null, 0.1, true), [[7], -2, 2]],
  ],
  groupNorm: [
    [(x, g, b) => groupNorm(x, 2, g, b, 0.1), [[2, 4, 3], -2, 2], [[4], 0.5, 2], [[4], -1, 1]],
    [x => groupNorm(x, 3, null, null, 0.1), [[2, 3, 2, 2], -2, 2]],
    [(x, g) => groupNorm(x, 1, g, null, 0.1), [[3, 2], -2, 2], [[2], 0.5, 2]],
  ],
  batchNorm: [
    [(x, g, b) => batchNorm(x, momentsOf(x), g, b, 0.1, true), [[4, 3, 2], -2, 2], [[3], 0.5, 2], [[3], -1, 1]],
    [(x, g) => batchNorm(x, momentsOf(x), g, null, 0.1, true), [[5, 3], -2, 2], [[3], 0.5, 2]],
    [x => batchNorm(x, momentsOf(x), null, null, 0.1, true), [[3, 1, 2, 2], -2, 2]],
    [(x, g, b) => batchNorm(x, constants(x), g, b, 0.1, false), [[4, 3, 2], -2, 2], [[3], 0.5, 2], [[3], -1, 1]],
    [(x, b) => batchNorm(x, constants(x), null, b, 0.1, false), [[4, 3], -2, 2], [[3], -1, 1]],
  ],
  ...Object.fromEntries(
    (['lstm', 'gru', 'rnnTanh', 'rnnRelu'] as const).map(kind => {
      const gates = gateCount[kind];
      const list = [false, true].map((backwards): Sample => {
        const shapes = [[2, 2, gates * 2], [gates * 2, 2], ...(kind === 'gru' ? [[6]] : []), [2, 2]];
        if (kind === 'lstm') shapes.push([2, 2]);
        const f = (input: Tensor, weight: Tensor, ...rest: Tensor[]) => {
          const bias = kind === 'gru' ? rest[0]! : null;
          const { y, last } = recurrent(kind, input, weight, bias, rest.slice(kind === 'gru' ? 1 : 0), backwards, null);
          return latent.concat([y, latent.stack([...last])]) as Tensor;
        };
        return [f as Call, ...shapes.map(shape => [shape, -2, 2] as const)];
      });
      return [kind, list];
    }),
  ),
  ...Object.fromEntries(
    (['conv', 'convData', 'convWeights'] as const).map(name => {
      const forms: readonly [ConvWindows, readonly number[], readonly number[], readonly number[]][] = [
        [filters([1, 1], [0, 0], [1, 1], 1), [2, 2, 3, 4], [3, 2, 2, 3], [2, 3, 2, 2]],
        [filters([2, 3], [1, 2], [1, 2], 2), [1, 4, 4, 5], [2, 2, 3, 2], [1, 2, 2, 3]],
        [filters([1, 2], [1, 1], [1, 1], 3), [1, 3, 3, 3], [3, 1, 2, 3], [1, 3, 4, 2]],
      ];
      const list = forms.flatMap(([how, x, weight, y]): Sample[] => {
        const size = y.slice(2) as unknown as Pair;
        if (name === 'conv') {
          const bias = [[y[1]!], -2, 2] as const;
          return [
            [(a, w) => conv(a, w, null, how, size), [x, -2, 2], [weight, -2, 2]],
            [(a, w, b) => conv(a, w, b, how, size, 'relu'), [x, -2, 2], [weight, -2, 2], bias],
          ];
        }
        if (name === 'convData') {
          const bias = [[x[1]!], -2, 2] as const;
          const shape = x.slice(2) as unknown as Pair;
          return [
            [(g, w) => convTranspose(g, w, null, how, shape), [y, -2, 2], [weight, -2, 2]],
            [(g, w, b) => convTranspose(g, w, b, how, shape), [y, -2, 2], [weight, -2, 2], bias],
          ];
        }
        const attrs = { ...how, shape: weight } as never;
        return [
          [(g, a) => apply(op('convWeights'), [g, a], attrs), [y, -2, 2], [x, -2, 2]],
          [(g, a, before) => apply(op('convWeights'), [g, a, before], attrs), [y, -2, 2], [x, -2, 2], [weight, -2, 2]],
        ];
      });
      return [name, list];
    }),
  ),
  ...Object.fromEntries(
    (['avgPool', 'maxPool'] as const).flatMap(name => {
      const pool = name === 'avgPool' ? avgPool : maxPool;
      const forms: readonly [Windows, readonly number[], readonly number[]][] = [
        [windows([2, 2], [2, 2], [0, 0], [2, 2]), [2, 4, 5], [2, 2, 2]],
        [windows([3, 2], [1, 2], [1, 1], [4, 3]), [4, 4], [4, 3]],
        [{ ...windows([3, 3], [2, 2], [1, 1], [3, 3]), countsOutside: false }, [1, 4, 4], [1, 3, 3]],
      ];
      const back = (w: Windows, shape: readonly number[]) => ({ ...w, shape });
      // The second element of a window is inside everywhere here but in a corner, where it counts for nothing.
      const middle = (out: readonly number[]) => latent.ones([...out], { dtype: 'float64' }) as Tensor;
      return [
        [name, forms.map(([w, shape]): Sample => [x => pool(x, w), [shape, -2, 2]])],
        [
          `${name}Gradient`,
          forms.map(
            ([w, shape, out]): Sample =>
              name === 'avgPool'
                ? [g => apply(op('avgPoolGradient'), [g], back(w, shape) as never), [out, -2, 2]]
                : [g => apply(op('maxPoolGradient'), [g, middle(out)], back(w, shape) as never), [out, -2, 2]],
          ),
        ],
        ...(name === 'avgPool'
          ? []
          : [
              [
                'maxPoolPick',
                forms.map(
                  ([w, shape, out]): Sample => [
                    h => apply(op('maxPoolPick'), [h, middle(out)], back(w, shape) as never),
                    [shape, -2, 2],
                  ],
                ),
              ] as const,
            ]),
      ];
    }),
  ),
  clone: [[x => x.clone() as Tensor, [[2, 3], -2, 2]]],
  concat: [
    [(a, b) => latent.concat([a, b, a]) as Tensor, [[2, 3], -2, 2], [[1, 3], -2, 2]],
    [(a, b) => latent.concat([a, b], { axis: -1 }) as Tensor, [[2, 3], -2, 2], [[2, 2], -2, 2]],
    [(a, b) => latent.stack([a, b], { axis: 1 }), [[2, 3], -2, 2], [[2, 3], -2, 2]],
  ],
  matmul: (
    [
      [
        [3, 4],
        [4, 5],
      ],
      [
        [2, 3, 4],
        [2, 4, 5],
      ],
      [
        [2, 1, 3, 4],
        [5, 4, 2],
      ],
      [
        [3, 4],
        [2, 4, 5],
      ],
      [[4], [4]],
      [[3, 4], [4]],
      [[4], [2, 4, 3]],
    ] as const
  ).map(([a, b]): Sample => [(x, y) => call.matmul!(x, y), [a, -2, 2], [b, -2, 2]]),
  dense: [
    [(x, w, b) => dense(x, w, b), [[3, 4], -2, 2], [[5, 4], -2, 2], [[5], -2, 2]],
    [(x, w) => dense(x, w, null), [[3, 4], -2, 2], [[5, 4], -2, 2]],
    ...(['relu', 'tanh', 'sigmoid'] as const).map(
      (activation): Sample => [(x, w, b) => dense(x, w, b, activation), [[3, 4], -2, 2], [[5, 4], -2, 2], [[5], -2, 2]],
    ),
  ],
  take: [
    [
      x =>
        x.take(
          ints([
            [0, -1],
            [2, 0],
          ]),
        ),
      [[3, 2], -2, 2],
    ],
    [x => x.take(ints([1, 1, 0]), { axis: 1 }), [[3, 2], -2, 2]],
  ],
  takeGradient: [
    [g => apply(op('takeGradient'), [g, ints([2, 0, 2])], { axis: 0, shape: [3, 2] } as never), [[3, 2], -2, 2]],
    [
      (g, before) => apply(op('takeGradient'), [g, ints([2, 0, 2]), before], { axis: 0, shape: [4, 2] } as never),
      [[3, 2], -2, 2],
      [[4, 2], -2, 2],
    ],
  ],
  gather: [
    [
      x =>
        x.gather(
          ints([
            [0, -1],
            [2, 2],
            [1, 0],
          ]),
        ),
      [[3, 3], -2, 2],
    ],
    [
      x =>
        x.gather(
          ints([
            [0, 1],
            [0, 0],
          ]),
          { axis: 0 },
        ),
      [[3, 2], -2, 2],
    ],
  ],
  gatherGradient: [
    [
      g =>
        apply(
          op('gatherGradient'),
          [
            g,
            ints([
              [0, 0],
              [1, 0],
            ]),
          ],
          { axis: 0, shape: [3, 2] } as never,
        ),
      [[2, 2], -2, 2],
    ],
    [
      (g, before) => apply(op('gatherGradient'), [g, ints([[0], [1]]), before], { axis: 1, shape: [2, 3] } as never),
      [[2, 1], -2, 2],
      [[2, 3], -2, 2],
    ],
  ],
  sum: reduction('sum'),
  prod: reduction('prod'),
  cumsum: [
    [x => call.cumsum!(x, { axis: 1 }), [[2, 3, 4], -2, 2]],
    [x => call.cumsum!(x), [[2, 3], -2, 2]],
  ],
  mean: reduction('mean'),
  squares: [
    [x => x.norm({ axis: 1 }), [[2, 3, 4], 0.5, 2]],
    [x => x.norm(), [[2, 3], 0.5, 2]],
    [x => x.var({ axis: [0, 2], ddof: 1 }), [[2, 3, 4], -2, 2]],
    [x => x.std({ axis: 0 }), [[4, 3], -2, 2]],
  ],
  max: reduction('max'),
  min: reduction('min'),
  logsumexp: reduction('logsumexp'),
  softmax: [-1, 0, 1].map((axis): Sample => [x => call.softmax!(x, { axis }), [[2, 3, 4], -2, 2]]),
  logSoftmax: [-1, 0, 1].map((axis): Sample => [x => call.logSoftmax!(x, { axis }), [[2, 3, 4], -2, 2]]),
  softmaxGradient: rowGradient('softmaxGradient'),
  logSoftmaxGradient: rowGradient('logSoftmaxGradient'),
  crossEntropy: [false, true].map((isLog): Sample => [x => crossEntropy(x, ints([2, 0, 1]), isLog), [[3, 4], -2, 2]]),
  crossEntropyGradient: [false, true].map(
    (isLog): Sample => [
      (g, x) => apply(op('crossEntropyGradient'), [g, x, ints([2, 0, 1])], { isLog } as never),
      [[3], -2, 2],
      [[3, 4], -2, 2],
    ],
  ),
  reshape: [
    [x => x.reshape([4, -1]) as Tensor, [[2, 3, 2], -2, 2]],
    [x => (x.transpose() as Tensor).reshape([12]) as Tensor, [[2, 3, 2], -2, 2]],
    [x => x.squeeze(0).expandDims(-1).flatten(), [[1, 3], -2, 2]],
  ],
  transpose: [
    [x => x.transpose() as Tensor, [[2, 3, 4], -2, 2]],
    [x => call.transpose!(x, [1, 2, 0]), [[2, 3, 4], -2, 2]],
  ],
  broadcastTo: [
    [x => x.broadcastTo([4, 2, 3]), [[2, 1], -2, 2]],
    [x => x.broadcastTo([3]), [[], -2, 2]],
  ],
  slice: [
    [x => x.slice([3, null, -2], [1, 3]), [[4, 5], -2, 2]],
    [x => x.slice(-1), [[4, 5], -2, 2]],
    [x => x.slice([2, 2]), [[4, 5], -2, 2]],
    [x => latent.add(...(x.split(2) as [Tensor, Tensor])) as Tensor, [[4, 5], -2, 2]],
  ],
  sliceGradient: [
    [
      g =>
        apply(op('sliceGradient'), [g], {
          starts: [3, 1],
          steps: [-2, 1],
          sizes: [2, 2],
          shape: [4, 5],
          value: 0,
        } as never),
      [[2, 2], -2, 2],
    ],
  ],
};

/** Elements that are well apart from each other, so that a small step changes no order. */
function draw(random: ReturnType<typeof makeRandom>, shape: readonly number[], low: number, high: number) {
  const plain = randomPlain(random, shape, 'float64', 0, 1);
  const n = plain.data.length;
  const places = plain.data.map((_, i) => i).sort((a, b) => plain.data[a]! - plain.data[b]!);
  const data = new Array<number>(n);
  places.forEach((place, rank) => {
    data[place] = low + ((rank + 0.2 + 0.6 * plain.data[place]!) / n) * (high - low);
  });
  return { ...plain, data };
}

describe.each(Object.entries(samples))('the gradient of %s', (name, list) => {
  test('has a gradient itself', () => {
    const random = makeRandom(73);
    for (const [f, ...inputs] of list) {
      const tensors = inputs.map(([shape, low, high]) => lay(draw(random, shape, low, high), 'whole')[0]);
      const { shape, dtype } = f(...tensors);
      expect(dtype).toBe('float64');
      const head = lay(draw(random, shape, -1, 1), 'whole')[0];
      autograd.gradCheck(gradientOf(f), [...tensors, head]);
      const points = tensors.map(x => x.attachGrad() as Tensor);
      const y = autograd.record(() => f(...points));
      const recorded = autograd.grad(y, points, { headGrads: head, createGraph: true });
      const plain = autograd.grad(y, points, { headGrads: head });
      recorded.forEach((g, i) => {
        expectClose(g, plain[i]!.toTypedArray(), { tolerance64: 1e-9 });
      });
    }
  });

  test('against differences', () => {
    const random = makeRandom(71);
    let used = false;
    const spied = definedOps().get(name) as { gradient: (...args: unknown[]) => unknown };
    const original = spied.gradient;
    spied.gradient = (...args) => {
      used = true;
      return original(...args);
    };
    try {
      for (const [f, ...inputs] of list) {
        const tensors = inputs.map(([shape, low, high]) => lay(draw(random, shape, low, high), 'whole')[0]);
        autograd.gradCheck(f, tensors);
      }
    } finally {
      spied.gradient = original;
    }
    // A sample that never reaches the gradient it stands for would hold it to nothing.
    expect(used).toBe(true);
  });
});

test('every operation with a gradient has samples here', () => {
  const missing: string[] = [];
  for (const [name, { gradient }] of definedOps()) {
    if (typeof gradient === 'function' && samples[name] === undefined) missing.push(name);
    if (typeof gradient !== 'function') expect(gradient.reason.length).toBeGreaterThan(5);
  }
  expect(missing).toEqual([]);
  expect(Object.keys(samples).filter(name => !definedOps().has(name))).toEqual([]);
});

describe('inputs in other layouts, other types', () => {
  test('gradients of views come out in the order of the view', () => {
    const random = makeRandom(72);
    for (const layout of layouts) {
      const plain = draw(random, [3, 4], 0.3, 2);
      const [x] = lay(plain, layout);
      const whole = x.clone().attachGrad() as Tensor;
      x.attachGrad();
      const f = (t: Tensor) => t.mul(t).exp().sum({ axis: 0 }).log().sum();
      autograd.record(() => f(x)).backward();
      autograd.record(() => f(whole)).backward();
      expect(x.grad!.shape).toEqual([3, 4]);
      expect(x.grad!.toArray()).toEqual(whole.grad!.toArray());
    }
  });

  test('mixed floats: each gradient has the type of its variable', () => {
    const a = tensor([1.5, -2], { dtype: 'float32' }).attachGrad();
    const b = tensor([3, 0.5], { dtype: 'float64' }).attachGrad();
    autograd.record(() => a.mul(b).sum()).backward();
    expect(a.grad!.dtype).toBe('float32');
    expect(a.grad!.toArray()).toEqual([3, 0.5]);
    expect(b.grad!.dtype).toBe('float64');
    expect(b.grad!.toArray()).toEqual([1.5, -2]);
  });

  test('integers among the operands have none and let the others have theirs', () => {
    const x = tensor([1.5, -2]).attachGrad();
    const k = tensor([3, 4], { dtype: 'int32' });
    autograd.record(() => x.mul(k).add(k.mul(x)).sum()).backward();
    expect(x.grad!.toArray()).toEqual([6, 8]);
    const y = tensor([1.5, -2]).attachGrad();
    autograd.record(() => y.cast('int32').mul(2).cast('float32').add(y).sum()).backward();
    expect(y.grad!.toArray()).toEqual([1, 1]);
  });
});

/** What is made of other operations, whose gradients are theirs. */
const composed: Record<string, readonly Sample[]> = {
  var: [
    [x => call.var!(x, { axis: 1, ddof: 1 }), [[2, 3, 4], -2, 2]],
    [x => call.var!(x), [[5], -2, 2]],
  ],
  std: [[x => call.std!(x, { axis: [0, 2], keepdims: true }), [[2, 3, 4], -2, 2]]],
  norm: [1, 2, 3.5, Infinity, -Infinity].map(ord => [x => call.norm!(x, { ord, axis: 1 }), [[3, 4], 0.2, 2]]),
  sort: [[x => call.sort!(x, { axis: 0, descending: true }), [[4, 3], -2, 2]]],
  topk: [[x => latent.topk(x, 2).values, [[3, 5], -2, 2]]],
  tile: [[x => call.tile!(x, [2, 1, 3]), [[2, 3], -2, 2]]],
  repeat: [
    [x => call.repeat!(x, 3, { axis: 1 }), [[2, 3], -2, 2]],
    [x => call.repeat!(x, [2, 0, 1], { axis: 1 }), [[2, 3], -2, 2]],
  ],
  flip: [[x => call.flip!(x, { axis: 1 }), [[2, 3], -2, 2]]],
  swapAxes: [[x => call.swapAxes!(x, 0, 2), [[2, 3, 4], -2, 2]]],
  pad: (['constant', 'edge', 'reflect'] as const).map(mode => [
    x =>
      call.pad!(
        x,
        [
          [1, 2],
          [0, 3],
        ],
        { mode },
      ),
    [[2, 3], -2, 2],
  ]),
  dot: [[(a, b) => latent.dot(a, b), [[2, 3, 4], -2, 2], [[2, 4, 3], -2, 2]]],
  outer: [[(a, b) => latent.outer(a, b), [[3], -2, 2], [[2, 2], -2, 2]]],
};

test.each(Object.entries(composed))('the gradients of %s, first and second', (_, list) => {
  const random = makeRandom(74);
  for (const [f, ...inputs] of list) {
    const tensors = inputs.map(([shape, low, high]) => lay(draw(random, shape, low, high), 'whole')[0]);
    autograd.gradCheck(f, tensors);
    autograd.gradCheck(gradientOf(f), [...tensors, lay(draw(random, f(...tensors).shape, -1, 1), 'whole')[0]]);
  }
});

describe('where the slope has a choice', () => {
  const slope = (data: number[], f: (x: Tensor) => Tensor) => {
    const x = tensor(data).attachGrad();
    autograd.record(() => f(x)).backward();
    return x.grad!.toArray();
  };
  test('ties share the gradient', () => {
    expect(slope([2, 5, 5, 1], x => x.max())).toEqual([0, 0.5, 0.5, 0]);
    expect(slope([2, 2, 2, 2], x => x.min())).toEqual([0.25, 0.25, 0.25, 0.25]);
    expect(slope([1, 3], x => x.maximum(tensor([1, 2])).sum())).toEqual([0.5, 1]);
    expect(slope([1, 3], x => latent.minimum(tensor([1, 2]), x).sum())).toEqual([0.5, 0]);
  });
  test('corners', () => {
    expect(slope([0, -0, 1], x => x.relu().sum())).toEqual([0, 0, 1]);
    expect(slope([0, -2], x => x.abs().sum())).toEqual([0, -1]);
    const corners = [-1, 1, 1.5, -1.5, Number.NaN, Infinity, -Infinity, 0];
    expect(slope(corners, x => x.clip(-1, 1).sum())).toEqual([1, 1, 0, 0, 1, 0, 0, 1]);
  });
  test.each(['float32', 'float64'] as const)('clip of %s cuts off what comes from outside the bounds', dtype => {
    const random = makeRandom(57);
    const values = Array.from({ length: 1003 }, () => random.int(-9, 9));
    const factors = tensor(
      values.map(() => random.int(1, 5)),
      { dtype },
    );
    const x = tensor(values, { dtype });
    x.attachGrad();
    autograd.record(() => x.clip(-4, 6).mul(factors)).backward();
    const want = (factors.toArray() as number[]).map((factor, i) => {
      const value = values[i] as number;
      return value < -4 || value > 6 ? 0 : factor;
    });
    expect(x.grad?.toArray()).toEqual(want);
  });
  test('powers at 0', () => {
    expect(slope([0, 2], x => x.pow(2).sum())).toEqual([0, 4]);
    expect(slope([0, 2], x => x.pow(1).sum())).toEqual([1, 1]);
    expect(slope([0, 2], x => x.pow(0).sum())).toEqual([0, 0]);
    expect(slope([0, 1], b => latent.pow(tensor([0, 2]), b).sum())).toEqual([0, Math.fround(2 * Math.LN2)]);
  });
  test('the product of the others, with zeros among the factors', () => {
    expect(slope([2, 3, 4], x => x.prod())).toEqual([12, 8, 6]);
    expect(slope([2, 0, 4], x => x.prod())).toEqual([0, 8, 0]);
    expect(slope([0, 0, 4], x => x.prod())).toEqual([0, 0, 0]);
  });
  test('what where leaves out gets no gradient, and no NaN', () => {
    expect(slope([-1, 4], x => latent.where(x.greater(0), x, 0).sum())).toEqual([0, 1]);
  });
  test('a flat function is flat for an infinite gradient, too', () => {
    const x = tensor([3, -2]).attachGrad();
    autograd.record(() => x.sign()).backward(tensor([Infinity, 1]));
    expect(x.grad!.toArray()).toEqual([0, 0]);
  });
});
