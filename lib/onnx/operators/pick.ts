import { arange } from '../../ops/create.js';
import { gather, take } from '../../ops/pick.js';
import type { Exporter } from '../emitter.js';
import type { Importer } from '../reader.js';

export const exporters: Readonly<Record<string, Exporter>> = {
  take: (e, call) => e.node('Gather', [e.name(call.value(0)), e.name(call.value(1))], { axis: call.attrs.axis }),
  gather: (e, call) =>
    e.node('GatherElements', [e.name(call.value(0)), e.name(call.value(1))], { axis: call.attrs.axis }),
  // The format's own OneHot counts negative indices from the end; here they give zeros as any other index outside.
  oneHot: (e, call) => {
    const { depth } = call.attrs as { depth: number };
    const indices = e.node('Unsqueeze', [e.name(call.value(0)), e.list([-1])]);
    return e.cast(e.node('Equal', [indices, e.constant(arange(0, depth))]), 'bool', call.output.dtype);
  },
  crossEntropy: (e, call) => {
    const [x, labels] = [call.value(0), call.value(1)];
    const logs = call.attrs.isLog ? e.name(x) : e.node('LogSoftmax', [e.name(x)], { axis: -1 });
    const places = e.node('Unsqueeze', [e.in('int32', labels), e.list([-1])]);
    const picked = e.node('GatherElements', [logs, places], { axis: -1 });
    return e.node('Neg', [e.node('Squeeze', [picked, e.list([-1])])]);
  },
};

export const importers: Readonly<Record<string, Importer>> = {
  Gather: node => {
    node.takes(2);
    const axis = node.int('axis', 0);
    return inputs => [take(inputs.tensor(0), inputs.tensor(1), { axis })];
  },
  GatherElements: node => {
    node.takes(2);
    const axis = node.int('axis', 0);
    return inputs => [gather(inputs.tensor(0), inputs.tensor(1), { axis })];
  },
};
