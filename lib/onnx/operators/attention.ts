import { visible } from '../../ops/attention.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Emitter, Exporter } from '../emitter.js';
import { isKnown, known, plus, type Size } from '../sizes.js';

/** Which keys each query sees that only sees those up to its own place, counted from the end. */
function visibleKeys(e: Emitter, queries: Size, keys: Size): string {
  if (isKnown(queries) && isKnown(keys))
    return e.constant(visible(queries.at[0] as number, keys.at[0] as number, true, undefined) as Tensor);
  const last = e.writer.counted(queries, plus(keys, queries, -1), 1, 'float32');
  const places = e.writer.counted(keys, known(0), 1, 'float32');
  return e.node('LessOrEqual', [places, e.node('Unsqueeze', [last, e.list([1])])]);
}

export const exporters: Readonly<Record<string, Exporter>> = {
  /** Its products and its softmax, one by one. */
  attention: (e, call) => {
    const { causal, scale } = call.attrs as { causal: boolean; scale: number };
    const { dtype } = call.output;
    const [q, k, v] = [call.value(0), call.value(1), call.value(2)];
    const turned = k.shape.map((_, d) => d);
    turned.push(turned.splice(-2, 1)[0] as number);
    const scores = e.node('MatMul', [
      e.node('Mul', [e.name(q), e.scalar(scale, dtype)]),
      e.node('Transpose', [e.name(k)], { perm: turned }),
    ]);
    const masks = call.inputs.slice(3).map((_, i) => e.name(call.value(3 + i)));
    if (causal) {
      masks.push(visibleKeys(e, q.shape.at(-2) as Size, k.shape.at(-2) as Size));
    }
    const weighted = (weights: string): string => e.node('MatMul', [weights, e.name(v)]);
    if (masks.length === 0) return weighted(e.node('Softmax', [scores], { axis: -1 }));
    const seen = masks.length === 1 ? (masks[0] as string) : e.node('And', masks);
    const shown = e.node('Where', [seen, scores, e.scalar(-Infinity, dtype)]);
    return weighted(e.node('Where', [seen, e.node('Softmax', [shown], { axis: -1 }), e.scalar(0, dtype)]));
  },
};
