import { DeferredInitializationError, DTypeError, FormatError, ShapeError } from '../errors.js';
import * as safetensors from '../files/safetensors.js';
import { inDType } from '../ops/cast.js';
import { checkOptions, checkPath, shownShape } from '../support/check.js';
import type { Tensor } from '../tensor/tensor.js';
import { transact } from '../trace/transaction.js';
import { type Parameter, parameterInternals } from './parameter.js';

export interface LoadParametersOptions {
  /** Leaves parameters that the file doesn't have as they are. */
  allowMissing?: boolean | undefined;
  /** Ignores tensors that the net has no parameter for. */
  ignoreExtra?: boolean | undefined;
  /** Converts values whose type differs from the parameter's. */
  castDtype?: boolean | undefined;
}

/** Kept in files, so that a later reader knows what it has. */
const metadata = { format: 'latent.parameters', version: '1' } as const;

/** Parameters by path, and what messages call their holder. */
export interface Held {
  readonly who: string;
  readonly parameters: ReadonlyMap<string, Parameter>;
}

/** The values by path. Raises, naming them, when parameters have none yet. */
function readyValues({ who, parameters }: Held, what: string): (readonly [string, Tensor])[] {
  const waiting = [...parameters].filter(([, parameter]) => parameter.state !== 'ready').map(([path]) => path);
  if (waiting.length > 0) {
    throw new DeferredInitializationError(
      `${who}.${what}: ${listed(waiting)} ${waiting.length === 1 ? 'has' : 'have'} no values yet; call initialize() and pass a batch, or call inferShape() with the shape of one`,
    );
  }
  return [...parameters].map(([path, parameter]) => [path, parameter.data()]);
}

export function saveToFile(held: Held, what: string, path: string): void {
  safetensors.save(checkPath(`${held.who}.${what}`, path), readyValues(held, what), { metadata });
}

export function toFileBytes(held: Held): Uint8Array {
  return safetensors.toBytes(readyValues(held, 'toBytes'), { metadata });
}

export function loadFromFile(held: Held, what: string, path: string, options?: LoadParametersOptions): void {
  const who = `${held.who}.${what}`;
  const checked = checkLoadOptions(who, options);
  loadTensors(held, who, path, safetensors.load(checkPath(who, path)), checked);
}

export function loadFromBytes(held: Held, bytes: Uint8Array, options?: LoadParametersOptions): void {
  const who = `${held.who}.fromBytes`;
  loadTensors(held, who, 'the buffer', safetensors.fromBytes(bytes), checkLoadOptions(who, options));
}

function checkLoadOptions(who: string, options: LoadParametersOptions | undefined): LoadParametersOptions {
  return checkOptions(who, options, ['allowMissing', 'ignoreExtra', 'castDtype']);
}

function listed(names: readonly string[]): string {
  return names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', ');
}

function checkNames(
  who: string,
  from: string,
  parameters: ReadonlyMap<string, Parameter>,
  tensors: ReadonlyMap<string, Tensor>,
  options: LoadParametersOptions,
): void {
  const missing = [...parameters.keys()].filter(path => !tensors.has(path));
  const extra = [...tensors.keys()].filter(path => !parameters.has(path));
  if (options.allowMissing && missing.length > 0 && missing.length === parameters.size && extra.length > 0) {
    throw new FormatError(
      `${who}: ${from} has none of the parameters; it has ${listed([...tensors.keys()])}, but wanted are ${listed(missing)}`,
    );
  }
  if (missing.length > 0 && !options.allowMissing) {
    throw new FormatError(
      `${who}: ${from} lacks ${listed(missing)}; it has ${listed([...tensors.keys()])}. To load the rest, pass { allowMissing: true }`,
    );
  }
  if (extra.length > 0 && !options.ignoreExtra) {
    throw new FormatError(
      `${who}: ${from} has ${listed(extra)}, for which there is no parameter. To load the rest, pass { ignoreExtra: true }`,
    );
  }
}

function loadTensors(
  { parameters }: Held,
  who: string,
  from: string,
  file: safetensors.SafetensorsFile,
  options: LoadParametersOptions,
): void {
  const { version } = file.metadata;
  if (file.metadata.format === metadata.format && Number(version) > Number(metadata.version)) {
    throw new FormatError(
      `${who}: ${from} has version ${version} of the format, and this version of latent reads up to ${metadata.version}`,
    );
  }
  checkNames(who, from, parameters, file.tensors, options);
  transact(() => {
    for (const [path, values] of file.tensors) {
      const parameter = parameters.get(path);
      if (parameter === undefined) continue;
      const fits =
        values.ndim === parameter.shape.length &&
        parameter.shape.every((size, d) => size === -1 || size === values.shape[d]);
      if (!fits) {
        throw new ShapeError(
          `${who}: ${path} has shape ${shownShape(values.shape)} in ${from}, but parameter ${parameter.describe()} has ${shownShape(parameter.shape)}`,
        );
      }
      if (values.dtype !== parameter.dtype && !options.castDtype) {
        throw new DTypeError(
          `${who}: ${path} is ${values.dtype} in ${from}, but parameter ${parameter.describe()} is ${parameter.dtype}; pass { castDtype: true } to convert it`,
        );
      }
      parameterInternals.give(parameter, inDType(values, parameter.dtype) as Tensor);
    }
  });
}
