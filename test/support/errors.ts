import { LatentError } from '../../lib/index.js';

type ErrorClass = new (...args: never[]) => LatentError;

const codes: Readonly<Record<string, string>> = {
  ShapeError: 'ERR_LATENT_SHAPE',
  DTypeError: 'ERR_LATENT_DTYPE',
  ArgumentError: 'ERR_LATENT_ARGUMENT',
  AutogradError: 'ERR_LATENT_AUTOGRAD',
  DisposedError: 'ERR_LATENT_DISPOSED',
  OutOfMemoryError: 'ERR_LATENT_OUT_OF_MEMORY',
  ValueError: 'ERR_LATENT_VALUE',
};

/** Holds a call to the error that users see: its class, its code, and a piece of its message. */
export function expectError(call: () => unknown, type: ErrorClass, message: string | RegExp): void {
  let caught: unknown;
  try {
    call();
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(type);
  expect(caught).toBeInstanceOf(LatentError);
  const error = caught as LatentError;
  expect({ name: error.name, code: error.code }).toEqual({ name: type.name, code: codes[type.name] });
  if (typeof message === 'string') expect(error.message).toContain(message);
  else expect(error.message).toMatch(message);
}
