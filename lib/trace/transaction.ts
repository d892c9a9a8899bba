import { ValueError } from '../errors.js';
import { opcode } from '../native/register.js';
import { convert } from '../ops/cast.js';
import { invokeInto, withScope } from '../ops/invoke.js';
import { watchers } from '../ops/watch.js';
import { type Generator, generators, moves, programGenerator } from '../random/generator.js';
import { initializeCount, setInitializeCount } from '../random/initialize-count.js';
import { internals, type Tensor } from '../tensor/tensor.js';

const COPY = opcode('copy');

/** How much was noted at some point. */
interface Mark {
  readonly changes: number;
  readonly actions: number;
}

const start: Mark = { changes: 0, actions: 0 };

/**
 * What a call changes while it may still fail: undone in reverse order by `rollback`, kept by `commit`.
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

  /** What to do once everything is certain. */
  afterCommit(action: () => void): void {
    this.#afterwards.push(action);
  }

  /** A tensor made within the transaction, whose values need no copy. */
  noteNew(t: Tensor): void {
    this.#written.add(t);
  }

  /** A place to come back to: what is changed behind it is noted again, also where it was before. */
  mark(): Mark {
    this.#written.clear();
    this.#moved.clear();
    return { changes: this.#undo.length, actions: this.#afterwards.length };
  }

  rollbackTo(mark: Mark): void {
    while (this.#undo.length > mark.changes) (this.#undo.pop() as () => void)();
    this.#afterwards.length = mark.actions;
  }

  noteWrite(t: Tensor): void {
    const base = internals.baseOf(t);
    if (this.#written.has(base) || internals.isDisposed(base)) return;
    const before = withScope(null, () => convert(base, base.dtype));
    this.#written.add(base);
    this.note(() => {
      this.#written.delete(base);
      if (!internals.isDisposed(base)) invokeInto('rollback', COPY, [before], base);
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

let current: Transaction | null = null;

export function currentTransaction(): Transaction | null {
  return current;
}

/**
 * Runs `body` all or nothing: when it throws, every change that was noted is taken back. Inside another transaction it
 * is part of that one.
 */
export function transact<R>(body: (transaction: Transaction) => R): R {
  if (current !== null) return body(current);
  const transaction = new Transaction();
  current = transaction;
  const writes = watchers.writes;
  const log = moves.log;
  watchers.writes = { beforeWrite: t => transaction.noteWrite(t) };
  moves.log = generator => transaction.noteMove(generator);
  const close = () => {
    current = null;
    watchers.writes = writes;
    moves.log = log;
  };
  let result: R;
  try {
    result = body(transaction);
  } catch (error) {
    close();
    transaction.rollbackTo(start);
    throw error;
  }
  close();
  runAll(transaction.actions());
  return result;
}

/** Runs every action, also behind one that throws; then throws what the first threw. */
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

/** What `body` answers, with all that it changed taken back. */
export function tried<R>(body: () => R): R {
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
    if (error instanceof ValueError) tried(forward);
    throw error;
  }
}
