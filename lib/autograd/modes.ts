import { AutogradError } from '../errors.js';
import { context, type Tape } from '../ops/context.js';
import { checkBoolean, checkFunction, checkOptions, isThenable } from '../support/check.js';

declare module '../ops/context.js' {
  interface Context {
    recording: boolean;
    /** Whether layers act as in training. */
    training: boolean;
  }
}

context.recording = false;
context.training = false;

let tape: Tape | null = null;

/** The tape that sees operations while a scope records; set once, by the tape itself. */
export function installTape(installed: Tape): void {
  tape = installed;
}

/**
 * Runs `body` under other modes. The scopes are synchronous: a body that goes on after an `await` would run outside its
 * scope, and in a server inside somebody else's, so a promise raises.
 */
function scoped<R>(name: string, recording: boolean, training: boolean, body: () => R): R {
  checkFunction(`autograd.${name}`, body);
  // By hand, for it is part of every call that is recorded.
  const outer = { recording: context.recording, training: context.training, tape: context.tape };
  context.recording = recording;
  context.training = training;
  context.tape = recording ? tape : null;
  let result: R;
  try {
    result = body();
  } finally {
    context.recording = outer.recording;
    context.training = outer.training;
    context.tape = outer.tape;
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
  return scoped('record', true, trainMode('autograd.record', options, true), body);
}

/** Runs `body` unrecorded; in prediction mode by default. */
export function pause<const R>(body: () => R, options?: ScopeOptions): R {
  return scoped('pause', false, trainMode('autograd.pause', options, false), body);
}

/** Runs `body` in training mode, recording or not as before. */
function inTrainMode<const R>(body: () => R): R {
  return scoped('trainMode', context.recording, true, body);
}

/** Runs `body` in prediction mode, recording or not as before. */
export function predictMode<const R>(body: () => R): R {
  return scoped('predictMode', context.recording, false, body);
}

export { inTrainMode as trainMode };

/** Whether what runs now is written down. */
export function isRecording(): boolean {
  return context.recording;
}

/** Whether layers behave as in training: dropout drops, BatchNorm takes the batch's statistics. */
export function isTraining(): boolean {
  return context.training;
}

/** Runs `body` unrecorded without a change of the training mode: for what the library computes on the side. */
export function unrecorded<R>(body: () => R): R {
  return scoped('pause', false, context.training, body);
}

/** Records what `body` computes without a change of the training mode. */
export function recorded<R>(body: () => R): R {
  return scoped('record', true, context.training, body);
}
