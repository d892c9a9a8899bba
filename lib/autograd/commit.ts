import { opcode, Status, session } from '../native/register.js';
import { convert } from '../ops/cast.js';
import { empty } from '../ops/create.js';
import { invokeInto, keepScoped } from '../ops/invoke.js';
import { shownShape } from '../support/check.js';
import { warn } from '../support/warn.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import type { Flow } from './flow.js';
import { addSlices, RowMarks, type RowSlices, settleSlices } from './rows.js';
import { Leaf, type Writing } from './tape.js';

const COPY = opcode('copy');
const ADD = opcode('add');

/** The gradient as a tensor that belongs to its handle, sharing memory with nothing. */
function settle(flow: Flow, g: Tensor): Tensor {
  if (!flow.isSpare(g)) return convert(g, g.dtype);
  keepScoped(g);
  flow.giveAway(g);
  return g;
}

/** How many variables a warning names. */
const SHOWN = 4;

/** Variables that a warning has named; no warning names one again. */
const warned = new Set<string>();

function warnOfLost(lost: readonly Leaf[]): void {
  const names = lost
    .slice(0, SHOWN)
    .map(({ variable }) => internals.ownerOf(variable) ?? `a variable of shape ${shownShape(variable.shape)}`);
  const cause = names.join();
  if (warned.has(cause)) return;
  warned.add(cause);
  const more = lost.length > SHOWN ? ` and ${lost.length - SHOWN} more` : '';
  const remedy = lost.some(({ variable }) => internals.ownerOf(variable) !== null)
    ? "call net.collectParams().setAttr('gradReq', 'add') before, and trainer.zeroGrad() after each step"
    : "attach it with attachGrad({ gradReq: 'add' })";
  warn(
    'LATENT_GRADIENT_OVERWRITTEN',
    `backward overwrote the gradient of ${names.join('; ')}${more}, and nothing had read or used what the backward before had written; to add gradients up, ${remedy}; where a step is left out on purpose, set its gradients to zeros`,
  );
}

/**
 * Notes that a backward of so many losses wrote the gradients of these, and warns where one is lost. What a backward wrote
 * beside gradients that were used is not: those of the discriminator, when a generator learns through it.
 */
export function noteWrites(leaves: readonly Leaf[], losses: number): void {
  const writing: Writing = { losses, used: false };
  const lost: Leaf[] = [];
  for (const leaf of leaves) {
    const version = internals.version(leaf.variable);
    const { unread } = leaf;
    if (leaf.gradReq === 'write' && unread !== null && !unread.used && leaf.versionAtWrite === version) lost.push(leaf);
    leaf.losses = leaf.gradReq === 'add' && leaf.fresh ? Math.max(leaf.losses, losses) : losses;
    leaf.unread = writing;
    leaf.fresh = true;
    leaf.versionAtWrite = version;
  }
  if (lost.length > 0) warnOfLost(lost);
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
  // A tensor of the user, or a view of one, may be a gradient that is about to be written.
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
  for (const [, write] of writes) write();
  noteWrites(
    writes.map(([leaf]) => leaf),
    losses,
  );
}
