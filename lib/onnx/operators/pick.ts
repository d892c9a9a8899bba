import { arange } from '../../ops/create.js';
import { gather, take } from '../../ops/pick.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Exporter } from '../emitter.js';
import { longKind, tableKind, tensorKind } from '../kind.js';
import type { Importer } from '../reader.js';
import { gatherTable, type Table } from '../table.js';

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

/** Takes the elements at given places along an axis. */
function picking(pick: (x: Tensor, places: Tensor, axis: number) => Tensor, ofTables: boolean): Importer {
  return node => {
    node.takes(2);
    const axis = node.int('axis', 0);
    return {
      gives: kinds => {
        kinds.of(1, ['int64', 'int32']);
        if (ofTables && kinds.areTables(0, 1)) return [tableKind(kinds.at(0).dtype as 'int64', kinds.at(0).range)];
        const { dtype, range } = kinds.tensor(0);
        return [dtype === 'int64' ? longKind(range) : tensorKind(dtype)];
      },
      run: inputs => {
        const tables = ofTables ? inputs.tables(0, 1) : null;
        if (tables !== null) return [gatherTable(tables[0] as Table, tables[1] as Table, axis)];
        return [pick(inputs.tensor(0), inputs.indices(1), axis)];
      },
    };
  };
}

export const importers: Readonly<Record<string, Importer>> = {
  Gather: picking((x, places, axis) => take(x, places, { axis }), true),
  GatherElements: picking((x, places, axis) => gather(x, places, { axis }), false),
};
