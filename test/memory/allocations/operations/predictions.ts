import { nn, zeros } from '../../../../lib/index.js';
import { ready, x } from './nets.js';
import type { Operation } from './operation.js';

export function predictions(): Operation[] {
  return [0, 1].flatMap((before): Operation[] => [
    {
      name: `predictSync after ${before}`,
      prepare: () => {
        const net = ready();
        const input = x();
        if (before > 0) net.predictSync(input);
        return { nets: [net], act: () => net.predictSync(input) };
      },
    },
    {
      name: `predict after ${before}`,
      prepare: () => {
        const net = ready();
        const input = x();
        if (before > 0) net.predictSync(input);
        return { nets: [net], act: () => net.predict(input) };
      },
    },
    {
      name: `several predictions in parts, after ${before}`,
      prepare: () => {
        const net = ready();
        const input = x();
        if (before > 0) net.predictSync(input);
        const act = async () => {
          const all = await Promise.allSettled([
            net.predict(input),
            net.predict(input, { batchSize: 2 }),
            net.predict(input, { batchSize: 3 }),
          ]);
          return all.map(one => {
            if (one.status === 'rejected') throw one.reason;
            return one.value as unknown;
          });
        };
        return { nets: [net], act };
      },
    },
    {
      name: `a tensor that is written while a prediction reads it, after ${before}`,
      prepare: () => {
        const net = ready();
        const input = x();
        if (before > 0) net.predictSync(input);
        const y = net.predict(input);
        const act = async () => {
          try {
            net.get(4, nn.Dense).weight.setData(zeros([6, 18]));
          } finally {
            // It may lack memory itself.
            await y.catch(() => undefined);
          }
        };
        return { nets: [net], act };
      },
    },
  ]);
}
