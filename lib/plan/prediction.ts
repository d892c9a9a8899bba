import { ArgumentError, BusyError } from '../errors.js';
import { ints, Place, reals, Status, session } from '../native/register.js';
import { noMemoryFor } from '../ops/invoke.js';

/** Hears how a prediction ended: its status, the step that failed, and how many nanoseconds it ran. */
export type Ended = (status: number, step: number, took: number) => void;

/** Nanoseconds. Handing a run to another thread and back costs as much, and the event loop gets no shorter of it. */
export const QUICK = 100_000;

const pending = new Map<number, Ended>();
let last = 0;
let opened = false;

/** The async resource of predictions: it keeps the process from its end while some go on, as timers do. */
const resource = { hasRef: () => pending.size > 0 };

function open(): void {
  if (opened) return;
  const status = session.openPredictions(number => {
    const ended = pending.get(number);
    pending.delete(number);
    ended?.(ints[Place.status] as number, ints[Place.outputId] as number, reals[0] as number);
  }, resource);
  if (status === Status.outOfMemory) throw noMemoryFor('predict: no memory for predictions beside this thread');
  if (status !== Status.ok) throw new Error(`latent: no predictions in this thread (status ${status})`);
  opened = true;
}

/** A number that no prediction which goes on has, of 32 bits, as a server runs for long. */
function nextNumber(): number {
  do last = (last + 1) | 0;
  while (pending.has(last));
  return last;
}

/** Raises where `count` more predictions than those of this thread that have not ended would be more than `most`. */
export function checkRoom(count: number, most: number): void {
  if (pending.size + count <= most) return;
  if (count > most)
    throw new ArgumentError(
      `predict: batchSize makes ${count} parts of this input, but maxQueue is ${most}; pass a larger one of either`,
    );
  throw new BusyError(
    `predict: busy; ${pending.size} ${pending.size === 1 ? 'prediction' : 'predictions'} of this thread ${pending.size === 1 ? 'has' : 'have'} not ended, ` +
      `and maxQueue is ${most}${count === 1 ? '' : `, but this call is ${count} at once`}; ask again later, or turn the request away`,
  );
}

let atOnce = false;

/** Whether a quick run may be done at once: one in each turn of the event loop, so that many hold it no longer than one. */
export function mayRunAtOnce(): boolean {
  if (atOnce || pending.size > 0) return false;
  atOnce = true;
  setImmediate(() => {
    atOnce = false;
  });
  return true;
}

/** Runs a plan beside this thread; answers a status, and a number to stop it by. */
export function beginPrediction(plan: number, sizes: number, ended: Ended): { status: number; number: number } {
  open();
  const number = nextNumber();
  pending.set(number, ended);
  const status = session.predict(plan, sizes, number);
  if (status !== Status.ok) pending.delete(number);
  return { status, number };
}

/** Has a prediction end with status `stopped`: at once where it has not begun, else before its next step. */
export function stopPrediction(number: number): void {
  const ended = pending.get(number);
  if (ended === undefined) return;
  session.stopPrediction(number);
  if (ints[Place.outputId] !== 1) return;
  pending.delete(number);
  ended(Status.stopped, -1, 0);
}
