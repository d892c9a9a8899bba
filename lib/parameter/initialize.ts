import { ArgumentError, BlockError } from '../errors.js';
import { Initializer } from '../init/initializer.js';
import { createInitializer, type InitializerLike } from '../init/named.js';
import { context } from '../ops/context.js';
import { initializeCount, setInitializeCount } from '../random/initialize-count.js';
import { checkBoolean, checkOptions } from '../support/check.js';
import { warn } from '../support/warn.js';
import type { Tensor } from '../tensor/tensor.js';
import { transact } from '../trace/transaction.js';
import { defaultInitializer, type Parameter, parameterInternals } from './parameter.js';

export interface InitializeOptions {
  /** How weights get their first values: `Uniform(0.07)` by default, as in Gluon; biases get zeros. */
  init?: InitializerLike | undefined;
  /** Draws again what has values already. */
  forceReinit?: boolean | undefined;
}

/** How many parameters a warning names. */
const SHOWN = 4;

/**
 * One `initialize` call over parameters by path: those of known shape get their values at once, the others when a first
 * batch has told their shape. All or nothing: an initializer that throws leaves everything as it was.
 */
export function initializeParameters(
  who: string,
  parameters: Iterable<readonly [string, Parameter]>,
  options?: InitializeOptions,
): void {
  if (typeof options === 'string' || options instanceof Initializer) {
    const given = typeof options === 'string' ? `'${options}'` : `new init.${options.constructor.name}()`;
    throw new ArgumentError(`${who}.initialize takes an options object; write { init: ${given} }`);
  }
  const { init, forceReinit = false } = checkOptions(`${who}.initialize`, options, ['init', 'forceReinit']);
  checkBoolean(`${who}.initialize: forceReinit`, forceReinit);
  const initializer = init === undefined ? defaultInitializer : createInitializer(`${who}.initialize`, init);
  const { initializing: busy } = context;
  if (busy !== null)
    throw new BlockError(`${who}.initialize was called from inside the initializer of ${busy.describe()}`);
  if (context.forwards > 0) throw new BlockError(`${who}.initialize was called from inside a forward`);
  const count = initializeCount();
  const kept: Parameter[] = [];
  let drawn = 0;
  transact(transaction => {
    transaction.note(() => setInitializeCount(count));
    setInitializeCount(count + 1);
    const again: [Parameter, Tensor][] = [];
    for (const [path, parameter] of parameters) {
      if (parameter.state === 'ready') {
        if (!forceReinit) {
          kept.push(parameter);
          continue;
        }
        drawn++;
        parameterInternals.intend(parameter, initializer, count, path);
        again.push([parameter, parameterInternals.draw(parameter)]);
      } else {
        drawn++;
        parameterInternals.intend(parameter, initializer, count, path);
        parameterInternals.materialize(parameter);
      }
    }
    // All new values exist before the first old one is overwritten.
    for (const [parameter, values] of again) parameterInternals.overwrite(parameter, values);
  });
  // Where others were new, those with values are meant to keep them: layers that were loaded, with a new one after them.
  if (kept.length > 0 && drawn === 0) {
    const names = kept.slice(0, SHOWN).map(parameter => parameter.describe());
    const more = kept.length > SHOWN ? ` and ${kept.length - SHOWN} more` : '';
    warn(
      'LATENT_ALREADY_INITIALIZED',
      `${who}.initialize found nothing to do: ${names.join('; ')}${more} had values, and kept them; leave the call out, or pass { forceReinit: true } to draw them again`,
    );
  }
}
