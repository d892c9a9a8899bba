import { opcode, Status, session } from '../native/register.js';
import { convert } from '../ops/cast.js';
import { empty } from '../ops/create.js';
import { invokeInto, keepScoped } from '../ops/invoke.js';
import { warnOnce } from '../support/warn.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import type { Flow } from './flow.js';
import { addSlices, RowMarks, type RowSlices, settleSlices } from './rows.js';
import { Leaf } from './tape.js';

const COPY = opcode('copy');
const ADD = opcode('add');

/** The gradient as a tensor that belongs to its handle, sharing memory with nothing. */
function settle(flow: Flow, g: Tensor): Tensor {
  if (!flow.isSpare(g)) return convert(g, g.dtype);
  keepScoped(g);
  flow.giveAway(g);
  return g;
}

/** Notes that a gradient of so many losses is written, and warns where that loses one. */
export function noteWrite(leaf: Leaf, losses: number): void {
  const version = internals.version(leaf.variable);
  if (leaf.gradReq === 'write' && leaf.unread && leaf.versionAtWrite === version) {
    warnOnce(
      'LATENT_GRADIENT_OVERWRITTEN',
      'write',
      "backward wrote a gradient that nobody had read or used since the last backward; to add gradients up, use gradReq 'add'",
    );
  }
  leaf.losses = leaf.gradReq === 'add' && leaf.fresh ? Math.max(leaf.losses, losses) : losses;
  leaf.unread = true;
  leaf.fresh = true;
  leaf.versionAtWrite = version;
}

/** Makes what writing a gradient needs memory for, and answers with what writes it. */
function prepare(flow: Flow, leaf: Leaf, g: Tensor): () => void {
  if (leaf.grad === null) {
    const first = settle(flow, g);
    return () => {
      leaf.grad = first;
    };
  }
  const { grad } = leaf;
  // What isn't ours, or sees what isn't, may be a gradient that is about to be written.
  const ready = flow.made(internals.baseOf(g)) ? g : flow.run(() => convert(g, g.dtype));
  return () => {
    if (leaf.gradReq === 'add' && !flow.begun.has(leaf)) {
      invokeInto('add', ADD, [grad, ready], grad);
    } else if (flow.isSpare(ready) && session.adopt(internals.idOf(grad), internals.idOf(ready)) === Status.ok) {
      internals.bump(grad);
      internals.setId(ready, 0);
      flow.giveAway(ready);
    } else {
      invokeInto('copy', COPY, [ready], grad);
    }
  };
}

/** As prepare, for a gradient that is 0 but at some rows. */
function prepareRows(flow: Flow, leaf: Leaf, list: readonly RowSlices[]): () => void {
  const { shape, dtype } = leaf.variable;
  const slices = list.map(one => flow.run(() => settleSlices(one, flow.made(internals.baseOf(one.g)))));
  const before = leaf.grad;
  const grad = before ?? empty(shape, dtype);
  const addsUp = before !== null && leaf.gradReq === 'add';
  const isZeros = before === null || leaf.isZeros;
  const rows = leaf.rows ?? (addsUp && !isZeros ? null : new RowMarks(grad, isZeros));
  return () => {
    leaf.grad = grad;
    leaf.rows = rows;
    if (rows === null) {
      for (const one of slices) addSlices(grad, one);
      return;
    }
    if (!addsUp) rows.clear();
    for (const one of slices) rows.add(one);
  };
}

/** Writes all gradients, of so many losses. What needs memory is made first, so that all are written or none. */
export function commit(flow: Flow, losses: number): void {
  const writes: [Leaf, () => void][] = [];
  for (const [at, g] of flow.grads) if (at instanceof Leaf) writes.push([at, prepare(flow, at, g)]);
  for (const [leaf, list] of flow.slices) writes.push([leaf, prepareRows(flow, leaf, list)]);
  for (const [leaf, write] of writes) {
    noteWrite(leaf, losses);
    write();
  }
}
