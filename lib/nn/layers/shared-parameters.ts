import { ArgumentError, DTypeError } from '../../errors.js';
import { ParameterDict } from '../../parameter/dict.js';
import { Parameter, type ParameterOptions } from '../../parameter/parameter.js';
import { shown } from '../../support/check.js';

/** Another layer's parameters, or undefined. */
export function checkParams(who: string, params: unknown): ParameterDict | undefined {
  if (params === undefined || params instanceof ParameterDict) return params;
  throw new ArgumentError(`${who}: params takes another layer's params, but got ${shown(params)}`);
}

/** A parameter of a layer's own, or the one of that name in `params`, held against what this layer asks for. */
export function parameterOf(
  who: string,
  params: ParameterDict | undefined,
  name: string,
  options: ParameterOptions,
): Parameter {
  if (params === undefined) return new Parameter(options);
  const parameter = params.get(name);
  if (options.dtype !== undefined && options.dtype !== parameter.dtype) {
    throw new DTypeError(
      `${who} shares ${name} ${parameter.describe()}, which is ${parameter.dtype}, not ${shown(options.dtype)}`,
    );
  }
  if (options.init !== undefined) {
    throw new ArgumentError(
      `${who} shares ${name} ${parameter.describe()}, which has its own initializer; leave ${name}Initializer out`,
    );
  }
  parameter.shape = options.shape;
  return parameter;
}
