import { FormatError } from '../errors.js';
import { parseFlat } from '../files/json.js';
import * as safetensors from '../files/safetensors.js';
import type { Optimizer } from '../optim/optimizer.js';
import type { OptimizerState } from '../optim/rule.js';
import type { Parameter } from '../parameter/parameter.js';
import { shownShape } from '../support/check.js';
import type { Tensor } from '../tensor/tensor.js';

/** Kept in files, so that a later reader knows what it has. */
const FORMAT = 'latent.optimizer';
const VERSION = '1';

type Parameters = readonly (readonly [string, Parameter])[];

export function saveOptimizer(optimizer: Optimizer, parameters: Parameters, path: string): void {
  const tensors: (readonly [string, Tensor])[] = [];
  const steps = new Map<string, number>();
  for (const [name, parameter] of parameters) {
    const state = optimizer.stateOf(parameter);
    if (state === null) continue;
    steps.set(name, state.steps);
    for (const [kept, t] of Object.entries(state.kept)) tensors.push([`${name}.${kept}`, t]);
  }
  const metadata = {
    format: FORMAT,
    version: VERSION,
    optimizer: optimizer.constructor.name,
    steps: JSON.stringify(Object.fromEntries(steps)),
    updates: String(optimizer.updates),
    learningRate: String(optimizer.baseRate),
  };
  safetensors.save(path, tensors, { metadata });
}

function readSteps(path: string, text: string | undefined): Map<string, number> {
  let steps: unknown;
  try {
    steps = parseFlat(text ?? '');
  } catch (cause) {
    throw new FormatError(`Trainer.loadStates: ${path} does not tell its steps`, { cause });
  }
  const entries = Object.entries((steps ?? {}) as Record<string, unknown>);
  for (const [name, n] of entries) {
    if (!Number.isSafeInteger(n) || (n as number) < 0)
      throw new FormatError(`Trainer.loadStates: ${path} has no whole number of steps for ${name}`);
  }
  return new Map(entries as [string, number][]);
}

/** How many steps the optimizer did; files of before schedulers tell those of parameters alone. */
function readUpdates(path: string, text: string | undefined, steps: ReadonlyMap<string, number>): number {
  const updates = text === undefined ? Math.max(0, ...steps.values()) : Number(text);
  if (Number.isSafeInteger(updates) && updates >= 0) return updates;
  throw new FormatError(`Trainer.loadStates: ${path} has no whole number of updates, but ${text}`);
}

/** The rate that was set; null in files that do not tell it. */
function readRate(path: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const rate = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(rate) && rate >= 0) return rate;
  throw new FormatError(`Trainer.loadStates: ${path} has no learning rate from 0, but ${text}`);
}

export function loadOptimizer(optimizer: Optimizer, parameters: Parameters, path: string): void {
  const { tensors, metadata } = safetensors.load(path);
  if (metadata.format !== FORMAT)
    throw new FormatError(`Trainer.loadStates: ${path} holds no optimizer's states, but format ${metadata.format}`);
  if (Number(metadata.version) > Number(VERSION)) {
    throw new FormatError(
      `Trainer.loadStates: ${path} has version ${metadata.version}, and this version of latent reads up to ${VERSION}`,
    );
  }
  const kind = optimizer.constructor.name;
  if (metadata.optimizer !== kind)
    throw new FormatError(
      `Trainer.loadStates: ${path} is of ${metadata.optimizer}, but the trainer's optimizer is ${kind}`,
    );
  const steps = readSteps(path, metadata.steps);
  const known = new Set(parameters.map(([name]) => name));
  for (const name of steps.keys()) {
    if (!known.has(name))
      throw new FormatError(`Trainer.loadStates: ${path} has states for ${name}, which the trainer has not`);
  }
  const states = parameters.map(([name, parameter]): readonly [Parameter, OptimizerState | null] => {
    const done = steps.get(name);
    if (done === undefined) return [parameter, null];
    const kept: Record<string, Tensor> = {};
    for (const key of Object.keys(optimizer.initialState)) {
      const t = tensors.get(`${name}.${key}`);
      if (t === undefined || t.dtype !== parameter.dtype || !fitsShape(t, parameter)) {
        const found = t === undefined ? 'nothing' : `${t.dtype} of shape ${shownShape(t.shape)}`;
        throw new FormatError(
          `Trainer.loadStates: ${path} has ${found} as ${name}.${key}, for a ${parameter.dtype} parameter of shape ${shownShape(parameter.shape)}`,
        );
      }
      kept[key] = t;
    }
    return [parameter, { steps: done, kept }];
  });
  const updates = readUpdates(path, metadata.updates, steps);
  const rate = readRate(path, metadata.learningRate);
  optimizer.restoreUpdates(updates);
  if (rate !== null) optimizer.learningRate = rate;
  for (const [parameter, state] of states) optimizer.restore(parameter, state);
}

function fitsShape(kept: Tensor, parameter: Parameter): boolean {
  return (
    kept.ndim === parameter.shape.length && parameter.shape.every((size, d) => size === -1 || size === kept.shape[d])
  );
}
