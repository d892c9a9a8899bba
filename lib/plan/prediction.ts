import { ints, Place, reals, Status, session } from '../native/register.js';

/** Hears how a prediction ended: its status, the step that failed, and how many nanoseconds it ran. */
export type Ended = (status: number, step: number, took: number) => void;

/** Nanoseconds. Handing a run to another thread and back costs as much, and the event loop gets no shorter of it. */
export const QUICK = 100_000;

const pending = new Map<number, Ended>();
let count = 0;
let opened = false;

function open(): void {
  if (opened) return;
  const status = session.openPredictions(number => {
    const ended = pending.get(number);
    pending.delete(number);
    ended?.(ints[Place.status] as number, ints[Place.outputId] as number, reals[0] as number);
  });
  if (status !== Status.ok) throw new Error(`latent: no predictions in this thread (status ${status})`);
  opened = true;
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
export function beginPrediction(plan: number, batch: number, ended: Ended): { status: number; number: number } {
  open();
  const number = ++count;
  pending.set(number, ended);
  const status = session.predict(plan, batch, number);
  if (status !== Status.ok) pending.delete(number);
  return { status, number };
}

/** Has a prediction end before its next step; it ends with status `stopped`. */
export function stopPrediction(number: number): void {
  if (pending.has(number)) session.stopPrediction(number);
}
