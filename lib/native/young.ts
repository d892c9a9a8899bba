import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** In a context of its own, which is all that the function keeps alive. Undefined where contexts have no `gc`. */
function collectorOfNewContext(): (() => void) | undefined {
  return runInNewContext(`typeof gc === 'function' ? (gc => () => gc({ type: 'minor' }))(gc) : undefined`);
}

/**
 * V8's own collection of young objects, which it shows to programs behind a flag: to the contexts that are made while the flag
 * is on, here to one for this alone. Undefined where the host's engine has none; what raises may go better another time.
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
