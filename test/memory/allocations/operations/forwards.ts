import { autograd, type Tensor } from '../../../../lib/index.js';
import { makeNet, ready, x } from './nets.js';
import type { Operation } from './operation.js';

export function forwards(): Operation[] {
  const modes: [string, (body: () => unknown) => unknown][] = [
    ['recorded', body => autograd.record(body as () => Tensor)],
    ['training', body => autograd.trainMode(body)],
    ['predicting', body => autograd.predictMode(body)],
  ];
  return modes.flatMap(([mode, run]) =>
    [false, true].flatMap((hybridized): Operation[] => {
      const how = `${mode}${hybridized ? ', hybridized' : ''}`;
      return [
        {
          name: `first forward, ${how}`,
          prepare: () => {
            const net = makeNet();
            net.initialize({ init: 'xavier' });
            if (hybridized) net.hybridize();
            const input = x();
            return { nets: [net], act: () => run(() => net(input)) };
          },
        },
        {
          name: `forward, ${how}`,
          prepare: () => {
            const net = ready(hybridized);
            const input = x();
            run(() => net(input));
            return { nets: [net], act: () => run(() => net(input)) };
          },
        },
      ];
    }),
  );
}
