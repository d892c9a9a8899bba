import { ints, Place, Status, session } from '../native/register.js';

/** Hears how a prediction ended: its status, and the step that failed. */
export type Ended = (status: number, step: number) => void;

const pending = new Map<number, Ended>();
let count = 0;
let opened = false;

function open(): void {
  if (opened) return;
  const status = session.openPredictions(number => {
    const ended = pending.get(number);
    pending.delete(number);
    ended?.(ints[Place.status] as number, ints[Place.outputId] as number);
  });
  if (status !== Status.ok) throw new Error(`latent: no predictions in this thread (status ${status})`);
  opened = true;
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
