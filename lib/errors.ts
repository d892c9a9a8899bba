/** Every error that the library raises on purpose. `code` is stable; see docs/errors.md for the table. */
export class LatentError extends Error {
  /** The stable code of the error, such as 'ERR_LATENT_SHAPE'. */
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** Sizes, ranks or axes that do not fit one another. */
export class ShapeError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_SHAPE', message, options);
  }
}

/** An element type that an operation does not take. */
export class DTypeError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_DTYPE', message, options);
  }
}

/** An argument or option of the wrong kind, or a misspelt option. */
export class ArgumentError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_ARGUMENT', message, options);
  }
}

/** A parameter whose `initialize()` was never called. */
export class ParameterNotInitializedError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_NOT_INITIALIZED', message, options);
  }
}

/** A parameter that waits for a first batch to learn its shape. */
export class DeferredInitializationError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_DEFERRED', message, options);
  }
}

/** A gradient that cannot be taken, or a use of the recording scopes that cannot work. */
export class AutogradError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_AUTOGRAD', message, options);
  }
}

/** A tensor that was disposed of, or that lived only for a shape pass. */
export class DisposedError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_DISPOSED', message, options);
  }
}

/** A file that does not hold what its format promises. */
export class FormatError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_FORMAT', message, options);
  }
}

/** A file that could not be read or written; `cause` is the system's error. */
export class FileError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_FILE', message, options);
  }
}

/** An allocation past `memory.setLimit`, or past what the machine has; raised before anything is touched. */
export class OutOfMemoryError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_OUT_OF_MEMORY', message, options);
  }
}

/** A structure of blocks that cannot work: cycles, hidden layers, calls from inside themselves. */
export class BlockError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_BLOCK', message, options);
  }
}

/** A sum of integers that does not fit int32, or an index outside its axis. */
export class ValueError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_VALUE', message, options);
  }
}

/** An AbortSignal cancelled the call; its reason is the `cause`. */
export class AbortError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_ABORT', message, options);
  }
}

/** More predictions than `maxQueue` have not ended: nothing was begun, and a server does well to turn the request away. */
export class BusyError extends LatentError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_LATENT_BUSY', message, options);
  }
}
