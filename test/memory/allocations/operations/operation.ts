import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { metric, nn, Tensor, Trainer } from '../../../../lib/index.js';
import type { OptimizerState } from '../../../../lib/optim/rule.js';
import { parameterInternals } from '../../../../lib/parameter/parameter.js';
import { generators, programGenerator } from '../../../../lib/random/generator.js';
import { initializeCount } from '../../../../lib/random/initialize-count.js';
import { isTensor } from '../../../../lib/tensor/tensor.js';
import { bits } from '../../../support/nn-helpers.js';

/** An operation whose memory requests are failed, and all that a failure must leave as it was. */
export interface Prepared {
  /** Does it; what it answers is compared bit for bit. */
  act(): unknown;
  nets?: readonly nn.BlockBase[];
  trainers?: readonly Trainer[];
  metrics?: readonly (metric.Metric | metric.Composite)[];
  tensors?: readonly Tensor[];
}

export interface Operation {
  readonly name: string;
  /** `folder`: an empty one. */
  prepare(folder: string): Prepared;
  /** Whether a failure may leave a gradient without values: what the step has half written goes. */
  readonly mayDropGradients?: boolean;
}

/** A value with the bits of its tensors. */
export function shown(value: unknown): unknown {
  if (isTensor(value)) return bits(value as Tensor);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(shown);
  if (value instanceof Map) return [...value].map(shown);
  if (value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype)
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shown(one)]));
  return value;
}

function shownState(state: Readonly<OptimizerState> | null): unknown {
  return state === null ? null : { steps: state.steps, kept: shown(Object.values(state.kept)) };
}

/** Every parameter, gradient, optimizer's state, running statistic, metric, file and random stream. */
export function stateOf({ nets = [], trainers = [], metrics = [], tensors = [] }: Prepared, folder: string): unknown {
  const { seed } = programGenerator();
  const parameters = nets.map(net =>
    [...net.collectParams()].map(([path, p]) => {
      const leaf = parameterInternals.variable(p);
      const isReady = p.state === 'ready';
      return {
        path,
        state: p.state,
        shape: [...p.shape],
        dtype: p.dtype,
        data: isReady ? bits(p.data()) : null,
        gradient: leaf?.grad == null ? null : bits(leaf.grad),
        fresh: leaf?.fresh,
      };
    }),
  );
  const kept = trainers.map(({ optimizer }, i) => ({
    updates: optimizer.updates,
    rate: optimizer.learningRate,
    states: [...(nets[i] as nn.BlockBase).collectParams()].map(([, p]) => shownState(optimizer.stateOf(p))),
  }));
  return {
    parameters,
    trainers: kept,
    metrics: metrics.map(one => [one.get(), String(one)]),
    tensors: shown([...tensors]),
    files: readdirSync(folder).map(name => [name, readFileSync(join(folder, name), 'base64')]),
    stream: `${seed}@${generators.position(programGenerator())}`,
    initialized: initializeCount(),
  };
}
