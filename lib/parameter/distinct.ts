import { ArgumentError } from '../errors.js';
import { shown } from '../support/check.js';
import { Parameter } from './parameter.js';

/** The parameters of a list, each once. Each is looked at before the next is asked for, so that another list may be endless. */
export function distinctParameters(who: string, list: Iterable<unknown>): Set<Parameter> {
  const distinct = new Set<Parameter>();
  for (const parameter of list) {
    if (!(parameter instanceof Parameter))
      throw new ArgumentError(`${who} takes parameters, but got ${shown(parameter)}`);
    distinct.add(parameter);
  }
  return distinct;
}
