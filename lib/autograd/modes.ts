import { AutogradError } from '../errors.js';
import { type Tape, watchers } from '../ops/watch.js';
import { checkBoolean, checkFunction, checkOptions, isThenable } from '../support/check.js';

interface Modes {
  recording: boolean;
  training: boolean;
}

let modes: Modes = { recording: false, training: false };
let tape: Tape | null = null;

/** The tape that sees operations while a scope records; set once, by the tape itself. */
export function installTape(installed: Tape): void {
  tape = installed;
}

/**
 * Runs `body` under other modes. The scopes are synchronous: a body that goes on after an `await` would run outside its
 * scope, and in a server inside somebody else's, so a promise raises.
 */
function scoped<R>(name: string, next: Partial<Modes>, body: () => R): R {
  checkFunction(`autograd.${name}`, body);
  const outer = modes;
  const outerTape = watchers.tape;
  modes = { ...outer, ...next };
  watchers.tape = modes.recording ? tape : null;
  let result: R;
  try {
    result = body();
  } finally {
    modes = outer;
    watchers.tape = outerTape;
  }
  if (isThenable(result)) {
    (result as Promise<unknown>).then(undefined, () => undefined);
    throw new AutogradError(
      `autograd.${name} takes a function that is done when it returns, but it returned a promise; await outside the scope`,
    );
  }
  return result;
}

export interface ScopeOptions {
  /** Whether layers such as Dropout act as in training. */
  trainMode?: boolean | undefined;
}

function trainMode(who: string, options: ScopeOptions | undefined, fallback: boolean): boolean {
  return checkBoolean(`${who}: trainMode`, checkOptions(who, options, ['trainMode']).trainMode ?? fallback);
}

/** Records what `body` computes from tensors with gradients, and returns its result; in training mode by default. */
export function record<const R>(body: () => R, options?: ScopeOptions): R {
  return scoped('record', { recording: true, training: trainMode('autograd.record', options, true) }, body);
}

/** Runs `body` unrecorded; in prediction mode by default. */
export function pause<const R>(body: () => R, options?: ScopeOptions): R {
  return scoped('pause', { recording: false, training: trainMode('autograd.pause', options, false) }, body);
}

/** Runs `body` in training mode, recording or not as before. */
function inTrainMode<const R>(body: () => R): R {
  return scoped('trainMode', { training: true }, body);
}

/** Runs `body` in prediction mode, recording or not as before. */
export function predictMode<const R>(body: () => R): R {
  return scoped('predictMode', { training: false }, body);
}

export { inTrainMode as trainMode };

/** Whether what runs now is written down. */
export function isRecording(): boolean {
  return modes.recording;
}

/** Whether layers behave as in training: dropout drops, BatchNorm takes the batch's statistics. */
export function isTraining(): boolean {
  return modes.training;
}

/** Runs `body` unrecorded without a change of the training mode: for what the library computes on the side. */
export function unrecorded<R>(body: () => R): R {
  return scoped('pause', { recording: false }, body);
}

/** Records what `body` computes without a change of the training mode. */
export function recorded<R>(body: () => R): R {
  return scoped('record', { recording: true }, body);
}
