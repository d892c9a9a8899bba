import { visible } from '../../ops/attention.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Exporter } from '../emitter.js';

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
      const [queries, keys] = [q, k].map(t => call.fixed(t.shape.at(-2) as never)) as [number, number];
      masks.push(e.constant(visible(queries, keys, true, undefined) as Tensor));
    }
    const weighted = (weights: string): string => e.node('MatMul', [weights, e.name(v)]);
    if (masks.length === 0) return weighted(e.node('Softmax', [scores], { axis: -1 }));
    const seen = masks.length === 1 ? (masks[0] as string) : e.node('And', masks);
    const shown = e.node('Where', [seen, scores, e.scalar(-Infinity, dtype)]);
    return weighted(e.node('Where', [seen, e.node('Softmax', [shown], { axis: -1 }), e.scalar(0, dtype)]));
  },
};
