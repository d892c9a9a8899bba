import { ValueError } from '../errors.js';
import { opcode, Status, session } from '../native/register.js';
import { convert } from '../ops/cast.js';
import { context, within } from '../ops/context.js';
import { invokeInto, withScope } from '../ops/invoke.js';
import { type Generator, generators, programGenerator } from '../random/generator.js';
import { initializeCount, setInitializeCount } from '../random/initialize-count.js';
import { sameShape } from '../tensor/shape.js';
import { internals, type Tensor } from '../tensor/tensor.js';

const COPY = opcode('copy');

/** How much was noted at some point. */
interface Mark {
  readonly changes: number;
  readonly actions: number;
}

const start: Mark = { changes: 0, actions: 0 };

/**
 * The changes of a call that may still fail: undone in reverse order by `rollback`, kept by `commit`.
 *
 * While one is open it sees every write in place and every generator that moves, so that values and random streams come
 * back as well.
 */
export class Transaction {
  readonly #undo: (() => void)[] = [];
  readonly #afterwards: (() => void)[] = [];
  readonly #written = new Set<Tensor>();
  readonly #moved = new Set<Generator>();

  /** How to take back a change that is about to be made. */
  note(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** Actions that run once everything is certain. */
  afterCommit(action: () => void): void {
    this.#afterwards.push(action);
  }

  /** A tensor made within the transaction, whose values need no copy. */
  noteNew(t: Tensor): void {
    this.#written.add(t);
  }

  /** A place to come back to: what is changed after it is noted again, also where it was before. */
  mark(): Mark {
    this.#written.clear();
    this.#moved.clear();
    return { changes: this.#undo.length, actions: this.#afterwards.length };
  }

  /** Takes everything back. */
  rollback(): void {
    this.rollbackTo(start);
  }

  rollbackTo(mark: Mark): void {
    while (this.#undo.length > mark.changes) (this.#undo.pop() as () => void)();
    this.#afterwards.length = mark.actions;
  }

  /** Of a window the elements that it shows, for a small part of a large tensor may be written often. */
  noteWrite(t: Tensor): void {
    if (this.#written.has(internals.baseOf(t)) || this.#written.has(t) || internals.isDisposed(t)) return;
    const before = withScope(null, () => convert(t, t.dtype));
    this.#written.add(t);
    this.note(() => {
      this.#written.delete(t);
      if (!internals.isDisposed(t)) restore(t, before);
    });
  }

  noteMove(generator: Generator): void {
    if (this.#moved.has(generator)) return;
    const restore = generators.snapshot(generator);
    // Seeding the program's generator starts the count of initialize calls anew.
    const count = initializeCount();
    this.#moved.add(generator);
    this.note(() => {
      this.#moved.delete(generator);
      restore();
      if (generator === programGenerator()) setInitializeCount(count);
    });
  }

  actions(): readonly (() => void)[] {
    return this.#afterwards;
  }
}

/** A copy of a tensor's values from call to call: what is written in each of them is copied without a new tensor. */
export class Backup {
  #values: Tensor | null = null;

  keep(t: Tensor): void {
    const { shape, dtype } = t;
    const values = this.#values;
    if (values === null || values.dtype !== dtype || !sameShape(values.shape, shape))
      this.#values = withScope(null, () => convert(t, dtype)) as Tensor;
    else invokeInto('backup', COPY, [t], values);
  }

  restore(t: Tensor): void {
    restore(t, this.#values as Tensor);
  }
}

/** Gives a tensor the values that it had. Where memory is short as well: that is what calls fail for. */
function restore(t: Tensor, before: Tensor): void {
  internals.bump(t);
  if (session.restore(internals.idOf(t), internals.idOf(before)) === Status.ok) return;
  invokeInto('rollback', COPY, [before], t);
}

declare module '../ops/context.js' {
  interface Context {
    transaction: Transaction | null;
    /** The changes of a guarded call; null where no call is guarded. */
    guard: Guard | null;
  }
}

context.transaction = null;
context.guard = null;

/** A guarded call: it costs next to nothing until it writes or draws. */
class Guard {
  #changed: Transaction | null = null;

  get changed(): Transaction {
    this.#changed ??= new Transaction();
    return this.#changed;
  }

  rollback(): void {
    this.#changed?.rollback();
  }
}

const guardWrites = { beforeWrite: (t: Tensor) => (context.guard as Guard).changed.noteWrite(t) };
const guardMoves = (generator: object) => (context.guard as Guard).changed.noteMove(generator as Generator);

export function currentTransaction(): Transaction | null {
  return context.transaction;
}

/**
 * Runs `body` all or nothing: when it throws, every change that was noted is taken back. Inside another transaction it
 * is part of that one.
 */
export function transact<R>(body: (transaction: Transaction) => R): R {
  if (context.transaction !== null) return body(context.transaction);
  const transaction = new Transaction();
  const writes = { beforeWrite: (t: Tensor) => transaction.noteWrite(t) };
  const moves = (generator: object) => transaction.noteMove(generator as Generator);
  let result: R;
  try {
    result = within({ transaction, writes, moves }, () => body(transaction));
  } catch (error) {
    transaction.rollback();
    throw error;
  }
  context.guard?.changed.note(() => transaction.rollback());
  runAll(transaction.actions());
  return result;
}

/**
 * Runs `body` all or nothing in what it writes and draws, at next to no cost where it does neither. Inside another one, or a
 * transaction, it is part of that.
 */
export function guarded<R>(body: () => R): R {
  if (context.guard !== null || context.transaction !== null) return body();
  // By hand, for this is part of every call of a block.
  const { writes, moves } = context;
  const guard = new Guard();
  context.guard = guard;
  context.writes = guardWrites;
  context.moves = guardMoves;
  try {
    try {
      return body();
    } finally {
      context.guard = null;
      context.writes = writes;
      context.moves = moves;
    }
  } catch (error) {
    guard.rollback();
    throw error;
  }
}

/** Runs `body`; where it throws, generators that moved are as they were. */
export function withStreams<R>(body: () => R): R {
  const transaction = new Transaction();
  const { moves } = context;
  const both = (generator: object) => {
    moves?.(generator);
    transaction.noteMove(generator as Generator);
  };
  try {
    return within({ moves: both }, body);
  } catch (error) {
    transaction.rollback();
    throw error;
  }
}

/** Runs every action, also after one that throws; then throws what the first threw. */
export function runAll(actions: readonly (() => void)[]): void {
  const errors: unknown[] = [];
  for (const action of actions) {
    try {
      action();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/** Runs `body` and takes back all that it changed; returns its result. */
export function rolledBack<R>(body: () => R): R {
  return transact(transaction => {
    const mark = transaction.mark();
    try {
      return body();
    } finally {
      transaction.rollbackTo(mark);
    }
  });
}

/**
 * Runs a plan. Where it finds a value that it cannot take, `forward` does the same once more for its error, which names the
 * value.
 */
export function explained<R>(plan: () => R, forward: () => unknown): R {
  try {
    return plan();
  } catch (error) {
    if (error instanceof ValueError) rolledBack(forward);
    throw error;
  }
}
