import { ValueError } from '../errors.js';
import { internals, type Tensor } from '../tensor/tensor.js';
import { max, min } from './reduce.js';
import { detach } from './view.js';

/** Raises for values that are no probabilities. */
export function checkProbabilities(who: string, p: Tensor): void {
  if (internals.isAbstract(p) || p.size === 0) return;
  const values: Tensor = detach(p);
  const [low, high] = [min(values).item() as number, max(values).item() as number];
  if (low < 0 || high > 1)
    throw new ValueError(`${who} takes probabilities from 0 to 1, but got predictions from ${low} to ${high}`);
}
