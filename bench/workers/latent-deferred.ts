import { nn, random, type Tensor } from 'latent';
import type { Spec } from '../contenders/protocol.js';
import { calls, type Job } from './serve.js';

export interface DeferredSpec extends Spec {
  readonly kind: 'deferred';
  /**
   * The first call of a net that was told no sizes; filling the parameters of one that was, and one forward; the shape
   * pass alone; a forward alone; the first call of a hybridized net.
   */
  readonly part: 'first call' | 'fill and forward' | 'shape pass' | 'forward' | 'call that traces';
  readonly layers: number;
  readonly width: number;
  readonly batch: number;
}

function netOf({ layers, width }: DeferredSpec, inUnits: number | undefined): nn.Sequential {
  const net: nn.Sequential = new nn.Sequential();
  for (let i = 0; i < layers; i++) net.add(new nn.Dense(width, { activation: 'relu', inUnits }));
  return net;
}

/** Times a body on something made anew for each iteration; the making doesn't count. */
function onFresh<T>(make: () => T, body: (made: T) => unknown): Job {
  const seconds = (): number => {
    const made = make();
    const start = process.hrtime.bigint();
    body(made);
    return Number(process.hrtime.bigint() - start) * 1e-9;
  };
  return {
    time(iterations, warmup) {
      for (let i = 0; i < warmup; i++) seconds();
      let total = 0;
      for (let i = 0; i < iterations; i++) total += seconds();
      return total;
    },
  };
}

export function deferredJob(spec: DeferredSpec): Job {
  const { part, width, batch } = spec;
  const x: Tensor = random.uniform([batch, width]);
  const init = { init: 'xavier' } as const;
  const unsized = (): nn.Sequential => {
    const net = netOf(spec, undefined);
    net.initialize(init);
    return net;
  };
  switch (part) {
    case 'first call':
      return onFresh(unsized, net => net(x));
    case 'fill and forward':
      return onFresh(
        () => netOf(spec, width),
        net => {
          net.initialize(init);
          return net(x);
        },
      );
    case 'shape pass': {
      const net = unsized();
      return calls(() => net.outputShape([batch, width]));
    }
    case 'forward': {
      const net = unsized();
      return calls(() => net(x));
    }
    case 'call that traces': {
      const net = unsized();
      net.hybridize();
      return calls(() => {
        net.retrace();
        return net(x);
      });
    }
  }
}
