import {
  arange,
  concat,
  cumsum,
  random,
  softmax,
  type Tensor,
  tensor,
  topk,
  where,
  zeros,
} from '../../../../lib/index.js';
import { values } from '../../../support/nn-helpers.js';
import type { Operation } from './operation.js';

export function tensors(): Operation[] {
  const big = () => tensor(values(60_000, 2), { shape: [200, 300] });
  const list: Record<string, (t: Tensor) => unknown> = {
    'made of an array': () =>
      tensor([
        [1, 2],
        [3, 4],
      ]),
    'made of a typed array': () => tensor(new Float32Array(5000)),
    'made of numbers': () => [zeros([3000]), arange(10)],
    drawn: () => random.normal([40, 50]),
    permuted: () => random.permutation(300),
    arithmetic: t => t.mul(2).add(t.transpose().transpose()).sub(1).exp(),
    'of other types': t => t.cast('float64').mul(t.cast('int32').cast('float64')).cast('bool'),
    products: t => t.matmul(t.transpose()),
    'products of other types': t => t.cast('float64').matmul(t.transpose().cast('float64')),
    reductions: t => [t.sum(), t.mean({ axis: 0 }), t.max({ axis: 1 }), t.argmax({ axis: 0 }), t.std(), t.norm()],
    'reductions of views': t => [t.transpose().sum({ axis: 0 }), t.transpose().max({ axis: 1 }), t.transpose().prod()],
    rows: t => [softmax(t), t.logSoftmax(), cumsum(t, { axis: 0 })],
    order: t => [t.sort(), t.argsort({ axis: 0 }), topk(t, 3)],
    parts: t => [concat([t, t]), t.tile([2, 1]), t.flip({ axis: 0 }), t.slice([0, 4], [1, 2]), t.split(2, { axis: 0 })],
    choice: t => [where(t.greater(0), t, t.neg()), t.take(tensor([3, 1], { dtype: 'int32' }))],
    'as an array': t => t.toArray(),
    'as numbers': t => [Array.from(t.transpose().toTypedArray()), t.slice(0, 1).item()],
    copies: t => t.clone(),
  };
  return Object.entries(list).map(
    ([name, act]): Operation => ({
      name: `tensors ${name}`,
      prepare: () => {
        random.seed(5);
        const t = big();
        return { tensors: [t], act: () => act(t) };
      },
    }),
  );
}
