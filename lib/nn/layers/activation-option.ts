import { ArgumentError } from '../../errors.js';
import { type ActivationName, activationNames } from '../../ops/activations.js';
import { checkOneOf } from '../../support/check.js';

export function checkActivation(who: string, value: unknown): ActivationName {
  if (value === 'softmax' || value === 'logSoftmax')
    throw new ArgumentError(
      `${who}: ${value} is no activation of a layer. Leave the layer without one: loss.SoftmaxCrossEntropy takes its output ` +
        `as it is, and ${value}(output, { axis: -1 }) gives what a prediction needs`,
    );
  return checkOneOf(who, value, activationNames);
}
