import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A function of a new context, which keeps nothing else alive. Undefined where new contexts have no `gc`. */
function collectorOfNewContext(): (() => void) | undefined {
  return runInNewContext(`typeof gc === 'function' ? (gc => () => gc({ type: 'minor' }))(gc) : undefined`);
}

/**
 * V8's own collection of young objects. V8 gives it to contexts that are made while a flag is on, here to one that is made for
 * nothing else. Undefined where the host's engine has none. Raises near the end of the stack.
 */
export function findYoungCollector(): (() => void) | undefined {
  const found = collectorOfNewContext();
  if (found !== undefined) return found;
  setFlagsFromString('--expose-gc');
  try {
    return collectorOfNewContext();
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}
