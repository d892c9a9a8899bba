import { unrecorded } from '../autograd/modes.js';
import type { RowMarks } from '../autograd/rows.js';
import { ArgumentError } from '../errors.js';
import { opcode } from '../native/register.js';
import { cast } from '../ops/cast.js';
import { invokeInto } from '../ops/invoke.js';
import { sum } from '../ops/reduce.js';
import { square } from '../ops/unary.js';
import { ParameterDict } from '../parameter/dict.js';
import { distinctParameters } from '../parameter/distinct.js';
import { type Parameter, parameterInternals } from '../parameter/parameter.js';
import { checkPositive, shown } from '../support/check.js';
import type { Tensor } from '../tensor/tensor.js';

const MUL = opcode('mul');

/**
 * Scales the gradients of parameters, in place, so that all together, as one vector, they are no longer than `maxNorm`;
 * returns their length before. One that is not finite leaves them as they are. A trainer does the same with its setting
 * `clipNorm`, without a pass of its own.
 */
export function clipGlobalNorm(parameters: ParameterDict | Iterable<Parameter>, maxNorm: number): number {
  checkPositive('clipGlobalNorm: maxNorm', maxNorm);
  if (typeof parameters !== 'object' || parameters === null || !(Symbol.iterator in parameters))
    throw new ArgumentError(`clipGlobalNorm takes parameters, but got ${shown(parameters)}`);
  const values: Iterable<unknown> = parameters instanceof ParameterDict ? parameters.values() : parameters;
  const gradients: [Tensor, RowMarks | null][] = [];
  for (const parameter of distinctParameters('clipGlobalNorm', values)) {
    if (parameter.gradReq !== 'null' && parameter.state === 'ready') {
      const gradient = parameter.grad();
      gradients.push([gradient, parameterInternals.variable(parameter)?.rows ?? null]);
    }
  }
  return unrecorded(() => {
    const norm = Math.sqrt(
      gradients.reduce((total, [g]) => total + (sum(square(cast(g, 'float64'))).item() as number), 0),
    );
    if (norm <= maxNorm || !Number.isFinite(norm)) return norm;
    for (const [g, rows] of gradients) {
      // In place, which asks for no memory: all are scaled, or none.
      invokeInto('clipGlobalNorm', MUL, [g, maxNorm / norm], g);
      rows?.noteWrite();
    }
    return norm;
  });
}
